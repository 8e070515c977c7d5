"""Sends waiting generations to their image APIs in fair order, and searches for those whose response was lost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import (
    AnswerLost,
    DatabaseAway,
    EaselError,
    MachineTrouble,
    ProviderAccount,
    ProviderBusy,
    ProviderError,
    ProviderFailed,
    ProviderRefused,
    ReferenceUnread,
)
from bot.core.i18n import N_, _
from bot.core.running import machine
from bot.core.running.loops import Batch, Timing, Worker
from bot.core.running.machine import Disk
from bot.core.running.supervision import Loops, apart, pause
from bot.core.settings.field_types import UncertainCalls
from bot.domain.failures import LOST, failed, failure_of
from bot.domain.job import Failure, Generation, GenerationState, Outcome
from bot.domain.scheduling import Caps
from bot.providers.guard import ProviderGuard
from bot.providers.provider import Accepted, CompletedImage, GenerationReport, Submission
from bot.services.orders import Orders
from bot.services.pipeline import submission
from bot.services.pipeline.fallback import fallback_for
from bot.services.pipeline.last_failures import LastFailures
from bot.services.pipeline.screening import Screening
from bot.services.pipeline.submission import Packing
from bot.services.pipeline.watch import Watch
from bot.store import claims, jobs, steps
from bot.store.claims import Place, Stuck, ToSubmit
from bot.store.engine.base import Store, Topic

log = structlog.get_logger(__name__)

T = TypeVar("T")

_IDLE_S = 5.0  # how often an idle bot checks for generations whose pause is over
_REMOVED_EVERY_S = 3600.0  # settings change only with a restart, so once would do
_MACHINE_DOUBLINGS = 4  # of the pause after a shortage of this machine, which does not grow: about 8 s
_CHECKS_AT_A_TIME = 8
_LOOKUPS_AT_A_TIME = 8
_LOOKUPS = 2  # found neither at once nor after the grace time: it never arrived
_RETRIES = 1  # of a request whose response was lost: it may be paid for twice
_CANCELLED_MS = 30_000  # after this time a cancelled submission whose answer is not known ends
_PROVIDER_REMOVED = N_("The image service for this model is no longer available.")
_DO_AT_STOP = "Free disk space. Unless the log says that it was settled, the next start creates it again or refunds it (UNCERTAIN_CALLS)."
_CLOSED = N_("The image service takes no new images for now. Try again later.")
_STORED_S = 2.0  # a finished image that takes longer to be stored keeps others from being sent
_LIMITED = N_("The image service has reached its limit and takes no new images for now. Try again later.")


@dataclass(frozen=True, kw_only=True)
class DispatchPolicy:
    """The operator's settings for sending."""

    caps: Caps
    uncertain: UncertainCalls
    routes: Mapping[str, str]  # model: its fallback model
    give_up_ms: int  # a generation that could not be sent for this time fails


