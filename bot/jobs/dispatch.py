"""Sends waiting generations to the image API in fair order, and looks for those whose answer was lost."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from bot.clock import Clock
from bot.config import ReferenceMode
from bot.errors import AnswerLost, ProviderAccount, ProviderBusy, ProviderError, ProviderRefused
from bot.images.provider import Accepted, Provider, Report, Submission
from bot.jobs.job import Generation, GenerationState, Outcome, Reference
from bot.jobs.pace import Bells, Crew, Pace
from bot.jobs.studio import Studio
from bot.store import jobs
from bot.store.engine import Store
from bot.store.jobs import Queue

log = structlog.get_logger(__name__)

_CLOCK_SKEW_MS = 120_000  # between this machine and the image API
_LINK_MARGIN_MS = 10 * 60_000  # a link must outlive the image API's own queue
_TURN_S = 5.0  # a quiet house looks this often for generations whose pause is over
_LOOKUPS = 2  # found neither at once nor after the grace time: it never arrived
_UNCERTAIN = "The image service's answer was lost, so this picture could not be kept; your credits were given back."
_ACCOUNT = "The image service does not serve this bot's account at the moment; the operator has been told. Your credits were given back."
_TOO_LATE = "The image service did not take the request for too long; your credits were given back."


@dataclass(frozen=True, kw_only=True)
class Caps:
    """How many pictures may be in the making at the same time."""

    per_user: int
    per_server: int
    total: int


def choose(queue: Queue, caps: Caps) -> list[Generation]:
    """The generations to send now: fewest running of their server first, then of their member, then the oldest."""
    users, servers = Counter(queue.running_by_user), Counter(queue.running_by_server)
    free = caps.total - users.total()
    left = list(queue.waiting)
    chosen: list[Generation] = []
    while free > len(chosen):
        fit = [g for g in left if users[g.user_id] < caps.per_user and (g.guild_id is None or servers[g.guild_id] < caps.per_server)]
        if not fit:
            break
        best = min(fit, key=lambda g: (_served(g, users, servers), users[g.user_id], g.created_at, g.job_id, g.n))
        left.remove(best)
        chosen.append(best)
        users[best.user_id] += 1
        servers[best.guild_id] += 1
    return chosen


def _served(generation: Generation, users: Counter[int], servers: Counter[int | None]) -> int:
    """How many are running in its server; a member's direct messages are a server of one."""
    return users[generation.user_id] if generation.guild_id is None else servers[generation.guild_id]


