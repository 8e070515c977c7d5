"""For a guild's managers: an overview of the guild, and grants of credits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import NotAllowed
from bot.core.i18n import _
from bot.core.settings.field_types import ManagersMay
from bot.domain.actor import Actor
from bot.domain.guild import allotment
from bot.domain.guild.document import Policy
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.money import quota
from bot.domain.money.accounts import AccountRef
from bot.domain.money.ledger import Statement
from bot.domain.request import Request
from bot.services.money.accounts import Money, UsageSummary
from bot.services.money.excess import Excesses
from bot.services.money.pricing import Pricing
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, cases, conduct
from bot.store.money import transfers

SUMMARY_DAYS: Final = 30  # as `/usage` shows at first
COUNTED_MAX: Final = 100  # open cases and blocks of an overview


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A guild's rules, and its current usage. Amounts are microcredits."""

    policy: Policy
    usage: UsageSummary  # of the last `SUMMARY_DAYS`
    pool: Statement | None
    renews_at: int  # Unix ms: when the next month begins
    open_cases: int  # at most `COUNTED_MAX`, as for blocks
    blocks: int


@dataclass(frozen=True, kw_only=True)
class _Counts:
    open_cases: int
    blocks: int


@dataclass(frozen=True, kw_only=True)
class Admin:
    """Reads the overview and grants credits. Callers check the permission."""

    excesses: Excesses  # of new limits
    has_checks: bool  # whether the operator has a moderations endpoint
    store: Store
    money: Money
    pricing: Pricing
    managers_may: frozenset[ManagersMay]
    clock: Clock

    async def overview(self, request: Request) -> Overview:
        """The guild's current state."""
        now, pool = self.clock(), self.pricing.pool(request)
        counts = await self.store.read(_counts, request.required_guild_id, now)
        return Overview(
            **vars(counts),
            policy=request.policy,
            usage=await self.money.summary(request, days=SUMMARY_DAYS),
            pool=None if pool is None else await self.pricing.statement_of(pool, lines=0),
            renews_at=quota.next_month(now),
        )

    async def grant(self, request: Request, *, to: Actor | None, amount: int, note: str | None, key: str) -> bool:
        """Grant `amount` microcredits to a member, or to the guild's pool if `to` is None. False if `key` was booked before.

        Raises `NotAllowed` if the guild has no pool or may not grant credits, `InvalidRequest` if the amount is invalid.
        """
        if ManagersMay.GRANTS not in self.managers_may:
            raise allotment.refusal(ManagersMay.GRANTS)
        account = self.pricing.pool(request) if to is None else self.pricing.own(request, to)
        if account is None:
            raise NotAllowed(_("This server has no shared pool. Choose the member who gets the credits."))
        line = AuditLine(
            action=AuditAction.GRANTED,
            at=self.clock(),
            guild_id=request.required_guild_id,
            actor_id=request.actor.user_id,
            target_id=None if to is None else to.user_id,
            details={"amount": amount, "note": note, "account": account.name},
        )
        return await self.store.write(_grant, account, amount=amount, key=key, line=line, note=note)


def _grant(conn: Connection, account: AccountRef, *, amount: int, key: str, line: AuditLine, note: str | None) -> bool:
    given = transfers.grant(conn, to=account, amount=amount, key=key, now=line.at, by_id=line.actor_id, note=note)
    if given:
        audit_log.note(conn, line)
    return given


def _counts(conn: Connection, guild_id: int, now: int) -> _Counts:
    return _Counts(
        open_cases=len(cases.waiting(conn, guild_id, limit=COUNTED_MAX)),
        blocks=len(conduct.blocked_now(conn, guild_id, now, limit=COUNTED_MAX)),
    )
