"""Threads for work that takes long, apart from those that asyncio shares among everything, and bounded for each member or guild."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Final, Self, TypeVar

from bot.core.errors import Overloaded
from bot.core.i18n import _
from bot.core.metrics import EXECUTOR_WAITING
from bot.core.running import machine
from bot.core.running.keyed_locks import KeyedLocks

T = TypeVar("T")

_THREADS: Final = 2


class BoundedExecutor:
    """An async context manager. The work of one key is done one after the other; the work of others does not wait for it.

    At most `per_key` pieces of work of one key wait or run, and at most `total` of all; more are refused with `Overloaded`.
    """

    def __init__(self, name: str, *, per_key: int, total: int, threads: int = _THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._per_key, self._total = per_key, total
        self._turns = KeyedLocks()
        self._waiting: Counter[Hashable] = Counter()
        EXECUTOR_WAITING.labels(name).set_function(self._waiting.total)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, key: Hashable, work: Callable[..., T], *args: object) -> T:
        """The result of `work(*args)`. Raises `Overloaded`."""
        async with self.turn(key):
            return await self.call(work, *args)

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        """Whatever is done meanwhile is the only work of this key. Raises `Overloaded`."""
        if self._waiting[key] >= self._per_key or self._waiting.total() >= self._total:
            raise Overloaded(_("Easel is busy right now. Try again in a minute."))
        self._waiting[key] += 1
        try:
            async with self._turns.of(key):
                yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def call(self, work: Callable[..., T], *args: object, limit_s: float | None = None) -> T:
        """The result of `work(*args)` in a thread, in the language of the caller. Raises a shortage of this machine as `MachineTrouble`.

        Raises `TimeoutError` after `limit_s` seconds; the thread, which cannot be interrupted, is lost until the work ends.
        """
        with machine.trouble_raised():
            future = asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, work, *args)
            try:
                return await asyncio.wait_for(asyncio.shield(future), limit_s)
            except asyncio.CancelledError:
                future.cancel()
                await asyncio.wait([future], timeout=limit_s)  # the next work of the key must not run beside it
                raise
            finally:
                future.cancel()
