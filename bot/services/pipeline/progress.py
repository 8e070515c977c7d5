"""Keeps the waiting messages of open jobs up to date."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from itertools import islice

import structlog

from bot.core import i18n
from bot.core.clock import Clock
from bot.core.errors import EaselError
from bot.core.running.coordination import SharedLocks
from bot.core.running.loops import Timing
from bot.core.running.supervision import pause
from bot.domain.job import ENDED, Generation, GenerationState, Job, JobState
from bot.domain.order import Receipt
from bot.domain.queueing.forecast import whole_seconds
from bot.services.orders import Orders
from bot.services.pipeline.delivery.routes import BAR_STEPS, Post
from bot.store import delivery, jobs
from bot.store.engine.base import Store, Topic
from bot.store.rows import jobs_by_id

log = structlog.get_logger(__name__)

_LONG_MS = 120_000  # after this time the message promises a ping
_LATE_MS = 5_000  # after this time the message of a finished image says that it is on its way
_AT_A_TIME = 50  # jobs in one turn
_WAITING = (JobState.OPEN, JobState.DELIVERABLE)
_PAGE = 500
_WRITTEN_LATE_MS = 10_000  # longest time from an order to its record


class Progress:
    """A loop that edits a waiting message when its content has changed, and never after its result was shown.

    It checks a bounded number of jobs at a time, the longest unchecked first, so a long queue costs no more than a short one. Each job is
    in the care of one process.
    """

    def __init__(self, *, store: Store, orders: Orders, post: Post, locks: SharedLocks, timing: Timing, clock: Clock) -> None:
        self._store = store
        self._orders = orders
        self._post = post
        self._locks = locks
        self._timing = timing
        self._clock = clock
        # The open jobs, the longest unchecked first, with a fingerprint of what their message shows (None: not known).
        self._shown: OrderedDict[str, Hashable | None] = OrderedDict()
        self._steps: dict[str, int] = {}  # the most that each bar has shown: it never goes back
        self._newest = 0  # Unix ms: when the newest of them was ordered
        self._adopted = store.subscribe(Topic.ADOPTED)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self.turn()
            await pause(self._timing.progress_s)

    def follow(self, job_id: str) -> None:
        """The images of this finished job could not be fetched: its message must say so."""
        self._shown.setdefault(job_id, None)

    async def turn(self) -> None:
        """Check the jobs that were not checked for the longest time."""
        await self._add_new()
        checked = list(islice(self._shown, _AT_A_TIME))
        jobs_left = {job.id: job for job in await self._store.read(jobs_by_id, checked) if job.state in _WAITING}
        for job_id in checked:
            if job_id not in jobs_left:
                del self._shown[job_id]
                self._steps.pop(job_id, None)
                continue
            self._shown.move_to_end(job_id)
            if _has_message(jobs_left[job_id]) and jobs_left[job_id].answer_until <= self._clock():
                await self._try_to_show(jobs_left[job_id])

    async def _add_new(self) -> None:
        """Add the open jobs that this process took since the last turn. They may have been written in another order than ordered."""
        if await self._adopted.wait(timeout_s=0):
            self._newest = 0  # older ones were taken from a process that is gone
        after = (self._newest - _WRITTEN_LATE_MS, "")
        while page := await self._store.read(jobs.open_after, *after, owner=self._store.process_id, most=_PAGE):
            for job_id, created_at in page:
                self._shown.setdefault(job_id, None)
                self._newest, after = created_at, (created_at, job_id)
            if len(page) < _PAGE:
                break

    async def _try_to_show(self, job: Job) -> None:
        try:
            with i18n.speaking(job.place.locale):
                await self._show(job.id)
        except EaselError as error:
            log.info("progress update failed", job=job.id, reason=error.sentence)
        except Exception:  # one message must not block the others
            log.exception("progress update failed", job=job.id)

    async def _show(self, job_id: str) -> None:
        async with self._locks.of(job_id):
            job = await self._with_ping_promise(await self._orders.job(job_id))
            if job.state is not JobState.OPEN and not self._is_late(job):
                return
            receipt = await self._orders.waiting_for(job)
            steps = None if job.ping_promised else self._steps_done(receipt)
            fingerprint = _fingerprint(receipt, steps)
            shown = self._shown[job.id]
            self._shown[job.id] = fingerprint  # before the edit: an edit that fails is not repeated until the content changes again
            # The first response was for a waiting job; while the job waits, the message needs no edit.
            told = self._orders.first_told(job.id)
            if shown != fingerprint and not (shown is None and _matches_first_answer(receipt) and told in (None, receipt.position)):
                await self._post.show_progress(receipt, steps=steps)

    def _steps_done(self, receipt: Receipt) -> int | None:
        """As `steps_done`, and never fewer than before: a usual time may grow, and a lost image begins again."""
        job = receipt.job
        steps = steps_done(job, receipt.usual_ms, self._clock())
        if steps is not None:
            steps = self._steps[job.id] = max(steps, self._steps.get(job.id, 0))
        return steps

    async def _with_ping_promise(self, job: Job) -> Job:
        """The job, with a promised ping once it takes long. The promise is recorded before it is shown."""
        late = self._clock() - job.created_at >= _LONG_MS
        if job.ping_promised or not late or job.cancel_requested_at is not None or job.state is not JobState.OPEN:
            return job
        is_promised = await self._store.write(delivery.promise_ping, job.id)
        return replace(job, ping_promised=is_promised)

    def _is_late(self, job: Job) -> bool:
        """Whether the job is finished, and its images could not be fetched for a while."""
        ended_at = max(generation.ended_at or 0 for generation in job.generations)
        return job.state is JobState.DELIVERABLE and bool(job.succeeded) and self._clock() - ended_at >= _LATE_MS


def steps_done(job: Job, usual_ms: int | None, now: int) -> int | None:
    """The filled steps of the progress bar (of `BAR_STEPS`): elapsed time relative to the usual time of one image (ms).

    Never all of them, since the job has not ended. `None`: no bar, because nothing has begun or no usual time is known.
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
    """False for a job of a reaction: it has no message before it is delivered."""
    return job.place.message_id is not None or job.place.token is not None


def _matches_first_answer(receipt: Receipt) -> bool:
    job = receipt.job
    return not (_has_begun(job) or job.ping_promised or job.cancel_requested_at is not None or receipt.outage or job.check_is_late)


def _fingerprint(receipt: Receipt, steps: int | None) -> Hashable:
    """Everything in the message that may change. After a ping is promised, queue position and progress are not updated."""
    job = receipt.job
    begun = _has_begun(job)
    status = (job.state, job.cancel_requested_at is not None, receipt.outage, begun, job.ping_promised, job.check_is_late)
    if job.ping_promised:
        return status
    # With a bar, the time is renewed with its steps.
    place = None if begun else (receipt.position, whole_seconds(receipt.left_ms or 0))
    return (*status, place, len(job.open), steps, receipt.is_slow, bool(receipt.left_ms))
