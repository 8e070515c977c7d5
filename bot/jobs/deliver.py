"""Shows what became of each job: takes the outbox, looks at what was made, and edits the job's own message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from bot import i18n
from bot.clock import Clock
from bot.errors import DeliveryError, PictureError, ProviderError, RouteClosed
from bot.i18n import _
from bot.images import pictures
from bot.jobs.errands import after_delivery
from bot.jobs.job import Failure, Generation, GenerationState, Job, JobState
from bot.jobs.pace import Crew, Locks, Pace
from bot.jobs.results import Fetched, Picture, Results
from bot.jobs.screening import Screened, Screening
from bot.jobs.servers import Servers
from bot.jobs.showing import Answer, Posted, Showing
from bot.metrics import DELIVERIES
from bot.store import documents, errands, jobs, outbox, screening
from bot.store.cases import Cause
from bot.store.engine import Store, Topic
from bot.store.errands import Errand, ErrandKind

log = structlog.get_logger(__name__)

_AT_A_TIME = 4  # jobs: a picture is tens of MB while it is inspected
_TRIED_FOR_MS = 7 * 86_400_000  # how long a way to show a job is looked for
_NEVER_MS = 100 * 365 * 86_400_000  # from then on only its member's own doing shows it


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """An answer that may be shown."""

    answer: Answer
    doubt: Cause | None  # why moderators are to look at it


class Deliver:
    """The outbox's loop and crew."""

    def __init__(
        self,
        *,
        store: Store,
        results: Results,
        screening: Screening,
        servers: Servers,
        showing: Showing,
        keep_pictures: bool,
        locks: Locks,
        pace: Pace,
        clock: Clock,
    ) -> None:
        """`keep_pictures`: what an image API handed over inline is kept for a while after it was shown."""
        self._store = store
        self._results = results
        self._screening = screening
        self._servers = servers
        self._showing = showing
        self._keep_pictures = keep_pictures
        self._locks = locks  # one hand at a time on a job's message
        self._pace = pace
        self._clock = clock
        self._outbox = store.subscribe(Topic.OUTBOX)
        self._crew = Crew("deliver", size=_AT_A_TIME, on_end=self._outbox.wake)

    async def run(self, *, grace_s: float) -> None:
        """Until cancelled; what is being shown then is given `grace_s` to finish."""
        try:
            while True:
                now = self._clock()
                await self.turn(now)
                # What is due already is at work: only later ones are waited for.
                due = await self._store.read(outbox.next_due, now)
                pause_s = self._pace.slow_s if due is None else (due - self._clock()) / 1000
                await self._outbox.wait(timeout_s=min(max(pause_s, 0), self._pace.slow_s))
        finally:
            await self._crew.finish(grace_s)

    async def turn(self, now: int) -> None:
        """One look at the outbox."""
        for job in await self._store.read(outbox.due, now):
            self._crew.put_to_work(job.id, self._take(job.id))

    async def _take(self, job_id: str) -> None:
        """Read it anew: while it waited for a place its first answer may have arrived, or somebody else shown it."""
        job = await self._store.read(jobs.get, job_id)
        if job is not None and job.state in (JobState.DELIVERABLE, JobState.STRANDED):
            await self._deliver(job)

    async def _deliver(self, job: Job) -> None:
        try:
            with i18n.speaking(job.place.locale):
                async with self._ready(job) as ready, self._locks.of(job.id):
                    await self._show(ready)
        except RouteClosed as error:
            await self._stranded(job, error)
        except (DeliveryError, ProviderError) as error:
            await self._try_later(job, error)
        except Exception:
            # Whatever it was, this job's turn comes again, later and later.
            await self._postpone(job, self._pace.backoff_s(job.attempts + 1, longest_s=self._pace.stranded_s))
            raise

    async def _show(self, ready: _Ready) -> None:
        answer = ready.answer
        # Made meanwhile: between a message and its record nothing should take time.
        small = asyncio.create_task(_small_versions(answer.pictures), name=f"small versions of {answer.job.id}")
        try:
            posted = await self._showing.show(answer)
        finally:
            await asyncio.wait({small})  # it needs the files
        await self._record(ready, posted, small.result())

    async def _record(self, ready: _Ready, posted: Posted | None, small: Mapping[int, bytes]) -> None:
        """Write down that it was shown, with everything that follows from it, in one transaction."""
        answer, now = ready.answer, self._clock()
        job = answer.job
        chosen = await self._store.read(documents.preferences, job.place.user_id)
        direct = posted.direct if posted else None
        follows = after_delivery(job, came=bool(answer.pictures), direct=direct, tell=chosen.tell_when_done, now=now)
        recorded = await self._store.write(
            screening.delivered,
            job.id,
            question=_question(ready, posted),
            channel_id=posted.channel_id if posted else None,
            message_id=posted.message_id if posted else None,
            direct=bool(direct),
            small=small,
            promised=(*follows, *await self._logged(job, now)),
            keep_pictures=self._keep_pictures,
            now=now,
        )
        if not recorded:
            await self._take_back(job, posted)
            return
        DELIVERIES.labels("posted").inc()
        log.info("delivered", job=job.id, pictures=len(answer.pictures), attempts=job.attempts + 1)

    async def _logged(self, job: Job, now: int) -> Sequence[Errand]:
        """What was made, or failed, is told of in the server's log channel, where it has one."""
        policy = (await self._servers.settings(_guild_of(job))).policy
        if policy.log_channel_id is None or all(g.state is GenerationState.CANCELLED for g in job.generations):
            return ()
        return [Errand(kind=ErrandKind.LOG, due_at=now, data={"job_id": job.id})]

    async def _take_back(self, job: Job, posted: Posted | None) -> None:
        """Somebody may have taken the job away in the moment before it was shown: then its message goes too."""
        kept = await self._store.read(jobs.get, job.id)
        if posted is None or (kept is not None and kept.state is not JobState.DELETED):
            return
        where = {"channel_id": posted.channel_id, "message_id": posted.message_id}
        removal = Errand(kind=ErrandKind.REMOVE, due_at=self._clock(), job_id=job.id, data=where)
        await self._store.write(errands.add, removal)

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

    @asynccontextmanager
    async def _ready(self, job: Job) -> AsyncIterator[_Ready]:
        """The pictures of the job, with a word on those that are not shown. Their files live as long as the context."""
        async with self._results.fetched(job) as fetched:
            for n, error in fetched.unusable.items():
                await self._spoil(job, n, error)
            screened = await self._screening.results(job, fetched.pictures)
            job = _as_shown(job, fetched, screened, self._clock())
            told = _("Picture {number} could not be used ({reason}). Its price was given back.")
            unusable = [g for g in job.succeeded if g.error is not None]
            notes = tuple(told.format(number=g.n + 1, reason=(g.error or "").rstrip(".")) for g in unusable)
            answer = Answer(job=job, pictures=screened.pictures, notes=notes)
            yield _Ready(answer=answer, doubt=_doubt(answer, screened))

    async def _spoil(self, job: Job, n: int, error: PictureError) -> None:
        log.warning("unusable result", job=job.id, n=n, reason=error.sentence)
        await self._store.write(jobs.spoil, job.id, n, error.sentence, self._clock())


