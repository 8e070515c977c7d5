"""What members tell the moderators, and what moderators may know of a member."""

from __future__ import annotations

from dataclasses import replace

from bot.clock import Clock
from bot.quota import DAY_MS
from bot.store import record, reports
from bot.store.engine import Store
from bot.store.record import Record
from bot.store.reports import Report

LATELY_DAYS = 30


class Conduct:
    """Keeps reports, and reads the record of a member. Every method is one transaction."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def report(self, report: Report) -> bool:
        """Keep what a member tells, as of now. False where they have told of this message before."""
        return await self._store.write(reports.add, replace(report, at=self._clock()))

    async def record(self, user_id: int, guild_id: int) -> Record:
        """A member's use of a server: the last 30 days, and ever."""
        since = self._clock() - LATELY_DAYS * DAY_MS
        return await self._store.read(record.of_member, user_id, guild_id, since=since)
