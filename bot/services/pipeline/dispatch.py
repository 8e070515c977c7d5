"""Sends waiting generations to their image APIs in fair order, and searches for those whose response was lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.core.config import ReferenceMode, UncertainCalls
from bot.core.errors import AnswerLost, ProviderAccount, ProviderBusy, ProviderError, ProviderRefused
from bot.core.i18n import N_
from bot.core.loops import Timing, WorkerPool
from bot.domain.failures import failed, failure_of
from bot.domain.job import Failure, Generation, GenerationState, Lane, Outcome
from bot.domain.scheduling import Caps, Queue, choose
from bot.providers.guard import ProviderGuard
from bot.providers.provider import Accepted, GenerationReport
from bot.services.orders import Orders
from bot.services.pipeline import submission
from bot.services.pipeline.fallback import fallback_for
from bot.services.pipeline.screening import Screening
from bot.store import jobs
from bot.store.engine.base import Store, Topic

log = structlog.get_logger(__name__)

_CLOCK_SKEW_MS = 120_000  # between this machine and the image API
_IDLE_S = 5.0  # how often an idle bot checks for generations whose pause is over
_READERS = 8  # prompts that are checked at the same time
_LOOKUPS = 2  # found neither at once nor after the grace time: it never arrived
_RETRIES = 1  # of a call whose response was lost and cannot be found, if the operator's rule is to retry
_PROVIDER_REMOVED = N_("The image service that was to make it is no longer used here.")


@dataclass(frozen=True, kw_only=True)
class DispatchPolicy:
    """The operator's settings for sending."""

    caps: Caps
    references: ReferenceMode
    uncertain: UncertainCalls
    routes: Mapping[str, str]  # model: its fallback model
    give_up_ms: int  # a generation that could not be sent for this time fails


