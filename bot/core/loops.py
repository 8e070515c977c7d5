"""Intervals, and asyncio helpers for the background loops: a bounded pool of tasks by key, locks by key."""

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
    """Intervals in seconds, and one count; shorter in tests."""

    slow_s: float = 60  # full check of everything in progress, also while the stream works
    poll_min_s: float = 2  # without a stream: first polls of a generation
    poll_max_s: float = 5  # without a stream: later polls
    lookup_grace_s: float = 15  # how long a request with a lost response may still be in transit
    retry_min_s: float = 1  # first pause after a failure
    retry_max_s: float = 60  # longest pause between failures
    ping_min_s: float = 5  # first pause before an unavailable provider is pinged
    ping_max_s: float = 60  # longest pause between pings
    stranded_s: float = 3600  # how often the delivery of a stranded image is tried again
    progress_s: float = 3  # shortest time between edits of a waiting message
    unavailable_after: int = 3  # failures in a row after which a provider counts as unavailable
    early_s: float = 60  # how long an event is kept that came before the response to its enqueue

    def backoff_s(self, failures: int, *, longest_s: float | None = None) -> float:
        """Exponential backoff in seconds, with jitter. `failures`: in a row, from 1; `longest_s` replaces `retry_max_s`."""
        longest = self.retry_max_s if longest_s is None else longest_s
        return min(longest, self.retry_min_s * float(2 ** min(failures - 1, 20))) * random.uniform(0.75, 1.0)


class KeyedLocks:
    """One lock for each key; unused locks are garbage collected."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: Hashable) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())


def _nothing() -> None:
    """Default for `on_end`."""


class WorkerPool:
    """Runs named tasks, at most `size` at a time and one for each key. A failure is logged; the loop finds the work again in the store.

    `on_end` is called after each task. A wake-up that came while the key was still active is ignored, so the loop must check again.
    """

    def __init__(self, name: str, *, size: int, on_end: Callable[[], None] = _nothing) -> None:
        self._name = name
        self._on_end = on_end
        self._semaphore = asyncio.Semaphore(size)
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._closing = False

    def active_keys(self) -> frozenset[Hashable]:
        """The keys of running and waiting tasks. Read it before the store: rows of these keys may be stale."""
        return frozenset(self._tasks)

    def start(self, key: Hashable, work: Coroutine[Any, Any, None]) -> None:
        """Start `work`, or drop it if a task for this key is active or the pool is closing."""
        if key in self._tasks or self._closing:
            work.close()
            return
        task = asyncio.create_task(self._do(key, work), name=f"{self._name} {key}")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._ended(key, task, work))

    async def finish(self, grace_s: float) -> None:
        """Accept no more work, wait `grace_s` seconds for the active tasks, then cancel the rest."""
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
            async with self._semaphore:
                await work
        except Exception:  # one failed task must not end the others
            log.exception("work failed", pool=self._name, key=key)
        finally:
            del self._tasks[key]  # here and not in the done callback, which runs later: new work for this key would be dropped meanwhile
            self._on_end()

    def _ended(self, key: Hashable, task: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
        work.close()  # if the task was cancelled before it began
        if self._tasks.get(key) is task:
            del self._tasks[key]
