"""What the shards of this process have in common with those of others: their number, their locks, and turns to start sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from bot.core.clock import Clock
from bot.core.errors import DatabaseAway
from bot.core.running.coordination import AlwaysGranted, Coordination
from bot.core.running.keyed_locks import KeyedLocks
from bot.store.cluster import rates, shards
from bot.store.engine.base import Store

_SECOND_US: Final = 1_000_000


class Sharing(Protocol):
    """The port to the other processes."""

    coordination: Coordination

    async def living(self) -> int:
        """How many processes work, this one included."""

    async def agree(self, wanted: int, *, is_start: bool = False) -> int:
        """The number of shards that all processes use, at least `wanted`. Raises `DatabaseAway`."""

    async def wait_turn(self, name: str, interval_s: float) -> None:
        """Wait for one of the turns of this name, of which all processes together have one in `interval_s` seconds."""


class AloneSharing:
    """For one process alone."""

    def __init__(self) -> None:
        self.coordination: Coordination = AlwaysGranted()
        self._turns = KeyedLocks()
        self._free_at_s: dict[str, float] = {}  # monotonic, by the name of a turn

    async def living(self) -> int:
        return 1

    async def agree(self, wanted: int, *, is_start: bool = False) -> int:
        del is_start
        return wanted

    async def wait_turn(self, name: str, interval_s: float) -> None:
        async with self._turns.of(name):
            await asyncio.sleep(self._free_at_s.get(name, 0.0) - time.monotonic())
            self._free_at_s[name] = time.monotonic() + interval_s


class StoredSharing:
    """For many processes on one database."""

    def __init__(self, *, store: Store, coordination: Coordination, living: Callable[[], Awaitable[int]], clock: Clock) -> None:
        self.coordination = coordination
        self._store = store
        self._living = living
        self._clock = clock
        self._turns = KeyedLocks()  # one task of this process asks for a turn, the others wait for it

    async def living(self) -> int:
        return await self._living()

    async def agree(self, wanted: int, *, is_start: bool = False) -> int:
        is_alone = is_start and await self._living() == 1
        kept = await self._store.read(shards.agreed)
        if kept is not None and (kept == wanted or (kept > wanted and not is_alone)):
            return kept
        return await self._store.write(shards.agree, wanted, self._clock(), is_alone=is_alone)

    async def wait_turn(self, name: str, interval_s: float) -> None:
        """Without the database, by this process's own pace: Discord refuses a session that comes too early, and it is tried again."""
        async with self._turns.of(name):
            try:
                wait_s = await self._take(name, interval_s)
                while wait_s:
                    await asyncio.sleep(wait_s)
                    wait_s = await self._take(name, interval_s)
            except DatabaseAway:
                await asyncio.sleep(interval_s)

    async def _take(self, name: str, interval_s: float) -> float:
        """0, or the seconds after which to ask again."""
        return await self._store.write(rates.take, name, self._clock() * 1000, int(interval_s * _SECOND_US)) / _SECOND_US
