"""This process among those that work on the same database: it joins, renews its lease, takes over from the dead, and leaves."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from bot import __version__
from bot.core.clock import Clock
from bot.core.errors import DatabaseAway, StartError
from bot.core.metrics import PROCESSES
from bot.core.running import patience
from bot.core.running.home import Home
from bot.core.running.supervision import resting
from bot.store.cluster import processes
from bot.store.cluster.processes import Arrival, Newcomer
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

_RENEWALS: Final = 3  # in the time of a lease
_CLOCKS_MS: Final = 5_000  # by which clocks may differ


class Membership:
    """Of one process. On SQLite it is alone, and nothing can be taken from it."""

    def __init__(self, *, store: Store, home: Home, lease_s: float, clock: Clock) -> None:
        self._store = store
        self._home = home
        self._lease_s = lease_s
        self._clock = clock
        self._valid_until = 0.0  # monotonic; from then on others may take over
        self._judges_from = 0.0  # monotonic; before, others may have been kept from renewing, as this process was
        self._living = 1
        self._renewing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[Arrival]:
        """Take part within the block. Raises `StartError`."""
        newcomer = Newcomer(name=_name(), home=self._home.name, release=__version__, lease_ms=int(self._lease_s * 1000))
        began, store = time.monotonic(), self._store
        joined = await store.write(processes.join, newcomer, self._clock(), gone_homes=self._home.gone, is_alone=not store.is_shared)
        store.process_id = joined.id
        self._renewed(began, living=joined.others + 1)
        self._judges_from = began + self._lease_s
        if store.is_shared:
            self._check_clock(joined.clock_ms)
            self._renewing = asyncio.create_task(self._keep_renewing(), name="lease")
        try:
            yield joined
        finally:
            await self._leave(joined.id)

    async def run(self) -> None:
        """For the supervisor: until cancelled, or raise why this process takes part no longer."""
        with resting():  # the renewals are a task of their own, which begins before the loops and ends after them
            await (asyncio.shield(self._renewing) if self._renewing else asyncio.Event().wait())

    async def living(self) -> int:
        """How many processes work, this one included."""
        return self._living

    async def confirm(self) -> None:
        """Before a paid call: make sure that no other process has taken over. Raises `TakenOver`."""
        if self._renewing is not None and time.monotonic() > self._valid_until:
            await self._store.write(lambda _conn: None)  # refused if another has

    async def _keep_renewing(self) -> None:
        with patience.endless():
            while True:
                await asyncio.sleep(self._lease_s / _RENEWALS)
                try:
                    await self._renew()
                except StartError:
                    raise
                except Exception:  # the next one may succeed before the lease is over
                    log.exception("lease not renewed")

    async def _renew(self) -> None:
        began, process_id = time.monotonic(), self._store.process_id
        assert process_id is not None, "it has joined"  # noqa: S101
        renewed = await self._store.write(
            processes.renew, process_id, self._clock(), lease_ms=int(self._lease_s * 1000), may_judge=began >= self._judges_from
        )
        if renewed.had_lapsed:
            log.warning("lease renewed late", late_s=round(began - self._valid_until, 1))
            self._judges_from = time.monotonic() + self._lease_s
        for name in renewed.gone:
            log.warning("work of a dead process taken over", process=name)
        self._renewed(began, living=renewed.living)

    def _renewed(self, began: float, *, living: int) -> None:
        self._valid_until = began + self._lease_s
        self._living = living
        PROCESSES.set(living)

    def _check_clock(self, clock_ms: int) -> None:
        differ_ms = abs(self._clock() - clock_ms)
        if differ_ms > _CLOCKS_MS:
            log.critical(
                "clock differs from the database's",
                by_s=differ_ms // 1000,
                do="Check the time of this machine and of the database's; processes on several machines need the same time.",
            )

    async def _leave(self, process_id: int) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        with suppress(DatabaseAway, StartError):  # its lease ends by itself
            await self._store.write(processes.leave, process_id, self._clock())
        self._store.process_id = None


def _name() -> str:
    return f"{platform.node()[:60]}:{os.getpid()}"
