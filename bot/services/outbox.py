"""The outbox: everything that must be done on Discord, done when it is due and retried if it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType

import structlog

from bot.core import i18n, markdown
from bot.core.clock import Clock
from bot.core.errors import DeliveryError, MachineTrouble, MessageRefused, ProviderError, RouteClosed, TooLarge
from bot.core.metrics import OUTBOX
from bot.core.running import machine
from bot.core.running.loops import Batch, Timing, Worker
from bot.core.running.supervision import Loops
from bot.domain.job import Job
from bot.domain.money.quota import DAY_MS
from bot.domain.outbox import POOL_OF, ItemKind, OutboxItem, Pool
from bot.store import outbox
from bot.store.engine.base import Store, Topic

log = structlog.get_logger(__name__)

Handler = Callable[[OutboxItem, Job | None], Awaitable[bool | None]]
"""Handles one item; the job is None if the item has none or it is unknown by now. Returns True if the handler removed the item itself.

It may be repeated: if `attempts` is not 0, check first what an earlier attempt did. Raises `RouteClosed`, `MessageRefused` or
`TooLarge` if the item can never be done, another `DeliveryError` or a `ProviderError` to be retried, and a shortage of this machine to be
retried without counting.
"""


Claimed = tuple[OutboxItem, Job | None]

_MACHINE_DOUBLINGS = 4  # of the pause after a shortage of this machine, which does not grow: about 8 s
_AT_A_TIME: Mapping[Pool, int] = {Pool.RESULTS: 4, Pool.MEMBERS: 4, Pool.MODERATORS: 2}  # more results were not delivered faster


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When a failed item is retried, and when it fails permanently."""

    doublings: int  # of the pause with each failure
    longest_s: Callable[[Timing], float] = attrgetter("stranded_s")  # the longest pause
    tries: int | None = None  # maximum number of attempts
    late_ms: int | None = None  # maximum time since it was due
    lasts_ms: int | None = None  # maximum time since its job was ordered, or since a shortage of this machine

    def pause_s(self, failures: int, timing: Timing) -> float:
        """After the n-th failure (from 1)."""
        return timing.backoff_s(self.doublings * failures, longest_s=self.longest_s(timing))

    def is_over(self, item: OutboxItem, job: Job | None, now: int) -> bool:
        """Whether an item whose attempt has failed at `now` (Unix ms) fails permanently. `item`: as before this attempt."""
        return (
            (self.tries is not None and item.attempts + 1 >= self.tries)
            or (self.late_ms is not None and now - item.due_at > self.late_ms)
            or (self.lasts_ms is not None and job is not None and now - max(job.created_at, item.trouble_at) > self.lasts_ms)
        )


# A paid image is retried every minute, for a week. Decisions must survive a long outage of Discord: 30 attempts take about a day.
# Notifications are useless after three quarters of an hour.
_RESULT = RetryPolicy(doublings=1, longest_s=attrgetter("retry_max_s"), lasts_ms=7 * DAY_MS)
_DECISION = RetryPolicy(doublings=3, tries=30, late_ms=DAY_MS)
_NOTIFICATION = RetryPolicy(doublings=3, tries=5, late_ms=DAY_MS)

POLICIES: Mapping[ItemKind, RetryPolicy] = MappingProxyType(
    {
        **dict.fromkeys(ItemKind, _DECISION),
        **dict.fromkeys((ItemKind.PING, ItemKind.TELL, ItemKind.MARK, ItemKind.REACTIONS), _NOTIFICATION),
        ItemKind.DELIVER: _RESULT,
    }
)


class Outbox:
    """One worker for each pool. Items without a handler stay in the store."""

    def __init__(self, *, store: Store, handlers: Mapping[ItemKind, Handler], timing: Timing, clock: Clock) -> None:
        self._store = store
        self._handlers = handlers
        self._timing = timing
        self._clock = clock
        self.workers = [self._worker(pool, size) for pool, size in _AT_A_TIME.items()]

    def loops(self, *, grace_s: float) -> Loops:
        """One for each pool; running handlers have `grace_s` seconds to finish at the stop."""
        return {worker.name: worker.loop(grace_s=grace_s) for worker in self.workers}

    def _worker(self, pool: Pool, size: int) -> Worker[Claimed]:
        kinds = tuple(kind for kind in self._handlers if POOL_OF[kind] is pool)

        async def claim(free: int, _active: frozenset[Hashable]) -> Batch[Claimed]:
            now = self._clock()
            found, next_due = await self._store.write(outbox.claim, now, kinds=kinds, free=free, pause_ms=self._pause_ms)
            pause_s = self._timing.slow_s if next_due is None else (next_due - now) / 1000
            return Batch(work=found, pause_s=min(pause_s, self._timing.slow_s))

        wakeups = self._store.subscribe(Topic(pool))
        return Worker(f"outbox {pool}", size=size, claim=claim, work=self._try, key=lambda claimed: claimed[0].id, wakeups=wakeups)

    def _pause_ms(self, item: OutboxItem) -> int:
        return int(1000 * POLICIES[item.kind].pause_s(item.attempts + 1, self._timing))

    async def _try(self, claimed: Claimed) -> None:
        item, job = claimed
        try:
            with machine.trouble_raised(), i18n.speaking(job.place.locale if job else None), markdown.quoting():
                is_removed = await self._handlers[item.kind](item, job)
        except (RouteClosed, MessageRefused, TooLarge) as error:
            log.info("outbox item failed permanently", item=item.id, kind=item.kind, reason=error.sentence)
            await self._end(item, "closed")
        except MachineTrouble:
            await self._postpone_for_machine(item)
        except (DeliveryError, ProviderError) as error:
            pause_s = getattr(error, "retry_after_s", None) or self._pause_ms(item) / 1000
            await self._failed(item, job, error.sentence, pause_s)
        except Exception as error:
            # A bug: retry with growing pauses.
            backoff_s = self._timing.backoff_s(POLICIES[item.kind].doublings * (item.attempts + 1), longest_s=self._timing.stranded_s)
            await self._failed(item, job, type(error).__name__, backoff_s)
            raise
        else:
            await self._end(item, "done", is_removed=bool(is_removed))

    async def _failed(self, item: OutboxItem, job: Job | None, reason: str, pause_s: float) -> None:
        now = self._clock()
        if POLICIES[item.kind].is_over(item, job, now):
            log.warning("outbox item failed permanently", item=item.id, kind=item.kind, reason=reason)
            await self._store.write(outbox.give_up, item)
            OUTBOX.labels(item.kind, "given up").inc()
            return
        log.warning("outbox item postponed", item=item.id, kind=item.kind, pause_s=round(pause_s, 1), reason=reason)
        await self._store.write(outbox.postpone, item, due_at=now + int(pause_s * 1000))
        OUTBOX.labels(item.kind, "postponed").inc()

    async def _postpone_for_machine(self, item: OutboxItem) -> None:
        now, pause_s = self._clock(), self._timing.backoff_s(_MACHINE_DOUBLINGS)
        log.info("outbox item waits for this machine", item=item.id, kind=item.kind, pause_s=round(pause_s, 1))
        await self._store.write(outbox.postpone_for_machine, item, due_at=now + int(pause_s * 1000), now=now)
        OUTBOX.labels(item.kind, "postponed").inc()

    async def _end(self, item: OutboxItem, outcome: str, *, is_removed: bool = False) -> None:
        if not is_removed:
            await self._store.write(outbox.done, item.id)
        OUTBOX.labels(item.kind, outcome).inc()
