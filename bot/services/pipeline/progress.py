"""Keeps the waiting messages of open jobs true."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import replace

import structlog

from bot.core import i18n
from bot.core.clock import Clock
from bot.core.errors import EaselError
from bot.core.loops import KeyedLocks, Timing
from bot.domain.job import ENDED, Generation, GenerationState, Job, JobState
from bot.domain.order import Receipt
from bot.services.orders import Orders
from bot.services.pipeline.routes import BAR_STEPS, Post
from bot.store import delivery, jobs
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

_LONG_MS = 120_000  # who has waited so long is promised to be called, and need not look any more


class Progress:
    """A beat that edits a waiting message when what it says has changed, and never after the job has ended."""

    def __init__(self, *, store: Store, orders: Orders, post: Post, locks: KeyedLocks, timing: Timing, clock: Clock) -> None:
        self._store = store
        self._orders = orders
        self._post = post
        self._locks = locks
        self._timing = timing
        self._clock = clock
        self._shown: dict[str, Hashable] = {}  # the gist of each open job's message

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.turn()
            await asyncio.sleep(self._timing.progress_s)

    async def turn(self) -> None:
        """One look at all open jobs."""
        open_jobs = await self._store.read(jobs.in_state, JobState.OPEN)
        self._shown = {job.id: self._shown[job.id] for job in open_jobs if job.id in self._shown}
        for job in open_jobs:
            if _has_message(job) and job.answer_until <= self._clock():
                await self._try_to_show(job)

    async def _try_to_show(self, job: Job) -> None:
        try:
            with i18n.speaking(job.place.locale):
                await self._show(job.id)
        except EaselError as error:
            log.info("progress not shown", job=job.id, reason=error.sentence)
        except Exception:  # the named loop of every waiting message: one must not keep the others from being true
            log.exception("progress not shown", job=job.id)

    async def _show(self, job_id: str) -> None:
        async with self._locks.of(job_id):
            job = await self._promised(await self._orders.job(job_id))
            if job.state is not JobState.OPEN:
                return
            receipt = await self._orders.waiting_for(job)
            steps = None if job.ping_promised else steps_done(job, receipt.usual_ms, self._clock())
            gist = _gist(receipt, steps)
            # The first answer told of a job that waits; so long as it does, there is nothing new at first sight.
            before = self._shown.get(job.id, gist if _is_as_told(receipt) else None)
            self._shown[job.id] = gist  # first: a message that is out of reach is not asked for again before there is more news
            if before != gist:
                await self._post.show_progress(receipt, steps=steps)

    async def _promised(self, job: Job) -> Job:
        """The job with a promise to call its member, once it takes long: written before it is told."""
        late = self._clock() - job.created_at >= _LONG_MS
        if job.ping_promised or not late or job.cancel_requested_at is not None:
            return job
        promised = await self._store.write(delivery.promise_ping, job.id)
        return replace(job, ping_promised=promised)


def steps_done(job: Job, usual_ms: int | None, now: int) -> int | None:
    """How much of the bar is full, in tenths: by the time under way against the usual time of one image (ms).

    Never all of it, since the job has not ended. `None`: there is no bar, because nothing has begun or no usual time is known.
    """
    if usual_ms is None or not _has_begun(job):
        return None
    shares = [_share(generation, max(usual_ms, 1), now) for generation in job.generations]
    return min(int(sum(shares) / len(shares) * BAR_STEPS), BAR_STEPS - 1)


def _share(generation: Generation, usual_ms: int, now: int) -> float:
    if generation.state in ENDED:
        return 1.0
    if generation.state is GenerationState.WAITING or generation.submitted_at is None:
        return 0.0
    return min((now - generation.submitted_at) / usual_ms, 1.0)


def _has_begun(job: Job) -> bool:
    return any(generation.state is not GenerationState.WAITING for generation in job.generations)


def _has_message(job: Job) -> bool:
    """What was asked for by a reaction is answered once it is there, and has nothing to show before."""
    return job.place.message_id is not None or job.place.token is not None


def _is_as_told(receipt: Receipt) -> bool:
    job = receipt.job
    return not (_has_begun(job) or job.ping_promised or job.cancel_requested_at is not None or receipt.outage or job.check_is_late)


def _gist(receipt: Receipt, steps: int | None) -> Hashable:
    """Everything that the message says and that may change. Once a call is promised the rest of it rests."""
    job = receipt.job
    begun = _has_begun(job)
    standing = (job.cancel_requested_at is not None, receipt.outage, begun, job.ping_promised, job.check_is_late)
    return standing if job.ping_promised else (*standing, None if begun else receipt.ahead, len(job.open), steps)
