"""Shows what became of a job: looks at what was made, and edits the job's own message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.core.errors import ImageError, RouteClosed, TryLater
from bot.core.i18n import _
from bot.core.loops import KeyedLocks, Timing
from bot.domain.job import Failure, Generation, GenerationState, Job, JobState
from bot.domain.moderation.cases import Cause
from bot.domain.outbox import ItemKind, OutboxItem
from bot.media import codec
from bot.services.guilds import Guilds
from bot.services.pipeline.results import FetchedResults, ResultImage, Results
from bot.services.pipeline.routes import PostedMessage, ResultMessage, Routes
from bot.services.pipeline.screening import Screened, Screening
from bot.store import documents, jobs, outbox
from bot.store.engine.base import Store
from bot.store.moderation import screening

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """An answer that may be shown."""

    answer: ResultMessage
    doubt: Cause | None  # why moderators are to look at it


@dataclass(frozen=True, kw_only=True)
class Deliver:
    """The outbox's handler of deliveries."""

    store: Store
    results: Results
    screening: Screening
    guilds: Guilds
    routes: Routes
    keep_images: bool  # what an image API handed over inline is kept for a while after it was shown
    locks: KeyedLocks  # one task at a time edits a job's message
    timing: Timing
    clock: Clock

    async def carry_out(self, _item: OutboxItem, job: Job | None) -> bool:
        """Show the job. True once that is recorded, which removes the item as well."""
        if job is None or job.state not in (JobState.DELIVERABLE, JobState.STRANDED):
            return False
        try:
            async with self._ready(job) as ready, self.locks.of(job.id):
                return await self._show(ready)
        except RouteClosed as error:
            log.warning("no way to show a job", job=job.id, reason=error.sentence)
            await self.store.write(outbox.strand, job.id)
            raise TryLater(error.sentence, retry_after_s=self.timing.stranded_s) from error  # one may open

    async def _show(self, ready: _Ready) -> bool:
        answer = ready.answer
        # Made meanwhile: between a message and its record nothing should take time.
        small = asyncio.create_task(_small_versions(answer.images), name=f"small versions of {answer.job.id}")
        try:
            posted = await self.routes.show(answer)
        finally:
            await asyncio.wait({small})  # it needs the files
        return await self._record(ready, posted, small.result())

    async def _record(self, ready: _Ready, posted: PostedMessage | None, small: Mapping[int, bytes]) -> bool:
        """Write down that it was shown, with everything that follows from it, in one transaction. False where it was so before."""
        answer, now = ready.answer, self.clock()
        job = answer.job
        chosen = await self.store.read(documents.preferences, job.place.user_id)
        direct = posted.direct if posted else None
        follows = after_delivery(job, came=bool(answer.images), direct=direct, tell=chosen.tell_when_done, now=now)
        recorded = await self.store.write(
            screening.mark_delivered,
            job.id,
            question=_question(ready, posted),
            channel_id=posted.channel_id if posted else None,
            message_id=posted.message_id if posted else None,
            direct=bool(direct),
            small=small,
            follows=(*follows, *await self._logged(job, now)),
            keep_images=self.keep_images,
            now=now,
        )
        if not recorded:
            await self._take_back(job, posted)
            return False
        log.info("delivered", job=job.id, images=len(answer.images))
        return True

    async def _logged(self, job: Job, now: int) -> Sequence[OutboxItem]:
        """What was made, or failed, is told of in the server's log channel, where it has one."""
        policy = (await self.guilds.settings(_guild_of(job))).policy
        if policy.log_channel_id is None or all(g.state is GenerationState.CANCELLED for g in job.generations):
            return ()
        return [OutboxItem(kind=ItemKind.LOG, due_at=now, data={"job_id": job.id})]

    async def _take_back(self, job: Job, posted: PostedMessage | None) -> None:
        """Somebody may have taken the job away in the moment before it was shown: then its message goes too."""
        kept = await self.store.read(jobs.get, job.id)
        if posted is None or (kept is not None and kept.state is not JobState.DELETED):
            return
        where = {"channel_id": posted.channel_id, "message_id": posted.message_id}
        removal = OutboxItem(kind=ItemKind.REMOVE, due_at=self.clock(), job_id=job.id, data=where)
        await self.store.write(outbox.add, removal)

    @asynccontextmanager
    async def _ready(self, job: Job) -> AsyncIterator[_Ready]:
        """The images of the job, with a word on those that are not shown. Their files live as long as the context."""
        async with self.results.fetched(job) as fetched:
            for n, error in fetched.unusable.items():
                await self._spoil(job, n, error)
            screened = await self.screening.results(job, fetched.images)
            job = _as_shown(job, fetched, screened, self.clock())
            told = _("Picture {number} could not be used ({reason}). Its price was given back.")
            unusable = [g for g in job.succeeded if g.error is not None]
            notes = tuple(told.format(number=g.n + 1, reason=(g.error or "").rstrip(".")) for g in unusable)
            answer = ResultMessage(job=job, images=screened.images, notes=notes)
            yield _Ready(answer=answer, doubt=_doubt(answer, screened))

    async def _spoil(self, job: Job, n: int, error: ImageError) -> None:
        log.warning("unusable result", job=job.id, n=n, reason=error.sentence)
        await self.store.write(jobs.spoil, job.id, n, error.sentence, self.clock())


