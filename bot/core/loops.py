"""Intervals, and asyncio helpers for the background loops: bounded keyed tasks, locks by key."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Intervals in seconds, and one count. Tests run the same code faster."""

    slow_s: float = 60  # a look at everything under way, however healthy the stream
    poll_min_s: float = 2  # without a stream: the first looks at a generation
    poll_max_s: float = 5  # and the later ones
    lookup_grace_s: float = 15  # a request whose answer was lost may still be on its way this long
    retry_min_s: float = 1  # first pause after a failure
    retry_max_s: float = 60  # longest pause between failures
    ping_min_s: float = 5  # a provider that does not answer is asked for a sign of life this soon
    ping_max_s: float = 60  # and at least this often
    stranded_s: float = 3600  # how often a way to a stranded image is looked for
    progress_s: float = 3  # a waiting message is edited at most this often
    away_after: int = 3  # failures in a row after which a provider counts as away
    early_s: float = 60  # how long an event that came before its enqueue answer is kept

    def backoff_s(self, failures: int, *, longest_s: float | None = None) -> float:
        """The pause after the n-th failure in a row (from 1), doubled each time up to `retry_max_s` (or `longest_s`), with jitter."""
        longest = self.retry_max_s if longest_s is None else longest_s
        return min(longest, self.retry_min_s * float(2 ** min(failures - 1, 20))) * random.uniform(0.75, 1.0)


class KeyedLocks:
    """One lock for each key, forgotten when nobody holds it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: Hashable) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())


def _nothing() -> None:
    """For a pool whose loop remembers what it could not start."""


class WorkerPool:
    """Named tasks, at most `size` at work at once and one for each key. A failed one is logged; its work is found again in the store.

    `on_end` is called after each: the commit that leaves more to do for its key wakes the loop while that key is still at work.
    """

    def __init__(self, name: str, *, size: int, on_end: Callable[[], None] = _nothing) -> None:
        self._name = name
        self._on_end = on_end
        self._places = asyncio.Semaphore(size)
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._closing = False

    def at_work(self) -> frozenset[Hashable]:
        """The keys at work now. Taken before the store is read, it tells which of the rows read may be stale."""
        return frozenset(self._tasks)

    def put_to_work(self, key: Hashable, work: Coroutine[Any, Any, None]) -> None:
        """Start `work`; drop it where this key is at work already, or the pool is closing."""
        if key in self._tasks or self._closing:
            work.close()
            return
        task = asyncio.create_task(self._do(key, work), name=f"{self._name} {key}")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._ended(key, task, work))

    async def finish(self, grace_s: float) -> None:
        """Let those at work end; cancel what is left after `grace_s` seconds. Nothing is begun any more."""
        self._closing = True
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _do(self, key: Hashable, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with self._places:
                await work
        except Exception:  # the named loop of every piece of work: one failure must not end the others
            log.exception("work failed", pool=self._name, key=key)
        finally:
            del self._tasks[key]  # with its last step, not in a callback: new work for this key must not be dropped in between
            self._on_end()

    def _ended(self, key: Hashable, task: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
        work.close()  # cancelled before it began: nothing to await
        if self._tasks.get(key) is task:
            del self._tasks[key]
