"""What the processes of one installation agree on: who may do something that only one of them does at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from bot.core.running.keyed_locks import KeyedLocks

_TRY_AGAIN_S: Final = 0.05


class Coordination(Protocol):
    """Locks with names, each held by at most one process. All that a process holds is lost at once, if its session is."""

    async def try_lock(self, name: str) -> bool:
        """Take a lock, or return False if another process has it, or nobody can be asked. Taking what is held changes nothing."""

    async def unlock(self, name: str) -> None:
        """Let others take it. Changes nothing if it is not held."""

    def is_held(self, name: str) -> bool:
        """Whether this process holds it."""

    async def wait_lost(self) -> None:
        """Return when everything that was held has been lost."""


class AlwaysGranted:
    """For one process alone."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    async def try_lock(self, name: str) -> bool:
        self._held.add(name)
        return True

    async def unlock(self, name: str) -> None:
        self._held.discard(name)

    def is_held(self, name: str) -> bool:
        return name in self._held

    async def wait_lost(self) -> None:
        await asyncio.Event().wait()


class SharedLocks:
    """One lock for each key, among the tasks of all processes. `namespace` keeps the keys of different uses apart."""

    def __init__(self, namespace: str, coordination: Coordination) -> None:
        self._namespace = namespace
        self._coordination = coordination
        self._own = KeyedLocks()  # among the tasks of this process

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for the lock of a key, and hold it within the block."""
        name = f"{self._namespace}:{key}"
        async with self._own.of(key):
            while not await self._coordination.try_lock(name):  # noqa: ASYNC110  nobody is told when another process lets go
                await asyncio.sleep(_TRY_AGAIN_S)
            try:
                yield
            finally:
                await asyncio.shield(self._coordination.unlock(name))
