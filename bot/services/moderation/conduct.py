"""What moderators may know of a member, and of what was decided."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.domain.guild.sections import Strikes
from bot.domain.moderation.audit import AuditLine
from bot.domain.moderation.conduct import MemberConduct, MemberRecord
from bot.domain.money.quota import DAY_MS
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, cases, conduct, record

LATELY_DAYS = 30
_CASES_MAX = 1000  # about one member


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """Reads what is known. Every method is one transaction; who may ask is checked where it is asked."""

    store: Store
    clock: Clock

    async def record(self, user_id: int, guild_id: int) -> MemberRecord:
        """A member's use of a server: the last 30 days, and ever."""
        since = self.clock() - LATELY_DAYS * DAY_MS
        return await self.store.read(record.of_member, user_id, guild_id, since=since)

    async def standing(self, user_id: int, guild_id: int, *, rules: Strikes) -> MemberConduct:
        """What is held against a member; also against one who has left."""
        return await self.store.read(_standing, user_id, guild_id, rules=rules, now=self.clock())

    async def audit(self, guild_id: int, *, target_id: int | None = None, before: int | None = None, limit: int) -> list[AuditLine]:
        """The latest lines of a server's audit log; about one member, or those before a line."""
        return await self.store.read(audit_log.latest, guild_id, target_id=target_id, before=before, limit=limit)


def _standing(conn: Connection, user_id: int, guild_id: int, *, rules: Strikes, now: int) -> MemberConduct:
    given = conduct.strikes_of(conn, guild_id, user_id)
    return MemberConduct(
        points=conduct.standing(conn, guild_id, user_id, rules=rules, now=now),
        strikes=sum(1 if strike.weight > 0 else -1 for strike in given),
        block=conduct.blocked(conn, guild_id, user_id, now),
        cases=tuple(cases.of_author(conn, guild_id, user_id, limit=_CASES_MAX)),
    )