def after_delivery(job: Job, *, came: bool, direct: bool | None, tell: bool, now: int) -> Iterator[OutboxItem]:
    """What a delivery leaves to be done. `job` is as it was before, `came` whether it has images.

    `direct` tells whether it was shown by direct message, which calls its member by itself (`None`: it was not shown at all);
    `tell` is its member's own wish for one.
    """
    place = job.place
    common: dict[str, Any] = {"due_at": now, "user_id": place.user_id, "job_id": job.id}
    taken_back = job.cancel_requested_at is not None and not came
    if job.reaction is not None and place.reply_to is not None:
        made = None if taken_back else came
        yield OutboxItem(kind=ItemKind.MARK, **common, data={"channel_id": place.channel_id, "message_id": place.reply_to, "made": made})
    if direct is not False or taken_back:
        return
    if job.ping_promised:
        living = place.private and place.token_lives(now)
        yield OutboxItem(
            kind=ItemKind.PING, **common, data={"token": place.token, "application_id": place.application_id} if living else {}
        )
    if tell and not (job.ping_promised and place.private):  # to a private image both call by direct message
        yield OutboxItem(kind=ItemKind.TELL, **common)


def _as_shown(job: Job, fetched: FetchedResults, screened: Screened, now: int) -> Job:
    """The job with what was found out about its images just now; all of it is written down already."""
    unusable = {n: (error.sentence, Failure.UNUSABLE) for n, error in fetched.unusable.items()}
    unusable |= {n: (sentence, Failure.CONTENT) for n, sentence in screened.withheld.items()}

    def known(g: Generation) -> Generation:
        error, failure = unusable.get(g.n, (g.error, g.failure))
        return replace(g, error=error, failure=failure, refunded_at=now if g.n in unusable else g.refunded_at)

    spoiler, flagged = job.spoiler or screened.spoiler, job.flagged or screened.flagged
    return replace(job, generations=tuple(map(known, job.generations)), spoiler=spoiler, flagged=flagged)


def _doubt(answer: ResultMessage, screened: Screened) -> Cause | None:
    """A result that a check did not like, be it withheld since an earlier attempt; else a prompt, if anything was made of it."""
    withheld = any(g.failure is Failure.CONTENT for g in answer.job.succeeded)
    if withheld or screened.flagged is not None:
        return Cause.RESULT
    return Cause.PROMPT if answer.job.flagged is not None and answer.images else None


def _question(ready: _Ready, posted: PostedMessage | None) -> screening.Question | None:
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


async def _small_versions(shown: Sequence[ResultImage]) -> dict[int, bytes]:
    """Thumbnails (WebP), by their place in the job."""
    made = {}
    for image in shown:
        try:
            made[image.n] = await asyncio.to_thread(codec.thumbnail, image.path)
        except ImageError as error:
            log.warning("no small version", image=image.filename, reason=error.sentence)
    return made