def _as_shown(job: Job, fetched: Fetched, screened: Screened, now: int) -> Job:
    """The job with what was found out about its pictures just now; all of it is written down already."""
    unusable = {n: (error.sentence, Failure.UNUSABLE) for n, error in fetched.unusable.items()}
    unusable |= {n: (sentence, Failure.CONTENT) for n, sentence in screened.withheld.items()}

    def known(g: Generation) -> Generation:
        error, failure = unusable.get(g.n, (g.error, g.failure))
        return replace(g, error=error, failure=failure, refunded_at=now if g.n in unusable else g.refunded_at)

    spoiler, flagged = job.spoiler or screened.spoiler, job.flagged or screened.flagged
    return replace(job, generations=tuple(map(known, job.generations)), spoiler=spoiler, flagged=flagged)


def _doubt(answer: Answer, screened: Screened) -> Cause | None:
    """A result that a check did not like, be it withheld since an earlier attempt; else a prompt, if anything was made of it."""
    withheld = any(g.failure is Failure.CONTENT for g in answer.job.succeeded)
    if withheld or screened.flagged is not None:
        return Cause.RESULT
    return Cause.PROMPT if answer.job.flagged is not None and answer.pictures else None


def _question(ready: _Ready, posted: Posted | None) -> screening.Question | None:
    """What moderators are asked. A message that only its member sees is of no use to them."""
    job, guild_id = ready.answer.job, _guild_of(ready.answer.job)
    if ready.doubt is None or guild_id is None:
        return None
    where = None if posted is None or job.place.private else posted
    return screening.Question(
        cause=ready.doubt,
        guild_id=guild_id,
        channel_id=where.channel_id if where else job.place.channel_id,
        message_id=where.message_id if where else None,
    )


def _guild_of(job: Job) -> int | None:
    """Where it was asked for, which stays, wherever it was delivered to."""
    return job.generations[0].guild_id


async def _small_versions(shown: Sequence[Picture]) -> dict[int, bytes]:
    """Thumbnails (WebP), by their place in the job."""
    made = {}
    for picture in shown:
        try:
            made[picture.n] = await asyncio.to_thread(pictures.thumbnail, picture.path)
        except PictureError as error:
            log.warning("no small version", picture=picture.filename, reason=error.sentence)
    return made