class Dispatch:
    """One loop and its crew. A generation is sent by exactly one task; what that task leaves open is looked up."""

    def __init__(
        self,
        *,
        store: Store,
        provider: Provider,
        studio: Studio,
        caps: Caps,
        references: ReferenceMode,
        give_up_ms: int,
        expect: Callable[[str], None],
        bells: Bells,
        pace: Pace,
        clock: Clock,
    ) -> None:
        self._store = store
        self._provider = provider
        self._studio = studio
        self._caps = caps
        self._references = references
        self._give_up_ms = give_up_ms
        self._expect = expect  # told every new provider id: its event may have come already
        self._bells = bells
        self._pace = pace
        self._clock = clock
        self._failures: Counter[tuple[str, int]] = Counter()
        self._crew = Crew("dispatch", size=max(caps.total, 1))

    async def run(self, *, grace_s: float) -> None:
        """Until cancelled; what is being sent then is given `grace_s` to finish."""
        try:
            while True:
                await self.turn()
                await self._bells.dispatch.heard(timeout_s=min(_TURN_S, self._pace.lookup_grace_s))
        finally:
            await self._crew.finish(grace_s)

    async def turn(self) -> None:
        """One look at the queue: send what may be sent, look for what was lost."""
        now = self._clock()
        for generation in choose(await self._store.read(jobs.queue, now), self._caps):
            if await self._store.write(jobs.start, generation.job_id, generation.n, now):
                self._crew.put_to_work(_key(generation), self._send(generation))
        for generation in await self._store.read(jobs.under_way, GenerationState.SUBMITTING):
            if generation.not_before <= now and not self._crew.busy(_key(generation)):
                self._crew.put_to_work(_key(generation), self._look(generation))

    async def _send(self, generation: Generation) -> None:
        try:
            answer = await self._provider.submit(await self._submission(generation))
        except ProviderRefused as error:
            await self._fail(generation, error.sentence)
        except ProviderAccount as error:
            log.critical("the image API refuses this account", reason=error.sentence)
            await self._fail(generation, _ACCOUNT)
        except ProviderBusy as error:
            await self._wait(generation, error)
        except AnswerLost:
            await self._lost(generation)
        else:
            self._failures.pop(_key(generation), None)
            if isinstance(answer, Accepted):
                await self._accepted(generation, answer.provider_id)
            else:
                await self._studio.settle(generation, Outcome(state=GenerationState.SUCCEEDED, content=answer.content))

    async def _accepted(self, generation: Generation, provider_id: str) -> None:
        if await self._store.write(jobs.accept, generation.job_id, generation.n, provider_id):
            log.info("submitted", job=generation.job_id, n=generation.n, provider_id=provider_id)
            self._expect(provider_id)
        else:
            await self._lost(generation)  # a twin whose answer was lost has claimed this id; ours is the other one

    async def _lost(self, generation: Generation) -> None:
        log.warning("enqueue answer lost", job=generation.job_id, n=generation.n)
        if not self._provider.queues:
            await self._fail(generation, _UNCERTAIN)  # nothing to look it up by: never pay twice
            return
        await self._store.write(jobs.look_later, generation.job_id, generation.n, lookups=0, not_before=self._clock())
        self._bells.dispatch.ring()

    async def _look(self, generation: Generation) -> None:
        """Was it taken? Found: go on with it. Not found twice, with the grace time between: it never arrived."""
        if not self._provider.queues:
            await self._fail(generation, _UNCERTAIN)
            return
        since = (generation.submitted_at or generation.created_at) - _CLOCK_SKEW_MS
        wanted = Submission(model=generation.model, prompt=generation.prompt, seed=generation.seed, params=generation.params)
        try:
            reports = await self._provider.find(wanted, since=since)
        except ProviderError as error:
            await self._look_again(generation, generation.lookups, self._pause_ms(generation, error))
            return
        for report in await self._unclaimed(reports):
            if await self._store.write(jobs.accept, generation.job_id, generation.n, report.provider_id):
                log.info("found a lost answer", job=generation.job_id, n=generation.n, provider_id=report.provider_id)
                self._failures.pop(_key(generation), None)
                self._expect(report.provider_id)
                self._bells.watch.ring()
                return
        if generation.lookups + 1 < _LOOKUPS:
            await self._look_again(generation, generation.lookups + 1, int(self._pace.lookup_grace_s * 1000))
        else:
            await self._put_back(generation, self._clock())

    async def _look_again(self, generation: Generation, lookups: int, pause_ms: int) -> None:
        not_before = self._clock() + pause_ms
        await self._store.write(jobs.look_later, generation.job_id, generation.n, lookups=lookups, not_before=not_before)

    async def _unclaimed(self, reports: Sequence[Report]) -> list[Report]:
        taken = await self._store.read(jobs.claimed, [report.provider_id for report in reports])
        return [report for report in reports if report.provider_id not in taken]

    async def _wait(self, generation: Generation, error: ProviderBusy) -> None:
        """It certainly was not taken: put it back, unless it has waited too long."""
        now = self._clock()
        if now - generation.created_at > self._give_up_ms:
            await self._fail(generation, _TOO_LATE)
            return
        await self._put_back(generation, now + self._pause_ms(generation, error))

    async def _put_back(self, generation: Generation, not_before: int) -> None:
        await self._store.write(jobs.put_back, generation.job_id, generation.n, not_before=not_before, now=self._clock())
        self._bells.dispatch.ring()
        self._bells.deliver.ring()  # it may have been the last one of a job that was cancelled meanwhile

    def _pause_ms(self, generation: Generation, error: ProviderError) -> int:
        """As long as the image API wishes; where it names no time, or none at all (0), a growing one."""
        wished = getattr(error, "retry_after_s", None)
        self._failures[_key(generation)] += 1
        return int(1000 * (wished or self._pace.backoff_s(self._failures[_key(generation)])))

    async def _fail(self, generation: Generation, sentence: str) -> None:
        self._failures.pop(_key(generation), None)
        await self._studio.settle(generation, Outcome(state=GenerationState.FAILED, error=sentence))

    async def _submission(self, generation: Generation) -> Submission:
        refs = await self._store.read(jobs.references_of, generation.job_id)
        return Submission(
            model=generation.model,
            prompt=generation.prompt,
            seed=generation.seed,
            params=generation.params,
            references=[await asyncio.to_thread(self._passed_on, ref) for ref in refs],
        )

    def _passed_on(self, reference: Reference) -> str:
        """Discord's link while it is fresh, else the picture itself."""
        fresh = reference.url_expires_at is not None and reference.url_expires_at - _LINK_MARGIN_MS > self._clock()
        if reference.url is not None and (self._references is ReferenceMode.LINK or (self._references is ReferenceMode.AUTO and fresh)):
            return reference.url
        return f"data:{reference.content_type};base64,{base64.b64encode(reference.content).decode()}"


def _key(generation: Generation) -> tuple[str, int]:
    return generation.job_id, generation.n