class Dispatch:
    """Three workers: they send generations, look up those whose response was lost, and check prompts.

    Only one task sends a generation; if its outcome is unknown, a later lookup finds it.
    """

    def __init__(
        self,
        *,
        store: Store,
        guards: Mapping[str, ProviderGuard],
        watches: Mapping[str, Watch],
        orders: Orders,
        screening: Screening,
        packing: Packing,
        disk: Disk,
        policy: DispatchPolicy,
        confirm: Callable[[], Awaitable[None]],
        timing: Timing,
        clock: Clock,
    ) -> None:
        """`confirm` raises if another process has taken over the work of this one."""
        self._store = store
        self._confirm = confirm
        self._guards = guards
        self._watches = watches
        self._orders = orders
        self._screening = screening
        self._packing = packing
        self._disk = disk
        self._policy = policy
        self._timing = timing
        self._clock = clock
        self._last_failures = LastFailures(store=store, clock=clock)
        self._failures: Counter[tuple[str, int]] = Counter()
        self._disputed: set[str] = set()  # ids of the image API that may be those of generations that were not found
        self._unstored: dict[tuple[str, int], float] = {}  # since when (monotonic) a finished image waits to be stored
        self._sending = Worker(
            "dispatch",
            size=policy.caps.total,
            claim=self._claim_waiting,
            work=self._send,
            key=lambda claimed: _key(claimed.generation),
            wakeups=store.subscribe(Topic.QUEUE),
        )
        self._lookups = Worker(
            "lookups",
            size=_LOOKUPS_AT_A_TIME,
            claim=self._claim_lost,
            work=self._search,
            key=_key,
            wakeups=store.subscribe(Topic.LOST),
        )
        self._checks = Worker(
            "prompt checks",
            size=_CHECKS_AT_A_TIME,
            claim=self._claim_checks,
            work=lambda job_id: screening.prompt(job_id, give_up_ms=policy.give_up_ms),
            key=lambda job_id: job_id,
            wakeups=store.subscribe(Topic.CHECKS),
        )

    def loops(self, *, grace_s: float) -> Loops:
        """Its workers; running requests have `grace_s` seconds at the stop."""
        return {worker.name: worker.loop(grace_s=grace_s) for worker in (self._sending, self._lookups, self._checks)}

    async def keep_ending_removed(self) -> None:
        """A loop that ends what waits for an image API that the settings no longer name."""
        while True:
            with apart() as attempt:
                for generation in await self._store.read(claims.of_others, list(self._guards)):
                    with attempt():
                        await self._fail(generation, Failure.FAULT, _PROVIDER_REMOVED)
            await pause(_REMOVED_EVERY_S)

    # --- claims --------------------------------------------------------------------------------------------------

    async def _claim_waiting(self, free: int, _active: frozenset[Hashable]) -> Batch[ToSubmit]:
        if not await self._can_store():
            return Batch(work=(), pause_s=min(_STORED_S, self._timing.retry_max_s))
        now = self._clock()
        away = [guard.name for guard in self._guards.values() if guard.away_since is not None]
        if away:
            late = now - self._policy.give_up_ms
            for waiting in await self._store.read(claims.stuck, away, routes=list(self._policy.routes), before=late):
                await self._redirect(waiting, now)
        await self._end_limited()
        places = {
            name: Place(max_running=guard.max_running, rate=guard.rate, queued=guard.provider.queues)
            for name, guard in self._guards.items()
            if guard.is_open
        }
        claimed, wait_ms = await self._store.write(claims.to_submit, now, free=free, caps=self._policy.caps, places=places)
        return Batch(work=claimed, pause_s=self._pause_s(wait_ms))

    async def _can_store(self) -> bool:
        """Whether what is made can be stored: the disk has space, and no finished image has been waiting for that."""
        is_stuck = any(time.monotonic() - since > _STORED_S for since in self._unstored.values())
        return await self._disk.has_space() and not is_stuck

    def _pause_s(self, wait_ms: int | None) -> float:
        """Seconds until the next check: a generation's pause may end, or an image API may take the next one. `wait_ms`: by its rate."""
        now = self._clock()
        waits = [until - now for guard in self._guards.values() if (until := guard.limited_until) is not None]
        waits += [] if wait_ms is None else [wait_ms]
        return min(_IDLE_S, self._timing.lookup_grace_s, *(max(each, 10) / 1000 for each in waits))

    async def _claim_lost(self, free: int, _active: frozenset[Hashable]) -> Batch[Generation]:
        found = await self._store.write(claims.lost, self._clock(), free=free)
        return Batch(work=found, pause_s=min(_IDLE_S, self._timing.lookup_grace_s))

    async def _claim_checks(self, free: int, active: frozenset[Hashable]) -> Batch[str]:
        """Of the jobs in this process's care."""
        owner = self._store.process_id
        due = await self._store.read(claims.to_check, self._clock(), owner=owner, free=free, active=active)
        return Batch(work=due, pause_s=min(_IDLE_S, self._timing.lookup_grace_s))

    def _guard(self, generation: Generation) -> ProviderGuard:
        return self._guards[generation.provider]

    # --- send ----------------------------------------------------------------------------------------------------

    async def _send(self, claimed: ToSubmit) -> None:
        try:
            await self._submit(claimed)
        except Exception:  # it may have been sent
            await self._insist(lambda: self._postpone_lookup(claimed.generation, 0, 0))
            raise

    async def _submit(self, claimed: ToSubmit) -> None:
        generation = claimed.generation
        try:
            answer = await self._call(claimed)
        except ReferenceUnread as error:
            if not await self._store.write(steps.send_inline, *_key(generation), now=self._clock()):
                await self._fail(generation, failure_of(error), error.sentence)
        except (ProviderRefused, ProviderAccount, ProviderFailed) as error:
            await self._last_failures.keep(generation.provider, generation.api_model, error)
            await self._fail(generation, failure_of(error), error.sentence)
        except ProviderBusy as error:
            await self._last_failures.keep(generation.provider, generation.api_model, error)
            await self._wait(generation, error)
        except AnswerLost as error:
            await self._last_failures.keep(generation.provider, generation.api_model, error)
            await self._handle_lost(generation, error.sentence)
        except MachineTrouble:  # it was not sent, so its time does not count
            await self._put_back(generation, self._clock() + int(1000 * self._timing.backoff_s(_MACHINE_DOUBLINGS)))
        else:
            self._failures.pop(_key(generation), None)
            if not isinstance(answer, Accepted):
                await self._keep(generation, answer)
            elif not await self._record_id(generation, answer.provider_id):
                await self._handle_lost(generation)  # an identical one has claimed this id during its lookup; ours has another id
            await self._last_failures.works(generation.provider, generation.api_model)

    async def _call(self, claimed: ToSubmit) -> Accepted | CompletedImage:
        """Send it. An answer that takes longer than a generation may is lost. Raises the provider's errors."""
        generation = claimed.generation
        packed = await self._packed(claimed)
        await self._confirm()
        attempt = self._failures[_key(generation)] + generation.uncertain + 1
        with structlog.contextvars.bound_contextvars(job=generation.job_id, n=generation.n, attempt=attempt):
            return await self._unless_given_up(generation, self._guard(generation).submit(packed))

    async def _keep(self, generation: Generation, answer: CompletedImage) -> None:
        """Store an image that came in an answer, and exists nowhere else: it is tried until it is written."""
        outcome = Outcome(state=GenerationState.SUCCEEDED, content=answer.content, result_url=answer.url)
        key = _key(generation)
        self._unstored[key] = time.monotonic()
        try:
            await self._insist(lambda: self._orders.settle(generation, outcome))
        except asyncio.CancelledError:
            log.critical("finished image could not be stored before the stop", job=key[0], n=key[1], do=_DO_AT_STOP)
            raise
        finally:
            del self._unstored[key]

    def _longest_s(self, generation: Generation) -> float:
        """How long a call may take: as long as a generation, less what it waited for the image API before."""
        longest, waited = self._policy.give_up_ms, self._clock() - generation.created_at
        return (longest if waited > longest else min(longest, 2 * longest - waited)) / 1000

    async def _insist(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write it, again and again while the database or this machine cannot."""
        tries = 0
        while True:
            try:
                return await write()
            except Exception as error:
                if machine.trouble_of(error) is None and not isinstance(error, DatabaseAway):
                    raise
            tries += 1
            await asyncio.sleep(self._timing.backoff_s(tries))

    async def _unless_given_up(self, generation: Generation, call: Coroutine[Any, Any, T]) -> T:
        """The call's result, however late the store answers. If the call is given up before it has one, its answer is lost."""
        task = asyncio.create_task(call, name=f"submission {_key(generation)}")
        giving_up = asyncio.create_task(self._reason_to_give_up(generation), name=f"patience {_key(generation)}")
        try:
            await asyncio.wait({task, giving_up}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise AnswerLost(_(LOST), detail=giving_up.result())
        finally:
            task.cancel()
            giving_up.cancel()
            await asyncio.wait({task, giving_up})

    async def _reason_to_give_up(self, generation: Generation) -> str:
        """Wait until a call has taken longer than a generation may, or its member cancelled a while ago."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._longest_s(generation)):
                while True:
                    await asyncio.sleep(self._timing.poll_max_s)
                    if await self._is_cancelled(generation):
                        return "no answer for a while after the member cancelled"
        return "no answer in the longest time of a generation"

    async def _is_cancelled(self, generation: Generation) -> bool:
        """Whether the member cancelled it a while ago. The generation itself may be of a time before."""
        job = await self._store.read(jobs.get, generation.job_id)
        patience_ms = min(_CANCELLED_MS, self._policy.give_up_ms // 4)
        return job is not None and job.cancel_requested_at is not None and self._clock() - job.cancel_requested_at > patience_ms

    async def _packed(self, claimed: ToSubmit) -> Submission:
        if not claimed.has_references:
            return submission.label(claimed.generation)
        with machine.trouble_raised():
            return await self._packing.pack(claimed.generation, self._guard(claimed.generation).provider)

    async def _record_id(self, generation: Generation, provider_id: str) -> bool:
        watch = self._watches[generation.provider]
        read = await watch.first_read(generation.model, sent_at=generation.submitted_at or generation.created_at)
        if not await self._store.write(steps.accept, *_key(generation), provider_id, read=read):
            return False
        log.info("submitted", job=generation.job_id, n=generation.n, provider_id=provider_id)
        return True

    async def _redirect(self, stuck: Stuck, now: int) -> None:
        """The provider is unavailable: switch to the operator's fallback model if there is one; after `give_up_ms`, fail and refund."""
        if now - stuck.generation.created_at > self._policy.give_up_ms:
            await self._orders.settle_waiting(stuck.generation, failed(Failure.TIMEOUT))
            return
        await self._reroute(stuck)

    async def _end_limited(self) -> None:
        """What waits for an image API whose limit lasts longer than they may wait gets a fallback model, or fails now."""
        for guard in self._guards.values():
            until = guard.limited_until
            if until is None or guard.away_since is not None:
                continue
            late = until - self._policy.give_up_ms
            for each in await self._store.read(claims.stuck, [guard.name], routes=[], before=late):
                if not await self._reroute(each):
                    await self._orders.settle_waiting(
                        each.generation, failed(Failure.FAULT, _LIMITED if guard.is_rate_limited else _CLOSED)
                    )

    async def _reroute(self, stuck: Stuck) -> bool:
        """Switch to the operator's fallback model, if there is one that can be used."""
        if not self._orders.models.offered:
            return False  # no list of models was read yet, so no fallback is known
        answering = {name for name, guard in self._guards.items() if guard.is_open}
        catalog = self._orders.models.catalog
        route, generation = fallback_for(stuck, catalog=catalog, routes=self._policy.routes, answering=answering), stuck.generation
        if route is None or not await self._store.write(steps.reroute, generation.job_id, generation.n, other=route):
            return False
        log.info("fallback model used", job=generation.job_id, n=generation.n, asked=generation.model, to=route.model)
        return True

    # --- lost responses ------------------------------------------------------------------------------------------

    async def _handle_lost(self, generation: Generation, reason: str = "") -> None:
        log.info("response lost", job=generation.job_id, n=generation.n, provider=generation.provider)
        if not self._guard(generation).provider.has_queue:
            await self._handle_uncertain(generation, reason)
            return
        await self._store.write(steps.postpone_lookup, generation.job_id, generation.n, lookups=0, not_before=self._clock())

    async def _handle_uncertain(self, generation: Generation, reason: str = "") -> None:
        """It may have been made and paid for, and cannot be found: retry or fail, as the operator's settings say."""
        if await self._is_cancelled(generation):
            await self._orders.settle(generation, Outcome(state=GenerationState.CANCELLED))
        elif self._policy.uncertain is UncertainCalls.RETRY and generation.uncertain < _RETRIES and not self._is_overdue(generation):
            log.warning("uncertain call retried, may be charged twice", job=generation.job_id, n=generation.n, provider=generation.provider)
            await self._send_again(generation)
        else:
            await self._fail(generation, Failure.UNCERTAIN, reason)

    def _is_overdue(self, generation: Generation) -> bool:
        return self._clock() - generation.created_at > self._policy.give_up_ms

    async def _send_again(self, generation: Generation) -> None:
        await self._store.write(steps.put_back_uncertain, generation.job_id, generation.n, now=self._clock())

    async def _search(self, generation: Generation) -> None:
        try:
            await self._find_lost(generation)
        except Exception:
            await self._insist(lambda: self._postpone_lookup(generation, generation.lookups, int(1000 * self._timing.lookup_grace_s)))
            raise

    async def _find_lost(self, generation: Generation) -> None:
        """Search for a generation in the API's queue. If it is not found twice, with the grace time in between, it never arrived.

        It is sent again only then, and once: not if there is one that may be it.
        """
        provider = self._guard(generation).provider
        if not provider.has_queue:
            await self._handle_uncertain(generation)
            return
        try:
            with structlog.contextvars.bound_contextvars(job=generation.job_id, n=generation.n):
                reports = await provider.find(submission.label(generation), since=generation.submitted_at or generation.created_at)
        except (ProviderError, MachineTrouble) as error:
            if isinstance(error, MachineTrouble) or not await self._end_overdue(generation):
                await self._postpone_lookup(generation, generation.lookups, self._pause_ms(generation, error))
            return
        reports = await self._unclaimed(generation, reports)
        for report in reports:
            if report.is_certain and await self._record_id(generation, report.provider_id):
                log.info("lost generation found", job=generation.job_id, n=generation.n, provider_id=report.provider_id)
                self._failures.pop(_key(generation), None)
                return
        if generation.lookups + 1 < _LOOKUPS:
            await self._postpone_lookup(generation, generation.lookups + 1, int(self._timing.lookup_grace_s * 1000))
        elif any(not report.is_certain for report in reports):
            log.warning("lost generation cannot be told from others", job=generation.job_id, n=generation.n, provider=generation.provider)
            self._disputed.update(report.provider_id for report in reports)
            await self._fail(generation, Failure.UNCERTAIN)
        elif generation.queued and generation.uncertain < _RETRIES and not self._is_overdue(generation):
            await self._send_again(generation)
        elif generation.queued:
            await self._fail(generation, Failure.UNCERTAIN)
        else:
            await self._handle_uncertain(generation)

    async def _end_overdue(self, generation: Generation) -> bool:
        """End a submission that cannot be looked up, if its member cancelled it a while ago or its deadline is over."""
        if await self._is_cancelled(generation):
            await self._orders.settle(generation, Outcome(state=GenerationState.CANCELLED))
        elif self._is_overdue(generation):
            await self._fail(generation, Failure.UNCERTAIN)
        else:
            return False
        return True

    async def _postpone_lookup(self, generation: Generation, lookups: int, pause_ms: int) -> None:
        not_before = self._clock() + pause_ms
        await self._store.write(steps.postpone_lookup, generation.job_id, generation.n, lookups=lookups, not_before=not_before)

    async def _unclaimed(self, generation: Generation, reports: Sequence[GenerationReport]) -> list[GenerationReport]:
        """Those that may be the generation's. None is certain while a similar one is being sent, or that may have been that of another."""
        taken, has_rival = await self._store.read(_claims, generation, [report.provider_id for report in reports])
        doubtful = {report.provider_id for report in reports} if has_rival else self._disputed
        return [replace(r, is_certain=r.is_certain and r.provider_id not in doubtful) for r in reports if r.provider_id not in taken]

    async def _wait(self, generation: Generation, error: ProviderBusy) -> None:
        """The API did not take it: put it back in the queue, unless it has waited too long."""
        now = self._clock()
        if now - generation.created_at > self._policy.give_up_ms:
            await self._fail(generation, Failure.TIMEOUT)
            return
        await self._put_back(generation, now + self._pause_ms(generation, error))

    async def _put_back(self, generation: Generation, not_before: int) -> None:
        await self._store.write(steps.put_back, generation.job_id, generation.n, not_before=not_before, now=self._clock())

    def _pause_ms(self, generation: Generation, error: EaselError) -> int:
        """The pause that the image API asks for; a growing one if it names none, or 0."""
        retry_after_s = getattr(error, "retry_after_s", None)
        self._failures[_key(generation)] += 1
        return int(1000 * (retry_after_s or self._timing.backoff_s(self._failures[_key(generation)])))

    async def _fail(self, generation: Generation, failure: Failure, reason: str = "") -> None:
        self._failures.pop(_key(generation), None)
        await self._orders.settle(generation, failed(failure, reason))


def _claims(conn: Connection, generation: Generation, provider_ids: Collection[str]) -> tuple[set[str], bool]:
    return jobs.claimed(conn, generation.provider, provider_ids), jobs.has_rival(conn, generation)


def _key(generation: Generation) -> tuple[str, int]:
    return generation.job_id, generation.n
