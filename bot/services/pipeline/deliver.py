"""Delivery: fetch and screen a job's images, show them by a route, and record that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
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
from bot.services.guilds import Guilds
from bot.services.members import Members
from bot.services.pipeline.results import FetchedResults, Results
from bot.services.pipeline.routes import PostedMessage, ResultMessage, Routes
from bot.services.pipeline.screening import Screened, Screening
from bot.store import jobs, outbox, steps
from bot.store.engine.base import Store
from bot.store.moderation import screening

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A screened message."""

    message: ResultMessage
    cause: Cause | None  # why moderators must review it


@dataclass(frozen=True, kw_only=True)
class Deliver:
    """The outbox's handler of deliveries."""

    store: Store
    results: Results
    screening: Screening
    guilds: Guilds
    members: Members
    routes: Routes
    keep_images: bool  # keep images that an API returned inline for a while after delivery
    locks: KeyedLocks  # by job id: one task at a time edits a job's message
    timing: Timing
    clock: Clock

    async def handle(self, _item: OutboxItem, job: Job | None) -> bool:
        """Show the job. True if that was recorded, which also removes the item."""
        if job is None or job.state not in (JobState.DELIVERABLE, JobState.STRANDED):
            return False
        try:
            async with self._ready(job) as ready, self.locks.of(job.id):
                return await self._record(ready, await self.routes.show(ready.message))
        except RouteClosed as error:
            log.warning("job stranded: all routes closed", job=job.id, reason=error.sentence)
            await self.store.write(outbox.strand, job.id)
            raise TryLater(error.sentence, retry_after_s=self.timing.stranded_s) from error  # a route may open later

    async def _record(self, ready: _Ready, posted: PostedMessage | None) -> bool:
        """Record the delivery, with its outbox items, in one transaction. False if it was recorded or the job was deleted before."""
        message, now = ready.message, self.clock()
        job = message.job
        preferences = await self.members.preferences(job.place.user_id)
        direct = posted.direct if posted else None
        follows = after_delivery(job, has_images=bool(message.images), direct=direct, tell=preferences.tell_when_done, now=now)
        recorded = await self.store.write(
            screening.mark_delivered,
            job.id,
            question=_question(ready, posted),
            channel_id=posted.channel_id if posted else None,
            message_id=posted.message_id if posted else None,
            direct=bool(direct),
            follows=(*follows, *await self._log_items(job, now)),
            keep_images=self.keep_images,
            now=now,
        )
        if not recorded:
            await self._take_back(job, posted)
            return False
        log.info("job delivered", job=job.id, images=len(message.images))
        return True

    async def _log_items(self, job: Job, now: int) -> Sequence[OutboxItem]:
        """The log post, if the guild has a log channel and the job was not cancelled."""
        policy = (await self.guilds.settings(_guild_of(job))).policy
        if policy.log_channel_id is None or all(g.state is GenerationState.CANCELLED for g in job.generations):
            return ()
        return [OutboxItem(kind=ItemKind.LOG, due_at=now, data={"job_id": job.id})]

    async def _take_back(self, job: Job, posted: PostedMessage | None) -> None:
        """Remove the message again if the job was deleted while it was being posted."""
        kept = await self.store.read(jobs.get, job.id)
        if posted is None or (kept is not None and kept.state is not JobState.DELETED):
            return
        where = {"channel_id": posted.channel_id, "message_id": posted.message_id}
        removal = OutboxItem(kind=ItemKind.REMOVE, due_at=self.clock(), job_id=job.id, data=where)
        await self.store.write(outbox.add, removal)

    @asynccontextmanager
    async def _ready(self, job: Job) -> AsyncIterator[_Ready]:
        """The job's message: usable images, and notes about unusable ones. The image files exist until the context exits."""
        async with self.results.fetched(job) as fetched:
            for n, error in fetched.unusable.items():
                await self._spoil(job, n, error)
            screened = await self.screening.results(job, fetched.images)
            job = _as_shown(job, fetched, screened, self.clock())
            template = _("Picture {number} could not be used ({reason}). Its price was given back.")
            unusable = [g for g in job.succeeded if g.error is not None]
            notes = tuple(template.format(number=g.n + 1, reason=(g.error or "").rstrip(".")) for g in unusable)
            message = ResultMessage(job=job, images=screened.images, notes=notes)
            yield _Ready(message=message, cause=_review_cause(message, screened))

    async def _spoil(self, job: Job, n: int, error: ImageError) -> None:
        log.warning("unusable result", job=job.id, n=n, reason=error.sentence)
        await self.store.write(steps.spoil, job.id, n, error.sentence, self.clock())


def after_delivery(job: Job, *, has_images: bool, direct: bool | None, tell: bool, now: int) -> Iterator[OutboxItem]:
    """The outbox items that follow a delivery. `job`: as before the delivery; `has_images`: at least one was shown.

    `direct`: it was shown by direct message, which notifies the member by itself (`None`: it was not shown at all).
    `tell`: the member wants a direct message for every finished job.
    """
    place = job.place
    common: dict[str, Any] = {"due_at": now, "user_id": place.user_id, "job_id": job.id}
    taken_back = job.cancel_requested_at is not None and not has_images
    if job.reaction is not None and place.reply_to is not None:
        made = None if taken_back else has_images
        yield OutboxItem(kind=ItemKind.MARK, **common, data={"channel_id": place.channel_id, "message_id": place.reply_to, "made": made})
    if direct is not False or taken_back:
        return
    if job.ping_promised:
        living = place.private and place.token_lives(now)
        yield OutboxItem(
            kind=ItemKind.PING, **common, data={"token": place.token, "application_id": place.application_id} if living else {}
        )
    if tell and not (job.ping_promised and place.private):  # for a private image both are direct messages
        yield OutboxItem(kind=ItemKind.TELL, **common)


def _as_shown(job: Job, fetched: FetchedResults, screened: Screened, now: int) -> Job:
    """The job with the failures of this attempt, which the store has already."""
    unusable = {n: (error.sentence, Failure.UNUSABLE) for n, error in fetched.unusable.items()}
    unusable |= {n: (sentence, Failure.CONTENT) for n, sentence in screened.withheld.items()}

    def known(g: Generation) -> Generation:
        error, failure = unusable.get(g.n, (g.error, g.failure))
        return replace(g, error=error, failure=failure, refunded_at=now if g.n in unusable else g.refunded_at)

    spoiler, flagged = job.spoiler or screened.spoiler, job.flagged or screened.flagged
    return replace(job, generations=tuple(map(known, job.generations)), spoiler=spoiler, flagged=flagged)


def _review_cause(message: ResultMessage, screened: Screened) -> Cause | None:
    """Why moderators must review the job: a withheld or flagged result (also of an earlier attempt), or a flagged prompt with images."""
    withheld = any(g.failure is Failure.CONTENT for g in message.job.succeeded)
    if withheld or screened.flagged is not None:
        return Cause.RESULT
    return Cause.PROMPT if message.job.flagged is not None and message.images else None


def _question(ready: _Ready, posted: PostedMessage | None) -> screening.Question | None:
    """The case to open, without the message if only the member can see it."""
    job, guild_id = ready.message.job, _guild_of(ready.message.job)
    if ready.cause is None or guild_id is None:
        return None
    where = None if posted is None or job.place.private else posted
    return screening.Question(
        cause=ready.cause,
        guild_id=guild_id,
        channel_id=where.channel_id if where else job.place.channel_id,
        message_id=where.message_id if where else None,
    )


def _guild_of(job: Job) -> int | None:
    """The guild of the order. `job.place` may change with the delivery."""
    return job.generations[0].guild_id
