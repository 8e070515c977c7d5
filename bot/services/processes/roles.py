"""Roles: what only one process of an installation does at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from bot.core.running.coordination import Coordination
from bot.core.running.supervision import Loop, Loops, pause

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Runs loops only while this process has their role. A process that ends or dies leaves its roles to the others."""

    coordination: Coordination
    retry_s: float  # how often a process asks for the roles that others have
    _running: Counter[str] = field(init=False, repr=False, default_factory=Counter)  # loops of this process, by role

    def once_in_all(self, loops: Loops, *, role: str | None = None) -> Loops:
        """The same loops, each in one process at a time; with a `role` all of them in the same process."""
        return {name: replace(loop, run=partial(self._run, name, role or name, loop)) for name, loop in loops.items()}

    async def _run(self, name: str, role: str, loop: Loop) -> None:
        lock = f"role:{role}"
        while True:
            while not await self.coordination.try_lock(lock):
                await pause(self.retry_s)
            self._running[lock] += 1
            try:
                await self._run_while_held(name, lock, loop)
            finally:
                self._running[lock] -= 1
                if not self._running[lock]:
                    await asyncio.shield(self.coordination.unlock(lock))

    async def _run_while_held(self, name: str, lock: str, loop: Loop) -> None:
        """Raises what the loop raises."""
        running = asyncio.create_task(loop.run(), name=name)
        lost = asyncio.create_task(self._wait_lost(lock), name=f"{name} role")
        try:
            await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
                raise RuntimeError("the loop has ended")
            log.info("role lost", role=name)
        finally:
            lost.cancel()
            running.cancel()
            await asyncio.wait({running, lost})

    async def _wait_lost(self, lock: str) -> None:
        if self.coordination.is_held(lock):
            await self.coordination.wait_lost()
