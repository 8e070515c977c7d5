"""The loop of the running bot that makes backups by schedule, and publishes when the last one was made, whoever made it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bot.core import private_files
from bot.core.clock import Clock
from bot.core.errors import EaselError
from bot.core.metrics import LAST_BACKUP
from bot.core.running.supervision import pause, resting
from bot.services.backups.making import Backups, dated
from bot.store.engine import sqlite_start
from bot.store.engine.opening import sqlite_file

log = structlog.get_logger(__name__)

_POLL_S: Final = 60.0
_RETRY_S: Final = 3600.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Where backups go, how often, and how many stay."""

    folder: Path
    every_s: float
    keep: int


class ScheduledBackups:
    """Makes backups off the event loop, one at a time. Without a schedule it only publishes the time of the last one."""

    def __init__(self, *, backups: Backups, schedule: Schedule | None, clock: Clock) -> None:
        self._backups, self._schedule, self._clock = backups, schedule, clock
        self._has_failed = False

    async def run(self) -> None:
        """Run until cancelled."""
        schedule = self._schedule
        due = time.monotonic() + (await asyncio.to_thread(self._first_pause_s, schedule) if schedule else 0)
        while True:
            if schedule and time.monotonic() >= due:
                due = time.monotonic() + await self._make(schedule)
            await self._publish()
            await asyncio.to_thread(self._remove_old_copies)
            await pause(max(0, min(_POLL_S, due - time.monotonic())) if schedule else _POLL_S)

    def _first_pause_s(self, schedule: Schedule) -> float:
        """Seconds until the first one is due. After the clock was set back that is at once."""
        try:
            last = max(dated(schedule.folder).values(), default=0)
        except OSError:  # making one says why
            return 0.0
        since_s = (self._clock() - last) / 1000
        return max(0.0, schedule.every_s - since_s) if since_s >= 0 else 0.0

    async def _make(self, schedule: Schedule) -> float:
        """Seconds until the next one. A failure is told once, until one succeeds."""
        try:
            await asyncio.to_thread(private_files.make_folder, schedule.folder)
            with resting(is_done=False):  # a large database takes long
                made = await self._backups.make(schedule.folder, keep=schedule.keep)
        except (EaselError, OSError) as error:
            self._tell(error.sentence if isinstance(error, EaselError) else str(error), do="Check BACKUP_DIR, its disk and who owns it.")
            return min(_RETRY_S, schedule.every_s)
        if made.wrong:
            self._tell(made.wrong[0], do="Run `python -m bot doctor --ledger`. The backup was kept, and no earlier one was deleted.")
            return schedule.every_s
        log.info("backup made", to=str(made.path), size_bytes=made.size_bytes)
        if self._has_failed:
            self._has_failed = False
            log.warning("backup failed is over")
        return schedule.every_s

    def _tell(self, reason: str, *, do: str) -> None:
        tell = log.info if self._has_failed else log.critical
        self._has_failed = True
        tell("backup failed", reason=reason, do=do)

    async def _publish(self) -> None:
        made_at = await self._backups.last_made_at()
        LAST_BACKUP.set((made_at or 0) / 1000)

    def _remove_old_copies(self) -> None:
        file = sqlite_file(self._backups.database)
        if file is not None:
            sqlite_start.remove_old_copies(file)
