"""Keeps the waiting messages of open jobs true."""

from __future__ import annotations

import asyncio

import structlog

from bot.errors import EaselError
from bot.jobs.deliver import Post
from bot.jobs.job import Job, JobState
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
                await self._show(job.id)

    async def _show(self, job_id: str) -> None:
        async with self._locks.of(job_id):
            try:
                job = await self._studio.job(job_id)
                if job.state is not JobState.OPEN:
                    return
                receipt = await self._studio.waiting_for(job)
                # The first sight of a job is what its member was told already.
                if self._shown.setdefault(job.id, _gist(job, receipt.ahead)) != _gist(job, receipt.ahead):
                    self._shown[job.id] = _gist(job, receipt.ahead)
                    await self._post.show_progress(receipt)
            except EaselError as error:
                log.info("progress not shown", job=job_id, reason=error.sentence)


def _gist(job: Job, ahead: int) -> object:
    return ahead, tuple(generation.state for generation in job.generations), job.cancel_requested_at is not None
