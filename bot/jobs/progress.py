"""Keeps the waiting messages of open jobs true."""

from __future__ import annotations

import asyncio

import structlog

from bot.errors import EaselError
from bot.jobs.deliver import Post
from bot.jobs.job import GenerationState, Job, JobState
from bot.jobs.order import Receipt
from bot.jobs.pace import Locks, Pace
from bot.jobs.studio import Studio
from bot.store import jobs
from bot.store.engine import Store

log = structlog.get_logger(__name__)


class Progress:
    """A beat that edits a waiting message when its gist has changed, and never after the job has ended."""

    def __init__(self, *, store: Store, studio: Studio, post: Post, locks: Locks, pace: Pace) -> None:
        self._store = store
        self._studio = studio
        self._post = post
        self._locks = locks
        self._pace = pace
        self._shown: dict[str, object] = {}  # the gist of each open job's message

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.turn()
            await asyncio.sleep(self._pace.progress_s)

    async def turn(self) -> None:
        """One look at all open jobs."""
        open_jobs = await self._store.read(jobs.in_state, JobState.OPEN)
        self._shown = {job.id: self._shown[job.id] for job in open_jobs if job.id in self._shown}
        for job in open_jobs:
            if not self._studio.being_answered(job.id):
                await self._try_to_show(job.id)

    async def _try_to_show(self, job_id: str) -> None:
        try:
            await self._show(job_id)
        except EaselError as error:
            log.info("progress not shown", job=job_id, reason=error.sentence)
        except Exception:  # the named loop of every waiting message: one must not keep the others from being true
            log.exception("progress not shown", job=job_id)

    async def _show(self, job_id: str) -> None:
        async with self._locks.of(job_id):
            job = await self._studio.job(job_id)
            if job.state is not JobState.OPEN:
                return
            receipt = await self._studio.waiting_for(job)
            gist = _gist(job, receipt)
            # The first answer told of a job that waits; so long as it does, there is nothing new at first sight.
            before = self._shown.get(job.id, gist if _only_waits(job) and receipt.away is None else None)
            self._shown[job.id] = gist  # first: a message that is out of reach is not asked for again before there is more news
            if before != gist:
                await self._post.show_progress(receipt)


def _only_waits(job: Job) -> bool:
    return job.cancel_requested_at is None and all(g.state is GenerationState.WAITING for g in job.generations)


def _gist(job: Job, receipt: Receipt) -> object:
    steps = tuple((generation.state, generation.model) for generation in job.generations)
    return receipt.ahead, receipt.away, steps, job.cancel_requested_at is not None
