"""Watches running generations until they end. An event is only a hint; the state is always read from the API."""

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
_EARLY_MAX = 1000  # events kept until the response to their enqueue arrives
_HEALTHY_MS = 30_000  # a stream that lasted this long resets the count of failures
_FORGOTTEN_MS = 120_000  # a generation that the image API does not know for this long has failed
_CANCELLED_THERE = N_("The image service cancelled this picture.")
_FORGOTTEN = N_("The image service no longer knows this picture.")
_NO_LINK = N_("The image service finished but named no picture.")


@dataclass(kw_only=True)
class _Following:
    """State of one running generation."""

    polled_at: int | None = None  # Unix ms
    unknown_since: int | None = None  # Unix ms; None while the image API knows it
    is_hinted: bool = False  # must be read, even if a read is in progress, which may be too old


class Watch:
    """Reads the running generations of one image API: after every connect, on every event, and on a slow interval.

    The store says what is running there. The current mode of sending does not matter, because generations from before a change of the
    settings must end too.
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
        self._early: OrderedDict[str, int] = OrderedDict()  # unknown ids of events, and when they came (Unix ms)
        self._connected_at: int | None = None  # Unix ms; None without a stream

    async def run(self, *, grace_s: float) -> None:
        """Run until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                if self._provider.streams:
                    group.create_task(self._listen(), name=f"watch {self._provider.name} listen")
                group.create_task(self._poll(), name=f"watch {self._provider.name} poll")
        finally:
            await self._pool.finish(grace_s)

    def expect(self, provider_id: str) -> None:
        """Call this when a generation has got its id: if its event came before, it is read now."""
        if self._early.pop(provider_id, None) is not None:
            self._pool.start(f"early {provider_id}", self._handle_event(provider_id))

    # --- listen --------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        failures = 0
        while True:
            began = self._clock()
            try:
                async with self._provider.listen() as events:
                    self._set_connected()
                    async for event in events:
                        await self._handle_event(event.provider_id)
            except ProviderError as error:
                failures = 1 if self._clock() - began > _HEALTHY_MS else failures + 1
                reason = error.sentence
                log.warning("event stream lost, polling", provider=self._provider.name, reason=reason, failures=failures)
            finally:
                self._connected_at = None
            self._running.wake()  # start polling; there is no commit that would wake the loop
            await asyncio.sleep(self._timing.backoff_s(max(failures, 1)))

    def _set_connected(self) -> None:
        log.info("event stream connected", provider=self._provider.name)
        self._connected_at = self._clock()
        for following in self._followed.values():
            following.polled_at = None  # events without a connection are lost: read everything once
        self._running.wake()

    async def _handle_event(self, provider_id: str) -> None:
        self._keep_early(provider_id)  # before the read: the response to its enqueue may be written concurrently
        generation = await self._store.read(jobs.by_provider_id, self._provider.name, provider_id)
        if generation is None:
            return
        self._early.pop(provider_id, None)
        if generation.state is GenerationState.RUNNING:
            self._schedule_read(_key(generation))

    def _keep_early(self, provider_id: str) -> None:
        """Keep the id for a short while: its generation may get it later, or it is not the bot's."""
        now = self._clock()
        self._early[provider_id] = now
        oldest = next(iter(self._early))
        while len(self._early) > _EARLY_MAX or now - self._early[oldest] > self._timing.early_s * 1000:
            del self._early[oldest]
            oldest = next(iter(self._early))

    # --- poll ----------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        while True:
            running = await self._store.read(jobs.under_way, GenerationState.RUNNING, provider=self._provider.name)
            now = self._clock()
            for generation in running:
                if self._due(generation) <= now:
                    self._followed[_key(generation)].polled_at = now
                    self._schedule_read(_key(generation))
            self._forget_ended({_key(generation) for generation in running})
            next_due = min((self._due(generation) for generation in running), default=now + self._timing.slow_s * 1000)
            await self._running.wait(timeout_s=max(next_due - now, 0) / 1000 + 0.001)

    def _due(self, generation: Generation) -> float:
        """The next poll (Unix ms): rarely with a stream; without one, sooner for newer generations; at once if it is cancelled."""
        polled_at, started = self._followed[_key(generation)].polled_at, self._started(generation)
        if polled_at is None and generation.cancel_requested:
            return 0
        if self._connected_at is not None and not generation.cancel_requested:
            if polled_at is None and started <= self._connected_at:
                return 0  # its event may have been sent before the connection
            return (started if polled_at is None else polled_at) + self._timing.slow_s * 1000
        if polled_at is None:
            return started + self._timing.poll_min_s * 1000
        pause_s = (polled_at - started) / 4000
        return polled_at + 1000 * min(max(pause_s, self._timing.poll_min_s), self._timing.poll_max_s)

    def _forget_ended(self, running: set[Key]) -> None:
        """Drop the state of ended generations, but not of hinted ones: the hint may be newer than `running`."""
        for key in [key for key, each in self._followed.items() if key not in running and not each.is_hinted]:
            del self._followed[key]

    @staticmethod
    def _started(generation: Generation) -> int:
        return generation.submitted_at or generation.created_at

    def _schedule_read(self, key: Key) -> None:
        """Read a generation now, and once more if a read is in progress."""
        self._followed[key].is_hinted = True
        self._pool.start(key, self._read_hinted(key))

    async def _read_hinted(self, key: Key) -> None:
        while self._followed[key].is_hinted:
            self._followed[key].is_hinted = False
            generation = await self._store.read(jobs.generation, *key)
            if generation is not None and generation.state is GenerationState.RUNNING:
                await self._read(generation)

    async def _read(self, generation: Generation) -> None:
        provider_id = generation.provider_id or ""
        age = self._clock() - self._started(generation)
        if generation.cancel_requested or age > self._give_up_ms:
            await self._cancel(generation, provider_id)
        try:
            report = await self._provider.read(provider_id)
        except ProviderRefused:
            report = None  # a retry would be refused as well
        except ProviderError as error:
            log.warning("generation read failed", job=generation.job_id, n=generation.n, reason=error.sentence)
            return
        if report is not None:
            self._followed[_key(generation)].unknown_since = None
        outcome = self._outcome(generation, report, age) if report else self._unknown_outcome(_key(generation))
        if outcome is not None:
            await self._orders.settle(generation, outcome)

    async def _cancel(self, generation: Generation, provider_id: str) -> None:
        """Try to cancel it at the image API; the read afterwards says whether that worked."""
        try:
            await self._provider.cancel(provider_id)
        except ProviderError as error:
            log.warning("generation cancel failed", job=generation.job_id, n=generation.n, reason=error.sentence)

    def _unknown_outcome(self, key: Key) -> Outcome | None:
        """Failed, if the image API has not known the generation for a while; a single such response may be a mistake."""
        now, following = self._clock(), self._followed[key]
        following.unknown_since = now if following.unknown_since is None else following.unknown_since
        return failed(Failure.FAULT, _FORGOTTEN) if now - following.unknown_since > _FORGOTTEN_MS else None

    def _outcome(self, generation: Generation, report: GenerationReport, age: int) -> Outcome | None:
        """The outcome of a report; `None` while there is nothing to settle."""
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
            case _:  # cancelled long ago and still not ended
                return failed(Failure.TIMEOUT) if age > 2 * self._give_up_ms else None


def _key(generation: Generation) -> Key:
    return generation.job_id, generation.n
