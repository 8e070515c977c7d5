"""Shows what became of each job: takes the outbox, and edits the job's own message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from bot import i18n
from bot.clock import Clock
from bot.errors import DeliveryError, PictureError, ProviderError, RouteClosed
from bot.i18n import _
from bot.images import pictures
from bot.jobs.errands import Errands, after_delivery
from bot.jobs.job import Job, JobState
from bot.jobs.pace import Bells, Crew, Locks, Pace
from bot.jobs.results import Picture, Results
from bot.jobs.showing import Answer, Posted, Showing
from bot.jobs.studio import Studio
from bot.metrics import DELIVERIES
from bot.store import documents, jobs, outbox
from bot.store.engine import Store
from bot.store.errands import ErrandKind

log = structlog.get_logger(__name__)

_AT_A_TIME = 4  # jobs: a picture is tens of MB while it is inspected
_TRIED_FOR_MS = 7 * 86_400_000  # how long a way to show a job is looked for
_NEVER_MS = 100 * 365 * 86_400_000  # from then on only its member's own doing shows it


class Deliver:
    """The outbox's loop and crew."""

    def __init__(
        self,
        *,
        store: Store,
        results: Results,
        showing: Showing,
        studio: Studio,
        errands: Errands,
        keep_pictures: bool,
        bells: Bells,
        locks: Locks,
        pace: Pace,
        clock: Clock,
    ) -> None:
        """`keep_pictures`: what an image API handed over inline is kept for a while after it was shown."""
        self._store = store
        self._results = results
        self._studio = studio
        self._showing = showing
        self._errands = errands
        self._keep_pictures = keep_pictures
        self._bells = bells
        self._locks = locks  # one hand at a time on a job's message
        self._pace = pace
        self._clock = clock
        self._crew = Crew("deliver", size=_AT_A_TIME)

    async def run(self, *, grace_s: float) -> None:
        """Until cancelled; what is being shown then is given `grace_s` to finish."""
        try:
            while True:
                now = self._clock()
                await self.turn(now)
                # What is due already is at work or rings when its first answer is given: only later ones are waited for.
                due = await self._store.read(outbox.next_due, now)
                pause_s = self._pace.slow_s if due is None else (due - self._clock()) / 1000
                await self._bells.deliver.heard(timeout_s=min(max(pause_s, 0), self._pace.slow_s))
        finally:
            await self._crew.finish(grace_s)

    async def turn(self, now: int) -> None:
        """One look at the outbox."""
        for job in await self._store.read(outbox.due, now):
            if not self._studio.being_answered(job.id):
                self._crew.put_to_work(job.id, self._take(job.id))

    async def _take(self, job_id: str) -> None:
        """Read it anew: while it waited for a place its first answer may have arrived, or somebody else shown it."""
        job = await self._store.read(jobs.get, job_id)
        if job is not None and job.state in (JobState.DELIVERABLE, JobState.STRANDED):
            await self._deliver(job)

    async def _deliver(self, job: Job) -> None:
        try:
            with i18n.speaking(job.place.locale):
                async with self._answer(job) as answer, self._locks.of(job.id):
                    await self._show(answer)
        except RouteClosed as error:
            await self._stranded(job, error)
        except (DeliveryError, ProviderError) as error:
            await self._try_later(job, error)
        except Exception:
            # Whatever it was, this job's turn comes again, later and later.
            await self._postpone(job, self._pace.backoff_s(job.attempts + 1, longest_s=self._pace.stranded_s))
            raise

    async def _show(self, answer: Answer) -> None:
        # Made meanwhile: between a message and its record nothing should take time.
        small = asyncio.create_task(_small_versions(answer.pictures), name=f"small versions of {answer.job.id}")
        try:
            posted = await self._showing.show(answer)
        finally:
            await asyncio.wait({small})  # it needs the files
        await self._record(answer, posted, small.result())

    async def _record(self, answer: Answer, posted: Posted | None, small: Mapping[int, bytes]) -> None:
        """Write down that it was shown, with everything that follows from it, in one transaction."""
        job, now = answer.job, self._clock()
        chosen = await self._store.read(documents.preferences, job.place.user_id)
        direct = posted.direct if posted else None
        follows = after_delivery(job, came=bool(answer.pictures), direct=direct, tell=chosen.tell_when_done, now=now)
        recorded = await self._store.write(
            outbox.delivered,
            job.id,
            channel_id=posted.channel_id if posted else None,
            message_id=posted.message_id if posted else None,
            small=small,
            promised=tuple(follows),
            keep_pictures=self._keep_pictures,
            now=now,
        )
        self._bells.deliver.ring()
        self._errands.ring()
        if not recorded:
            await self._take_back(job, posted)
            return
        DELIVERIES.labels("posted").inc()
        log.info("delivered", job=job.id, pictures=len(answer.pictures), attempts=job.attempts + 1)

    async def _take_back(self, job: Job, posted: Posted | None) -> None:
        """Somebody may have taken the job away in the moment before it was shown: then its message goes too."""
        kept = await self._store.read(jobs.get, job.id)
        if posted is None or (kept is not None and kept.state is not JobState.DELETED):
            return
        where = {"channel_id": posted.channel_id, "message_id": posted.message_id}
        await self._errands.leave(ErrandKind.REMOVE, due_at=self._clock(), job_id=job.id, data=where)

    async def _try_later(self, job: Job, error: DeliveryError | ProviderError) -> None:
        pause_s = getattr(error, "retry_after_s", None) or self._pace.backoff_s(job.attempts + 1)
        DELIVERIES.labels("postponed").inc()
        log.warning("delivery postponed", job=job.id, pause_s=round(pause_s, 1), reason=error.sentence)
        await self._postpone(job, pause_s)

    async def _stranded(self, job: Job, error: RouteClosed) -> None:
        """No way is open now. The picture stays; a way is looked for now and then."""
        DELIVERIES.labels("stranded").inc()
        log.warning("no way to show a job", job=job.id, reason=error.sentence)
        await self._postpone(job, self._pace.stranded_s, stranded=True)

    async def _postpone(self, job: Job, pause_s: float, *, stranded: bool = False) -> None:
        """Try again after `pause_s`, for a week."""
        now = self._clock()
        pause_ms = _NEVER_MS if now - job.created_at > _TRIED_FOR_MS else int(pause_s * 1000)
        await self._store.write(outbox.try_again, job.id, not_before=now + pause_ms, stranded=stranded)
        self._bells.deliver.ring()

    @asynccontextmanager
    async def _answer(self, job: Job) -> AsyncIterator[Answer]:
        """The pictures of the job, with a word on those that are none. Their files live as long as the context."""
        async with self._results.fetched(job) as fetched:
            for n, error in fetched.unusable.items():
                await self._spoil(job, n, error)
            unusable = {g.n: g.error for g in job.succeeded if g.error is not None}  # since an earlier attempt
            unusable |= {n: error.sentence for n, error in fetched.unusable.items()}
            told = _("Picture {number} could not be used ({reason}). Its price was given back.")
            notes = tuple(told.format(number=n + 1, reason=why.rstrip(".")) for n, why in sorted(unusable.items()))
            parts = tuple(replace(g, error=unusable.get(g.n, g.error)) for g in job.generations)
            yield Answer(job=replace(job, generations=parts), pictures=fetched.pictures, notes=notes)

    async def _spoil(self, job: Job, n: int, error: PictureError) -> None:
        log.warning("unusable result", job=job.id, n=n, reason=error.sentence)
        await self._store.write(jobs.spoil, job.id, n, error.sentence, self._clock())


async def _small_versions(shown: Sequence[Picture]) -> dict[int, bytes]:
    """Thumbnails (WebP), by their place in the job."""
    made = {}
    for picture in shown:
        try:
            made[picture.n] = await asyncio.to_thread(pictures.thumbnail, picture.path)
        except PictureError as error:
            log.warning("no small version", picture=picture.filename, reason=error.sentence)
    return made