class Dispatch:
    """The dispatch loop and its worker pool. Only one task sends a generation; if its outcome is unknown, a later lookup finds it."""

    def __init__(
        self,
        *,
        store: Store,
        guards: Mapping[str, ProviderGuard],
        orders: Orders,
        screening: Screening,
        policy: DispatchPolicy,
        expect: Callable[[str, str], None],
        timing: Timing,
        clock: Clock,
    ) -> None:
        self._store = store
        self._guards = guards
        self._orders = orders
        self._screening = screening
        self._policy = policy
        self._expect = expect  # called with provider and id of every accepted generation, because its event may have come before
        self._queue = store.subscribe(Topic.QUEUE)
        self._timing = timing
        self._clock = clock
        self._failures: Counter[tuple[str, int]] = Counter()
        self._pool = WorkerPool("dispatch", size=2 * policy.caps.total, on_end=self._queue.wake)  # half for sending, half for lookups
        # A separate pool: a slow endpoint must not delay checked prompts.
        self._readers = WorkerPool("prompts", size=_READERS, on_end=self._queue.wake)

    async def run(self, *, grace_s: float) -> None:
        """Run until cancelled; running requests then have `grace_s` seconds to finish."""
        try:
            await self._fail_removed()
            while True:
                await self.turn()
                await self._queue.wait(timeout_s=self._pause_s())
        finally:
            await asyncio.gather(self._pool.finish(grace_s), self._readers.finish(grace_s))

    def _pause_s(self) -> float:
        """Seconds until the next check: a generation's pause may end, or a guard may allow the next request."""
        now = self._clock()
        waits = (until - now for guard in self._guards.values() if (until := guard.waits_until()) is not None)
        return min(_IDLE_S, self._timing.lookup_grace_s, *(max(wait_ms, 10) / 1000 for wait_ms in waits))

    async def turn(self) -> None:
        """Check the queue once: start sending, fallbacks, prompt checks and lookups."""
        now = self._clock()
        active = self._pool.active_keys()  # before reading: rows of these keys may change meanwhile
        queue = _without(active, await self._store.read(jobs.queue, now))
        lost = await self._store.read(jobs.under_way, GenerationState.SUBMITTING)
        places = {name: guard.max_running for name, guard in self._guards.items() if guard.ready()}
        for job_id in queue.unchecked:
            self._readers.start(job_id, self._screening.prompt(job_id, give_up_ms=self._policy.give_up_ms))
        for generation in choose(queue, self._policy.caps, places):
            self._pool.start(_key(generation), self._begin(generation))
        for generation in lost:
            if generation.not_before <= now and _key(generation) not in active:
                self._pool.start(_key(generation), self._find_lost(generation))
        for generation in queue.waiting:
            if self._guard(generation).away_since is not None:
                await self._redirect(generation, now)

    def _guard(self, generation: Generation) -> ProviderGuard:
        return self._guards[generation.provider]

    # --- send ----------------------------------------------------------------------------------------------------

    async def _begin(self, generation: Generation) -> None:
        """Mark the generation as SUBMITTING only once the guard allows the request: a marked one may have been paid for."""
        guard = self._guard(generation)
        await guard.take_turn()
        sent: dict[str, Any] = {"model": generation.model, "queued": guard.provider.queues}
        if await self._store.write(jobs.start, generation.job_id, generation.n, self._clock(), **sent):
            await self._send(generation)

    async def _send(self, generation: Generation) -> None:
        guard = self._guard(generation)
        mode, takes_links = self._policy.references, guard.provider.takes_links
        try:
            answer = await guard.submit(
                await submission.pack(generation, store=self._store, mode=mode, takes_links=takes_links, clock=self._clock)
            )
        except (ProviderRefused, ProviderAccount) as error:
            if isinstance(error, ProviderAccount):
                log.critical("image API refused the account", provider=guard.name, reason=error.sentence)
            await self._fail(generation, failure_of(error), error.sentence)
        except ProviderBusy as error:
            await self._wait(generation, error)
        except AnswerLost:
            await self._handle_lost(generation)
        else:
            self._failures.pop(_key(generation), None)
            if isinstance(answer, Accepted):
                await self._accepted(generation, answer.provider_id)
            else:
                await self._orders.settle(generation, Outcome(state=GenerationState.SUCCEEDED, content=answer.content))

    async def _accepted(self, generation: Generation, provider_id: str) -> None:
        if await self._store.write(jobs.accept, generation.job_id, generation.n, provider_id):
            log.info("submitted", job=generation.job_id, n=generation.n, provider_id=provider_id)
            self._expect(generation.provider, provider_id)
        else:
            await self._handle_lost(generation)  # an identical generation has claimed this id during its lookup; ours has another id

    async def _redirect(self, generation: Generation, now: int) -> None:
        """The provider is unavailable: switch to the operator's fallback model if there is one; after `give_up_ms`, fail and refund."""
        if now - generation.created_at > self._policy.give_up_ms:
            await self._fail(generation, Failure.TIMEOUT)
            return
        if not self._orders.models.offered:
            return  # no list of models was read yet, so no fallback is known
        answering = {name for name, guard in self._guards.items() if guard.away_since is None}
        references = await self._store.read(jobs.reference_count, generation.job_id)
        catalog = self._orders.models.catalog
        route = fallback_for(generation, references=references, catalog=catalog, routes=self._policy.routes, answering=answering)
        if route is not None and await self._store.write(jobs.reroute, generation.job_id, generation.n, other=route):
            log.info("fallback model used", job=generation.job_id, n=generation.n, asked=generation.model, to=route.model)

    # --- lost responses ------------------------------------------------------------------------------------------

    async def _handle_lost(self, generation: Generation) -> None:
        log.warning("response lost", job=generation.job_id, n=generation.n, provider=generation.provider)
        if not self._guard(generation).provider.queues:
            await self._handle_uncertain(generation)
            return
        await self._store.write(jobs.postpone_lookup, generation.job_id, generation.n, lookups=0, not_before=self._clock())

    async def _handle_uncertain(self, generation: Generation) -> None:
        """It may have been made and paid for, and cannot be found: retry or fail, as the operator's settings say."""
        if self._policy.uncertain is UncertainCalls.RETRY and generation.uncertain < _RETRIES:
            log.warning("uncertain call retried, may be charged twice", job=generation.job_id, n=generation.n, provider=generation.provider)
            await self._store.write(jobs.put_back_uncertain, generation.job_id, generation.n, now=self._clock())
        else:
            await self._fail(generation, Failure.UNCERTAIN)

    async def _find_lost(self, generation: Generation) -> None:
        """Search for a generation in the API's queue. If it is not found twice, with the grace time in between, it never arrived."""
        provider = self._guard(generation).provider
        if not provider.has_queue:
            await self._handle_uncertain(generation)
            return
        since = (generation.submitted_at or generation.created_at) - _CLOCK_SKEW_MS
        try:
            reports = await provider.find(submission.label(generation), since=since)
        except ProviderError as error:
            await self._postpone_lookup(generation, generation.lookups, self._pause_ms(generation, error))
            return
        for report in await self._unclaimed(provider.name, reports):
            if await self._store.write(jobs.accept, generation.job_id, generation.n, report.provider_id):
                log.info("lost generation found", job=generation.job_id, n=generation.n, provider_id=report.provider_id)
                self._failures.pop(_key(generation), None)
                self._expect(generation.provider, report.provider_id)
                return
        if generation.lookups + 1 < _LOOKUPS:
            await self._postpone_lookup(generation, generation.lookups + 1, int(self._timing.lookup_grace_s * 1000))
        elif generation.queued:
            await self._put_back(generation, self._clock())
        else:
            await self._handle_uncertain(generation)

    async def _postpone_lookup(self, generation: Generation, lookups: int, pause_ms: int) -> None:
        not_before = self._clock() + pause_ms
        await self._store.write(jobs.postpone_lookup, generation.job_id, generation.n, lookups=lookups, not_before=not_before)

    async def _unclaimed(self, provider: str, reports: Sequence[GenerationReport]) -> list[GenerationReport]:
        taken = await self._store.read(jobs.claimed, provider, [report.provider_id for report in reports])
        return [report for report in reports if report.provider_id not in taken]

    async def _wait(self, generation: Generation, error: ProviderBusy) -> None:
        """The API did not take it: put it back in the queue, unless it has waited too long."""
        now = self._clock()
        if now - generation.created_at > self._policy.give_up_ms:
            await self._fail(generation, Failure.TIMEOUT)
            return
        await self._put_back(generation, now + self._pause_ms(generation, error))

    async def _put_back(self, generation: Generation, not_before: int) -> None:
        await self._store.write(jobs.put_back, generation.job_id, generation.n, not_before=not_before, now=self._clock())

    def _pause_ms(self, generation: Generation, error: ProviderError) -> int:
        """The pause that the image API asks for; a growing one if it names none, or 0."""
        retry_after_s = getattr(error, "retry_after_s", None)
        self._failures[_key(generation)] += 1
        return int(1000 * (retry_after_s or self._timing.backoff_s(self._failures[_key(generation)])))

    async def _fail(self, generation: Generation, failure: Failure, reason: str = "") -> None:
        self._failures.pop(_key(generation), None)
        await self._orders.settle(generation, failed(failure, reason))

    async def _fail_removed(self) -> None:
        """Fail the open generations of image APIs that were removed from the settings."""
        for state in (GenerationState.WAITING, GenerationState.SUBMITTING, GenerationState.RUNNING):
            for generation in await self._store.read(jobs.under_way, state):
                if generation.provider not in self._guards:
                    await self._fail(generation, Failure.FAULT, _PROVIDER_REMOVED)


def _without(active: frozenset[Hashable], queue: Queue) -> Queue:
    """The queue without generations that the pool works on; they count as running, even if the store still says waiting."""
    in_progress = [g for g in queue.waiting if _key(g) in active]
    return replace(
        queue,
        waiting=tuple(g for g in queue.waiting if _key(g) not in active),
        running_by_user=Counter(queue.running_by_user) + Counter(g.user_id for g in in_progress),
        running_by_guild=Counter(queue.running_by_guild) + Counter(g.guild_id for g in in_progress),
        running_by_provider=Counter(queue.running_by_provider) + Counter(g.provider for g in in_progress),
        slow_turns=frozenset(g.provider for g in in_progress if g.lane is Lane.FREE),
    )


def _key(generation: Generation) -> tuple[str, int]:
    return generation.job_id, generation.n
