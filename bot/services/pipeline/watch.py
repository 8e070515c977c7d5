"""Learns how generations end. Listen, then look: an event is a hint, a read is the truth."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from dataclasses import dataclass

import structlog

from bot.core.clock import Clock
from bot.core.errors import ProviderError, ProviderRefused
from bot.core.i18n import N_
from bot.core.loops import Timing, WorkerPool
from bot.domain.failures import failed
from bot.domain.job import Failure, Generation, GenerationState, Outcome
from bot.providers.provider import GenerationReport, Provider, ReportState
from bot.services.orders import Orders
from bot.store import jobs
from bot.store.engine.base import Store, Topic

log = structlog.get_logger(__name__)

Key = tuple[str, int]  # a job's id, and which of its generations

_READERS = 8
_EARLY_MAX = 1000  # events kept for enqueue answers still to come
_HEALTHY_MS = 30_000  # a stream that lived this long was no failure in a row
_FORGOTTEN_MS = 120_000  # unknown to the image API for this long: it will not come back
_CANCELLED_THERE = N_("The image service cancelled this picture.")
_FORGOTTEN = N_("The image service no longer knows this picture.")
_NO_LINK = N_("The image service finished but named no picture.")


@dataclass(kw_only=True)
class _Following:
    """What is remembered of one generation while it runs."""

    looked_at: int | None = None  # Unix ms
    unknown_since: int | None = None  # Unix ms; None while the image API knows it
    is_hinted: bool = False  # to be read; a read under way may be too old


class Watch:
    """Follows what runs at one image API: reads it after every connect, on every hint, and on a slow interval.

    What to follow is what the store says is running there. How new work is sent today does not matter: settings change, and what was
    queued before has to end all the same.
    """

    def __init__(self, *, store: Store, provider: Provider, orders: Orders, give_up_ms: int, timing: Timing, clock: Clock) -> None:
        self._store = store
        self._provider = provider
        self._orders = orders
        self._give_up_ms = give_up_ms
        self._running = store.subscribe(Topic.RUNNING)
        self._timing = timing
        self._clock = clock
        self._pool = WorkerPool(f"watch {provider.name}", size=_READERS)
        self._followed: defaultdict[Key, _Following] = defaultdict(_Following)
        self._early: OrderedDict[str, int] = OrderedDict()  # events of ids not known yet, and when they came
        self._connected_at: int | None = None  # Unix ms; None without a stream

    async def run(self, *, grace_s: float) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                if self._provider.streams:
                    group.create_task(self._listen(), name=f"watch {self._provider.name} listen")
                group.create_task(self._look_around(), name=f"watch {self._provider.name} look")
        finally:
            await self._pool.finish(grace_s)

    def expect(self, provider_id: str) -> None:
        """A generation now has this id. Where its event came first, look at once."""
        if self._early.pop(provider_id, None) is not None:
            self._pool.start(f"early {provider_id}", self._hear(provider_id))

    # --- listen --------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        failures = 0
        while True:
            began = self._clock()
            try:
                async with self._provider.listen() as events:
                    self._now_connected()
                    async for event in events:
                        await self._hear(event.provider_id)
            except ProviderError as error:
                failures = 1 if self._clock() - began > _HEALTHY_MS else failures + 1
                reason = error.sentence
                log.warning("event stream lost; polling until it is back", provider=self._provider.name, reason=reason, failures=failures)
            finally:
                self._connected_at = None
            self._running.wake()  # no commit: from now on it is polled
            await asyncio.sleep(self._timing.backoff_s(max(failures, 1)))

    def _now_connected(self) -> None:
        log.info("event stream connected", provider=self._provider.name)
        self._connected_at = self._clock()
        for following in self._followed.values():
            following.looked_at = None  # what fired while nobody listened is lost: look at everything once
        self._running.wake()

    async def _hear(self, provider_id: str) -> None:
        self._keep_early(provider_id)  # before asking the store: its enqueue answer may be written at this very moment
        generation = await self._store.read(jobs.by_provider_id, self._provider.name, provider_id)
        if generation is None:
            return
        self._early.pop(provider_id, None)
        if generation.state is GenerationState.RUNNING:
            self._look_soon(_key(generation))

    def _keep_early(self, provider_id: str) -> None:
        """It may be ours and its enqueue answer late, or a stranger's: keep it for a short while."""
        now = self._clock()
        self._early[provider_id] = now
        oldest = next(iter(self._early))
        while len(self._early) > _EARLY_MAX or now - self._early[oldest] > self._timing.early_s * 1000:
            del self._early[oldest]
            oldest = next(iter(self._early))

    # --- look ----------------------------------------------------------------------------------------------------

    async def _look_around(self) -> None:
        while True:
            running = await self._store.read(jobs.under_way, GenerationState.RUNNING, provider=self._provider.name)
            now = self._clock()
            for generation in running:
                if self._due(generation) <= now:
                    self._followed[_key(generation)].looked_at = now
                    self._look_soon(_key(generation))
            self._forget_all_but({_key(generation) for generation in running})
            next_due = min((self._due(generation) for generation in running), default=now + self._timing.slow_s * 1000)
            await self._running.wait(timeout_s=max(next_due - now, 0) / 1000 + 0.001)

    def _due(self, generation: Generation) -> float:
        """When to look next. With a stream rarely; without one the sooner, the younger it is; a cancelled one now."""
        looked, started = self._followed[_key(generation)].looked_at, self._started(generation)
        if looked is None and generation.cancel_requested:
            return 0
        if self._connected_at is not None and not generation.cancel_requested:
            if looked is None and started <= self._connected_at:
                return 0  # its event may have fired while nobody listened
            return (started if looked is None else looked) + self._timing.slow_s * 1000
        if looked is None:
            return started + self._timing.poll_min_s * 1000
        pause_s = (looked - started) / 4000
        return looked + 1000 * min(max(pause_s, self._timing.poll_min_s), self._timing.poll_max_s)

    def _forget_all_but(self, running: set[Key]) -> None:
        """A hint may be newer than what was read as running."""
        for key in [key for key, each in self._followed.items() if key not in running and not each.is_hinted]:
            del self._followed[key]

    @staticmethod
    def _started(generation: Generation) -> int:
        return generation.submitted_at or generation.created_at

    def _look_soon(self, key: Key) -> None:
        """Read it now; where a read of it is under way, once more after that."""
        self._followed[key].is_hinted = True
        self._pool.start(key, self._look(key))

    async def _look(self, key: Key) -> None:
        while self._followed[key].is_hinted:
            self._followed[key].is_hinted = False
            generation = await self._store.read(jobs.generation, *key)
            if generation is not None and generation.state is GenerationState.RUNNING:
                await self._read(generation)

    async def _read(self, generation: Generation) -> None:
        provider_id = generation.provider_id or ""
        age = self._clock() - self._started(generation)
        if generation.cancel_requested or age > self._give_up_ms:
            await self._take_back(generation, provider_id)
        try:
            report = await self._provider.read(provider_id)
        except ProviderRefused:
            report = None  # it will not tell us anything about it, however often it is asked
        except ProviderError as error:
            log.warning("could not read a generation", job=generation.job_id, n=generation.n, reason=error.sentence)
            return
        if report is not None:
            self._followed[_key(generation)].unknown_since = None
        outcome = self._outcome(generation, report, age) if report else self._unknown_outcome(_key(generation))
        if outcome is not None:
            await self._orders.settle(generation, outcome)

    async def _take_back(self, generation: Generation, provider_id: str) -> None:
        """Try to; whether it worked is read afterwards."""
        try:
            await self._provider.cancel(provider_id)
        except ProviderError as error:
            log.warning("could not cancel a generation", job=generation.job_id, n=generation.n, reason=error.sentence)

    def _unknown_outcome(self, key: Key) -> Outcome | None:
        """The image API may say so by mistake once, but not for long."""
        now, following = self._clock(), self._followed[key]
        following.unknown_since = now if following.unknown_since is None else following.unknown_since
        return failed(Failure.FAULT, _FORGOTTEN) if now - following.unknown_since > _FORGOTTEN_MS else None

    def _outcome(self, generation: Generation, report: GenerationReport, age: int) -> Outcome | None:
        """What the truth means for us; `None` while there is nothing to settle."""
        match report.state:
            case ReportState.SUCCEEDED if report.result_url is not None:
                return Outcome(state=GenerationState.SUCCEEDED, result_url=report.result_url)
            case ReportState.SUCCEEDED:
                return failed(Failure.FAULT, _NO_LINK)
            case ReportState.FAILED:
                return failed(Failure.FAULT, report.error or "")
            case ReportState.CANCELLED if generation.cancel_requested:
                return Outcome(state=GenerationState.CANCELLED)
            case ReportState.CANCELLED:
                return failed(Failure.TIMEOUT) if age > self._give_up_ms else failed(Failure.FAULT, _CANCELLED_THERE)
            case _:  # taken back long ago and still not ended: nobody waits for ever
                return failed(Failure.TIMEOUT) if age > 2 * self._give_up_ms else None


def _key(generation: Generation) -> Key:
    return generation.job_id, generation.n
