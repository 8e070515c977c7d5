"""Does what Easel owes Discord when it is due, and tries again what failed: one loop for every kind of item."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType

import structlog
from sqlalchemy import Connection

from bot.core import i18n
from bot.core.clock import Clock
from bot.core.errors import DeliveryError, ProviderError, RouteClosed
from bot.core.loops import Timing, WorkerPool
from bot.core.metrics import OUTBOX
from bot.domain.job import Job
from bot.domain.money.quota import DAY_MS
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import jobs, outbox
from bot.store.engine.base import Store, Topic

log = structlog.get_logger(__name__)

Handler = Callable[[OutboxItem, Job | None], Awaitable[bool | None]]
"""Does one item, for its job where it has one that is still known. True where what it wrote has removed the item.

May be repeated: look first where `attempts` says that it was tried. Raise `RouteClosed` where nothing can be done any more, another
`DeliveryError` or a `ProviderError` where it may be possible later.
"""


class Pool(StrEnum):
    """Kinds that wait for each other."""

    RESULTS = "results"
    MEMBERS = "members"
    MODERATORS = "moderators"  # and galleries: a busy log holds up no member


_AT_A_TIME: Mapping[Pool, int] = {Pool.RESULTS: 4, Pool.MEMBERS: 4, Pool.MODERATORS: 2}  # a result is tens of MB while it is inspected


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When an item that failed is tried again, and when it is given up."""

    pool: Pool
    doublings: int  # of the pause with every failure
    longest_s: Callable[[Timing], float] = attrgetter("stranded_s")  # the longest pause
    tries: int | None = None  # given up after so many
    late_ms: int | None = None  # what fails so long after it was due is given up
    lasts_ms: int | None = None  # what fails so long after its job was ordered is given up

    def pause_s(self, failures: int, timing: Timing) -> float:
        """After the n-th failure (from 1)."""
        return timing.backoff_s(self.doublings * failures, longest_s=self.longest_s(timing))

    def is_over(self, item: OutboxItem, job: Job | None, now: int) -> bool:
        """Whether an item that has failed now (Unix ms) is given up; `item` is as it was before this try."""
        return (
            (self.tries is not None and item.attempts + 1 >= self.tries)
            or (self.late_ms is not None and now - item.due_at > self.late_ms)
            or (self.lasts_ms is not None and job is not None and now - job.created_at > self.lasts_ms)
        )


# A paid image is tried within minutes, and for a week where no way is open. What was decided is done, whatever Discord's day is like: 30
# tries take a day and a bit. After three quarters of an hour nobody is surprised any more that their image is finished.
_SHOW = RetryPolicy(pool=Pool.RESULTS, doublings=1, longest_s=attrgetter("retry_max_s"), lasts_ms=7 * DAY_MS)
_DECIDED = RetryPolicy(pool=Pool.MEMBERS, doublings=3, tries=30, late_ms=DAY_MS)
_CALL = RetryPolicy(pool=Pool.MEMBERS, doublings=3, tries=5, late_ms=DAY_MS)
_POST = RetryPolicy(pool=Pool.MODERATORS, doublings=3, tries=30, late_ms=DAY_MS)

POLICIES: Mapping[ItemKind, RetryPolicy] = MappingProxyType(
    {
        ItemKind.DELIVER: _SHOW,
        ItemKind.REMOVE: _DECIDED,
        ItemKind.COVER: _DECIDED,
        ItemKind.TELL_AUTHOR: _DECIDED,
        ItemKind.TELL_BLOCK: _DECIDED,
        ItemKind.PING: _CALL,
        ItemKind.TELL: _CALL,
        ItemKind.MARK: _CALL,
        ItemKind.CASE: _POST,
        ItemKind.LOG: _POST,
        ItemKind.GALLERY: _POST,
    }
)


