"""Sends waiting generations to their image APIs in fair order, and looks for those whose answer was lost."""

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
from bot.services.pipeline.fallback import stand_in
from bot.services.pipeline.screening import Screening
from bot.store import jobs
from bot.store.engine.base import Store, Topic

log = structlog.get_logger(__name__)

_CLOCK_SKEW_MS = 120_000  # between this machine and the image API
_TURN_S = 5.0  # an idle bot looks this often for generations whose pause is over
_READERS = 8  # prompts that are checked at the same time
_LOOKUPS = 2  # found neither at once nor after the grace time: it never arrived
_RETRIES = 1  # of a call whose answer was lost and cannot be looked up, where the operator's rule is to retry
_MOVED_OUT = N_("The image service that was to make it is no longer used here.")


@dataclass(frozen=True, kw_only=True)
class DispatchPolicy:
    """The operator's choices about sending."""

    caps: Caps
    references: ReferenceMode
    uncertain: UncertainCalls
    routes: Mapping[str, str]  # model: the one that stands in for it
    give_up_ms: int  # after this a generation that could not be sent fails


class Dispatch:
    """One loop and its worker pool. A generation is sent by exactly one task; what that task leaves open is looked up."""

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
        self._expect = expect  # told every new id, with its provider's name: its event may have come already
        self._queue = store.subscribe(Topic.QUEUE)
        self._timing = timing
        self._clock = clock
        self._failures: Counter[tuple[str, int]] = Counter()
        self._pool = WorkerPool("dispatch", size=2 * policy.caps.total, on_end=self._queue.wake)  # as many again may be looked for
        # Apart: an endpoint that is slow must not hold up what is checked already.
        self._readers = WorkerPool("prompts", size=_READERS, on_end=self._queue.wake)

    async def run(self, *, grace_s: float) -> None:
        """Until cancelled; what is being sent then is given `grace_s` to finish."""
        try:
            await self._clear_out()
            while True:
                await self.turn()
                await self._queue.wait(timeout_s=self._pause_s())
        finally:
            await asyncio.gather(self._pool.finish(grace_s), self._readers.finish(grace_s))

    def _pause_s(self) -> float:
        """Until something may be due: the end of a generation's pause, or a guard that lets the next request through."""
        now = self._clock()
        turns = (until - now for guard in self._guards.values() if (until := guard.waits_until()) is not None)
        return min(_TURN_S, self._timing.lookup_grace_s, *(max(turn_ms, 10) / 1000 for turn_ms in turns))

    async def turn(self) -> None:
        """One look at the queue: send what may be sent, find stand-ins, look for what was lost."""
        now = self._clock()
        busy = self._pool.active_keys()  # before reading: only this loop gives work, so nobody touches any other row meanwhile
        queue = _without(busy, await self._store.read(jobs.queue, now))
        lost = await self._store.read(jobs.under_way, GenerationState.SUBMITTING)
        places = {name: guard.max_running for name, guard in self._guards.items() if guard.ready()}
        for job_id in queue.unchecked:
            self._readers.start(job_id, self._screening.prompt(job_id, give_up_ms=self._policy.give_up_ms))
        for generation in choose(queue, self._policy.caps, places):
            self._pool.start(_key(generation), self._begin(generation))
        for generation in lost:
            if generation.not_before <= now and _key(generation) not in busy:
                self._pool.start(_key(generation), self._look(generation))
        for generation in queue.waiting:
            if self._guard(generation).away_since is not None:
                await self._redirect(generation, now)

    def _guard(self, generation: Generation) -> ProviderGuard:
        return self._guards[generation.provider]

    # --- send ----------------------------------------------------------------------------------------------------

    async def _begin(self, generation: Generation) -> None:
        """Only what has its turn is marked as being sent: what is marked may have been paid."""
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
                log.critical("the image API refuses this account", provider=guard.name, reason=error.sentence)
            await self._fail(generation, failure_of(error), error.sentence)
        except ProviderBusy as error:
            await self._wait(generation, error)
        except AnswerLost:
            await self._lost(generation)
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
            await self._lost(generation)  # a twin whose answer was lost has claimed this id; ours is the other one

    async def _redirect(self, generation: Generation, now: int) -> None:
        """Its provider does not answer: another model, where the operator declared one; after too long, its price back."""
        if now - generation.created_at > self._policy.give_up_ms:
            await self._fail(generation, Failure.TIMEOUT)
            return
        if not self._orders.models.offered:
            return  # no list was ever read, so nobody is known who could stand in
        answering = {name for name, guard in self._guards.items() if guard.away_since is None}
        references = await self._store.read(jobs.reference_count, generation.job_id)
        catalog = self._orders.models.catalog
        route = stand_in(generation, references=references, catalog=catalog, routes=self._policy.routes, answering=answering)
        if route is not None and await self._store.write(jobs.reroute, generation.job_id, generation.n, other=route):
            log.info("rerouted", job=generation.job_id, n=generation.n, asked=generation.model, to=route.model)

    # --- look ----------------------------------------------------------------------------------------------------

    async def _lost(self, generation: Generation) -> None:
        log.warning("answer lost", job=generation.job_id, n=generation.n, provider=generation.provider)
        if not self._guard(generation).provider.queues:
            await self._decide(generation)
            return
        await self._store.write(jobs.look_later, generation.job_id, generation.n, lookups=0, not_before=self._clock())

    async def _decide(self, generation: Generation) -> None:
        """It may have been made and paid, and nothing can tell: the operator's rule applies."""
        if self._policy.uncertain is UncertainCalls.RETRY and generation.uncertain < _RETRIES:
            log.warning("sent once more; it may be paid twice", job=generation.job_id, n=generation.n, provider=generation.provider)
            await self._store.write(jobs.try_once_more, generation.job_id, generation.n, now=self._clock())
        else:
            await self._fail(generation, Failure.UNCERTAIN)

    async def _look(self, generation: Generation) -> None:
        """Was it taken? Found: go on with it. Not found twice, with the grace time between: it never arrived in the queue."""
        provider = self._guard(generation).provider
        if not provider.has_queue:
            await self._decide(generation)
            return
        since = (generation.submitted_at or generation.created_at) - _CLOCK_SKEW_MS
        try:
            reports = await provider.find(submission.label(generation), since=since)
        except ProviderError as error:
            await self._look_again(generation, generation.lookups, self._pause_ms(generation, error))
            return
        for report in await self._unclaimed(provider.name, reports):
            if await self._store.write(jobs.accept, generation.job_id, generation.n, report.provider_id):
                log.info("found a lost answer", job=generation.job_id, n=generation.n, provider_id=report.provider_id)
                self._failures.pop(_key(generation), None)
                self._expect(generation.provider, report.provider_id)
                return
        if generation.lookups + 1 < _LOOKUPS:
            await self._look_again(generation, generation.lookups + 1, int(self._timing.lookup_grace_s * 1000))
        elif generation.queued:
            await self._put_back(generation, self._clock())
        else:
            await self._decide(generation)

    async def _look_again(self, generation: Generation, lookups: int, pause_ms: int) -> None:
        not_before = self._clock() + pause_ms
        await self._store.write(jobs.look_later, generation.job_id, generation.n, lookups=lookups, not_before=not_before)

    async def _unclaimed(self, provider: str, reports: Sequence[GenerationReport]) -> list[GenerationReport]:
        taken = await self._store.read(jobs.claimed, provider, [report.provider_id for report in reports])
        return [report for report in reports if report.provider_id not in taken]

    async def _wait(self, generation: Generation, error: ProviderBusy) -> None:
        """It certainly was not taken: put it back, unless it has waited too long."""
        now = self._clock()
        if now - generation.created_at > self._policy.give_up_ms:
            await self._fail(generation, Failure.TIMEOUT)
            return
        await self._put_back(generation, now + self._pause_ms(generation, error))

    async def _put_back(self, generation: Generation, not_before: int) -> None:
        await self._store.write(jobs.put_back, generation.job_id, generation.n, not_before=not_before, now=self._clock())

    def _pause_ms(self, generation: Generation, error: ProviderError) -> int:
        """As long as the image API wishes; where it names no time, or none at all (0), a growing one."""
        wished = getattr(error, "retry_after_s", None)
        self._failures[_key(generation)] += 1
        return int(1000 * (wished or self._timing.backoff_s(self._failures[_key(generation)])))

    async def _fail(self, generation: Generation, failure: Failure, reason: str = "") -> None:
        self._failures.pop(_key(generation), None)
        await self._orders.settle(generation, failed(failure, reason))

    async def _clear_out(self) -> None:
        """Generations of an image API that the operator took out of the settings: nobody can ask it any more."""
        for state in (GenerationState.WAITING, GenerationState.SUBMITTING, GenerationState.RUNNING):
            for generation in await self._store.read(jobs.under_way, state):
                if generation.provider not in self._guards:
                    await self._fail(generation, Failure.FAULT, _MOVED_OUT)


def _without(busy: frozenset[Hashable], queue: Queue) -> Queue:
    """What the pool works on may still be waiting in the store, held back by its guard; it counts as running."""
    in_hand = [g for g in queue.waiting if _key(g) in busy]
    return replace(
        queue,
        waiting=tuple(g for g in queue.waiting if _key(g) not in busy),
        running_by_user=Counter(queue.running_by_user) + Counter(g.user_id for g in in_hand),
        running_by_guild=Counter(queue.running_by_guild) + Counter(g.guild_id for g in in_hand),
        running_by_provider=Counter(queue.running_by_provider) + Counter(g.provider for g in in_hand),
        slow_turns=frozenset(g.provider for g in in_hand if g.lane is Lane.FREE),
    )


def _key(generation: Generation) -> tuple[str, int]:
    return generation.job_id, generation.n
