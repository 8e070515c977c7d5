"""Learns how generations end. Listen, then look: an event is a hint, a read is the truth."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog

from bot.clock import Clock
from bot.errors import ProviderError
from bot.images.provider import Provider, Report, ReportState
from bot.jobs.job import Generation, GenerationState, Outcome
from bot.jobs.pace import Bells, Crew, Pace
from bot.jobs.studio import Studio
from bot.store import jobs
from bot.store.engine import Store

log = structlog.get_logger(__name__)

_READERS = 8
_EARLY_MAX = 1000  # events kept for enqueue answers still to come
_HEALTHY_MS = 30_000  # a stream that lived this long was no failure in a row
_FORGOTTEN_MS = 120_000  # unknown to the image API for this long: it will not come back
_OUTCOMES = {
    ReportState.SUCCEEDED: GenerationState.SUCCEEDED,
    ReportState.FAILED: GenerationState.FAILED,
    ReportState.CANCELLED: GenerationState.CANCELLED,
}
_NO_REASON = "The image service could not make this picture and gave no reason."
_TOOK_TOO_LONG = "The image service did not finish this picture in time."
_FORGOTTEN = "The image service no longer knows this picture."
_NO_LINK = "The image service finished but named no picture."


class Watch:
    """Holds the event stream and reads what is under way: after every connect, on every hint, and on a slow beat."""

    def __init__(
        self, *, store: Store, provider: Provider, studio: Studio, give_up_ms: int, bells: Bells, pace: Pace, clock: Clock
    ) -> None:
        self._store = store
        self._provider = provider
        self._studio = studio
        self._give_up_ms = give_up_ms
        self._bells = bells
        self._pace = pace
        self._clock = clock
        self._crew = Crew("watch", size=_READERS)
        self._looked: dict[tuple[str, int], int] = {}  # when each was last looked at (Unix ms)
        self._early: OrderedDict[str, int] = OrderedDict()  # events of ids not known yet, and when they came
        self._hints: set[tuple[str, int]] = set()  # heard of while a read of it was under way: that read may be too old
        self.connected = False

    async def run(self, *, grace_s: float) -> None:
        """Until cancelled. Returns at once for an image API that answers while we wait."""
        if not self._provider.queues:
            return
        try:
            async with asyncio.TaskGroup() as group:
                if self._provider.streams:
                    group.create_task(self._listen(), name="watch listen")
                group.create_task(self._look_around(), name="watch look")
        finally:
            await self._crew.finish(grace_s)

    def expect(self, provider_id: str) -> None:
        """A generation now has this id. Where its event came first, look at once."""
        if self._early.pop(provider_id, None) is not None:
            self._crew.put_to_work(f"early {provider_id}", self._hear(provider_id))
        elif not self.connected:
            self._bells.watch.ring()

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
                log.warning("event stream lost; polling until it is back", reason=error.sentence, failures=failures)
            finally:
                self.connected = False
            self._bells.watch.ring()
            await asyncio.sleep(self._pace.backoff_s(max(failures, 1)))

    def _now_connected(self) -> None:
        log.info("event stream connected")
        self.connected = True
        self._looked.clear()  # what fired while nobody listened is lost: look at everything once
        self._bells.watch.ring()

    async def _hear(self, provider_id: str) -> None:
        self._keep_early(provider_id)  # before asking the store: its enqueue answer may be written at this very moment
        generation = await self._store.read(jobs.by_provider_id, provider_id)
        if generation is None:
            return
        self._early.pop(provider_id, None)
        if generation.state is GenerationState.RUNNING:
            self._hints.add(_key(generation))
            self._crew.put_to_work(_key(generation), self._look(generation))

    def _keep_early(self, provider_id: str) -> None:
        """It may be ours and its enqueue answer late, or a stranger's: keep it for a short while."""
        now = self._clock()
        self._early[provider_id] = now
        oldest = next(iter(self._early))
        while len(self._early) > _EARLY_MAX or now - self._early[oldest] > self._pace.early_s * 1000:
            del self._early[oldest]
            oldest = next(iter(self._early))

    # --- look ----------------------------------------------------------------------------------------------------

    async def _look_around(self) -> None:
        while True:
            running = await self._store.read(jobs.under_way, GenerationState.RUNNING)
            now = self._clock()
            for generation in running:
                if self._due(generation) <= now:
                    self._looked[_key(generation)] = now
                    self._crew.put_to_work(_key(generation), self._look(generation))
            self._looked = {_key(g): self._looked[_key(g)] for g in running if _key(g) in self._looked}
            next_due = min((self._due(generation) for generation in running), default=now + self._pace.slow_s * 1000)
            await self._bells.watch.heard(timeout_s=max(next_due - now, 0) / 1000 + 0.001)

    def _due(self, generation: Generation) -> float:
        """When to look next. With a stream rarely; without one the sooner, the younger it is; a cancelled one now."""
        looked = self._looked.get(_key(generation))
        if looked is None:
            return 0 if generation.cancel_requested or self.connected else self._started(generation) + self._pace.poll_min_s * 1000
        if self.connected and not generation.cancel_requested:
            return looked + self._pace.slow_s * 1000
        pause_s = (looked - self._started(generation)) / 4000
        return looked + 1000 * min(max(pause_s, self._pace.poll_min_s), self._pace.poll_max_s)

    @staticmethod
    def _started(generation: Generation) -> int:
        return generation.submitted_at or generation.created_at

    async def _look(self, generation: Generation) -> None:
        self._hints.add(_key(generation))
        while _key(generation) in self._hints:
            self._hints.discard(_key(generation))
            await self._read(generation)

    async def _read(self, generation: Generation) -> None:
        provider_id = generation.provider_id or ""
        age = self._clock() - self._started(generation)
        try:
            if generation.cancel_requested or age > self._give_up_ms:
                await self._provider.cancel(provider_id)
            report = await self._provider.read(provider_id)
        except ProviderError as error:
            log.warning("could not read a generation", job=generation.job_id, n=generation.n, reason=error.sentence)
            return
        outcome = self._outcome(report, age)
        if outcome is not None:
            await self._studio.settle(generation, outcome)

    def _outcome(self, report: Report | None, age: int) -> Outcome | None:
        """What the truth means for us; `None` while there is nothing to settle."""
        if report is None:
            return Outcome(state=GenerationState.FAILED, error=_FORGOTTEN) if age > _FORGOTTEN_MS else None
        if report.state is ReportState.SUCCEEDED and report.result_url is None:
            return Outcome(state=GenerationState.FAILED, error=_NO_LINK)
        if report.state in _OUTCOMES:
            error = (report.error or _NO_REASON) if report.state is ReportState.FAILED else None
            return Outcome(state=_OUTCOMES[report.state], result_url=report.result_url, error=error)
        if age > 2 * self._give_up_ms:  # cancelled long ago and still not ended
            return Outcome(state=GenerationState.FAILED, error=_TOOK_TOO_LONG)
        return None


def _key(generation: Generation) -> tuple[str, int]:
    return generation.job_id, generation.n