class Outbox:
    """The loop and its pools. Takes the kinds that it has handlers for."""

    def __init__(self, *, store: Store, handlers: Mapping[ItemKind, Handler], timing: Timing, clock: Clock) -> None:
        self._store = store
        self._handlers = handlers
        self._timing = timing
        self._clock = clock
        self._wakeups = store.subscribe(Topic.OUTBOX)
        self._pools = {pool: WorkerPool(f"outbox {pool}", size=size, on_end=self._wakeups.wake) for pool, size in _AT_A_TIME.items()}

    async def run(self, *, grace_s: float) -> None:
        """Until cancelled; what is being done then is given `grace_s` to finish."""
        try:
            while True:
                next_due = await self.turn(self._clock())
                pause_s = self._timing.slow_s if next_due is None else (next_due - self._clock()) / 1000
                await self._wakeups.wait(timeout_s=min(max(pause_s, 0), self._timing.slow_s))
        finally:
            await asyncio.gather(*(pool.finish(grace_s) for pool in self._pools.values()))

    async def turn(self, now: int) -> int | None:
        """Begin what is due; when (Unix ms) the next item is that is not due yet."""
        items, next_due = await self._store.read(self._look, now)
        for item in items:
            self._pools[POLICIES[item.kind].pool].start(item.id, self._take(item))
        return next_due

    def _look(self, conn: Connection, now: int) -> tuple[list[OutboxItem], int | None]:
        """Some of each pool, however many wait in the others."""
        pooled = ([kind for kind in self._handlers if POLICIES[kind].pool is pool] for pool in Pool)
        items = [item for kinds in pooled for item in outbox.due(conn, now, kinds=kinds)]
        return items, outbox.next_due(conn, now, kinds=list(self._handlers))

    async def _take(self, item: OutboxItem) -> None:
        """Claimed only now: while it waited for a place somebody may have done or dropped it."""
        now, pause_s = self._clock(), POLICIES[item.kind].pause_s(item.attempts + 1, self._timing)
        if await self._store.write(outbox.claim, item, now=now, again_at=now + int(pause_s * 1000)):
            job = await self._store.read(jobs.get, item.job_id) if item.job_id else None
            await self._try(item, job, pause_s)

    async def _try(self, item: OutboxItem, job: Job | None, pause_s: float) -> None:
        try:
            with i18n.speaking(job.place.locale if job else None):
                is_removed = await self._handlers[item.kind](item, job)
        except RouteClosed as error:
            log.info("outbox item cannot be done any more", item=item.id, kind=item.kind, reason=error.sentence)
            await self._end(item, "closed")
        except (DeliveryError, ProviderError) as error:
            await self._failed(item, job, error.sentence, getattr(error, "retry_after_s", None) or pause_s)
        except Exception as error:
            # Whatever it was, its turn comes again, later and later.
            odd_s = self._timing.backoff_s(POLICIES[item.kind].doublings * (item.attempts + 1), longest_s=self._timing.stranded_s)
            await self._failed(item, job, type(error).__name__, odd_s)
            raise
        else:
            await self._end(item, "done", is_removed=bool(is_removed))

    async def _failed(self, item: OutboxItem, job: Job | None, reason: str, pause_s: float) -> None:
        now = self._clock()
        if POLICIES[item.kind].is_over(item, job, now):
            log.warning("outbox item given up", item=item.id, kind=item.kind, reason=reason)
            await self._store.write(outbox.give_up, item)
            OUTBOX.labels(item.kind, "given up").inc()
            return
        log.warning("outbox item postponed", item=item.id, kind=item.kind, pause_s=round(pause_s, 1), reason=reason)
        await self._store.write(outbox.postpone, item.id, due_at=now + int(pause_s * 1000))
        OUTBOX.labels(item.kind, "postponed").inc()

    async def _end(self, item: OutboxItem, outcome: str, *, is_removed: bool = False) -> None:
        if not is_removed:
            await self._store.write(outbox.done, item.id)
        OUTBOX.labels(item.kind, outcome).inc()
