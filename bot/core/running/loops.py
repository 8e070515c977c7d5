"""Intervals of the background loops, and their worker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import structlog

from bot.core.running.supervision import Loop, resting

log = structlog.get_logger(__name__)

T = TypeVar("T")

_FULL_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Intervals in seconds, and one count; shorter in tests."""

    slow_s: float = 60  # full check of everything in progress, also while the stream works
    poll_min_s: float = 2  # without a stream: first polls of a generation
    poll_max_s: float = 5  # without a stream: later polls
    lease_s: float = 20  # how long a process that does not answer keeps what it has claimed
    role_s: float = 2  # how often a process asks for what only one process does
    lookup_grace_s: float = 15  # how long a request with a lost response may still be in transit
    retry_min_s: float = 1  # first pause after a failure
    retry_max_s: float = 60  # longest pause between failures
    ping_min_s: float = 5  # first pause before an unavailable provider is pinged
    ping_max_s: float = 60  # longest pause between pings
    stranded_s: float = 3600  # how often the delivery of a stranded image is tried again
    progress_s: float = 3  # shortest time between edits of a waiting message
    unavailable_after: int = 3  # failures in a row after which a provider counts as unavailable
    overwrite_s: float = 15  # how often the files of the database are cleaned of what was erased
    reactions_quiet_s: float = 4  # how long no more reactions of a member come before they are answered
    reactions_longest_s: float = 20  # the longest time before they are answered, if more keep coming
    early_s: float = 60  # how long an event is kept that came before the response to its enqueue
    first_list_s: float = 5  # how long a new bot waits for a list of models before members can reach it
    identify_s: float = 5.5  # in which Discord takes `max_concurrency` new sessions: its 5 seconds, and the way to it

    def backoff_s(self, failures: int, *, longest_s: float | None = None) -> float:
        """Exponential backoff in seconds, with jitter. `failures`: in a row, from 1; `longest_s` replaces `retry_max_s`."""
        longest = self.retry_max_s if longest_s is None else longest_s
        return min(longest, self.retry_min_s * float(2 ** min(failures - 1, 20))) * random.uniform(0.75, 1.0)


class Wakeups(Protocol):
    """What a worker waits for: work became due."""

    def wake(self) -> None: ...

    async def wait(self, timeout_s: float) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Batch(Generic[T]):
    """The work of one claim, and the seconds after which more may be due without a wake-up."""

    work: Sequence[T]
    pause_s: float


Claim = Callable[[int, frozenset[Hashable]], Coroutine[Any, Any, Batch[T]]]


class Worker(Generic[T]):
    """A loop that claims due work, at most as much as it has free places, and does it in tasks.

    `claim(free, active)` returns work that no other claim returns: it marks it in the store, or leaves out the `active` keys, which this
    worker has in progress. `work` ends by recording the result, whereupon the same may be claimed again. Whatever makes work due later
    must wake `wakeups`. A failure is logged.
    """

    def __init__(
        self,
        name: str,
        *,
        size: int,
        claim: Claim[T],
        work: Callable[[T], Coroutine[Any, Any, None]],
        key: Callable[[T], Hashable],
        wakeups: Wakeups,
    ) -> None:
        self.name, self._size = name, size
        self._claim, self._work, self._key = claim, work, key
        self._wakeups = wakeups
        self._tasks: dict[asyncio.Task[None], Hashable] = {}  # with the key of its work
        self._is_behind = False  # the last claim filled every free place, so more may be due

    @property
    def active(self) -> frozenset[Hashable]:
        """The keys of the work in progress."""
        return frozenset(self._tasks.values())

    async def run(self) -> None:
        """Run until cancelled. Work in progress goes on meanwhile, also after a failure of a claim, until `finish`."""
        while True:
            pause_s = await self.turn()
            with resting():
                await self._wakeups.wait(timeout_s=pause_s)

    def loop(self, *, grace_s: float) -> Loop:
        """For the supervisor; work in progress has `grace_s` seconds to finish at the stop."""
        return Loop(run=self.run, finish=partial(self.finish, grace_s))

    async def turn(self) -> float:
        """Claim once and start the work. Returns the seconds until the next turn, if nothing wakes the worker before."""
        free = self._size - len(self._tasks)
        if free <= 0:
            return _FULL_S  # the end of a task wakes it
        claiming = asyncio.create_task(self._claim(free, self.active), name=f"{self.name} claim")
        try:
            claim = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            self._start((await claiming).work)  # it is marked already: do it in the grace time
            raise
        self._start(claim.work)
        self._is_behind = len(claim.work) >= free
        if self._is_behind and len(self._tasks) < self._size:
            self._wakeups.wake()  # a place became free during the claim
        return claim.pause_s

    async def finish(self, grace_s: float) -> None:
        """Wait `grace_s` seconds for the work in progress, then cancel the rest."""
        if tasks := list(self._tasks):
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, work: Sequence[T]) -> None:
        for each in work:
            key = self._key(each)
            task = asyncio.create_task(self._do(key, each), name=f"{self.name} {key}")
            self._tasks[task] = key
            task.add_done_callback(self._ended)

    async def _do(self, key: Hashable, each: T) -> None:
        try:
            await self._work(each)
        except Exception:  # one failure must not end the others
            log.exception("work failed", worker=self.name, key=key)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if self._is_behind:
            self._wakeups.wake()
