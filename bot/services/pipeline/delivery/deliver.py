"""Delivery: fetch and screen a job's images, show them by a route, and record that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.core.errors import MachineTrouble, MessageRefused, ProviderError, Refused, RouteClosed, TryLater
from bot.core.i18n import _
from bot.core.markdown import escaped
from bot.core.metrics import CREDITS, IMAGES, ORDER_SECONDS
from bot.core.running.coordination import SharedLocks
from bot.core.running.loops import Timing
from bot.domain.gestures import BatchEntry, Fate, ReactionBatch, normalized_emoji
from bot.domain.job import Failure, GenerationState, Job, JobState
from bot.domain.moderation.cases import Cause
from bot.domain.money.quota import MICRO
from bot.domain.outbox import ItemKind, OutboxItem
from bot.services.guilds import Guilds
from bot.services.members import Members
from bot.services.pipeline.delivery.refused import LINKED, REASONS, notes, versions, without
from bot.services.pipeline.delivery.results import Results, usable
from bot.services.pipeline.delivery.routes import PostedMessage, ResultMessage, Routes, UnusableImages
from bot.services.pipeline.progress import Progress
from bot.services.pipeline.screening import Screened, Screening
from bot.store import jobs, messages, outbox, steps
from bot.store.engine.base import Store
from bot.store.moderation import screening

_SIZE_TRIES = 3  # before it is believed that an image is too large at any size

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Deliver:
    """The outbox's handler of deliveries."""

    store: Store
    results: Results
    screening: Screening
    guilds: Guilds
    members: Members
    routes: Routes
    progress: Progress
    keep_images: bool  # keep images that an API returned inline for a while after delivery
    locks: SharedLocks  # by job id: one task at a time edits a job's message
    timing: Timing
    clock: Clock

    async def handle(self, item: OutboxItem, job: Job | None) -> bool:
        """Show the job. True if that was recorded, which also removes the item."""
        if job is None or job.state not in (JobState.DELIVERABLE, JobState.STRANDED):
            return False
        try:
            async with self._ready(job, item.trouble_at) as (message, cause), self.locks.of(job.id):
                return await self._record(*await self._shown(message, item.attempts), cause)
        except (ProviderError, MachineTrouble):
            self.progress.follow(job.id)
            raise
        except RouteClosed as error:
            if await self.routes.post.is_gone(job):
                return await self._give_up(job)
            log.warning("job stranded: all routes closed", job=job.id, reason=error.sentence)
            await self.store.write(outbox.strand, job.id)
            raise TryLater(error.sentence, retry_after_s=self.timing.stranded_s) from error  # a route may open later

    async def _shown(self, message: ResultMessage, attempts: int) -> tuple[ResultMessage, PostedMessage | None]:
        """Show the message, or what Discord accepts of it. Images that it refuses are refunded."""
        try:
            return await self._show(message)
        except MessageRefused as error:
            if error.reason is Refused.SIZE and attempts < _SIZE_TRIES:
                raise TryLater(error.sentence) from error
            reason = error.reason
        links = await self.routes.fitting.as_links(message.job, message.images, _(REASONS[reason])) if reason in LINKED else {}
        for version, left_out in versions(message, reason, links):
            if not version.shown:
                await self._spoil(message.job, left_out, _(REASONS[reason]))  # first: this ends the job in any case
            try:
                shown, posted = await self._show(version)
            except MessageRefused as error:
                log.info("result refused", job=message.job.id, left_out=len(left_out), reason=error.reason)
                continue
            await self._spoil(message.job, left_out, _(REASONS[reason]))
            return shown, posted
        await self._remove_waiting(message.job)
        return version, None

    async def _show(self, message: ResultMessage) -> tuple[ResultMessage, PostedMessage | None]:
        """Show the message without the images that can be shown in no way, which are refunded."""
        while True:
            try:
                return message, await self.routes.show(message)
            except UnusableImages as error:
                for n, sentence in error.reasons.items():
                    await self._spoil(message.job, [n], sentence)
                message = without(message, error.reasons)

    async def _spoil(self, job: Job, numbers: Collection[int], sentence: str) -> None:
        """Refund images that cannot be shown."""
        for n in numbers:
            await self.store.write(steps.spoil, job.id, n, sentence, self.clock())

    async def _remove_waiting(self, job: Job) -> None:
        """Discord refuses even the sentence, so at least nothing says that the job waits."""
        log.warning("no message about a job was accepted", job=job.id)
        if job.place.message_id is not None and not job.place.private:
            await self.store.write(messages.ask_to_remove, job.place.channel_id, job.place.message_id, self.clock())

    async def _give_up(self, job: Job) -> bool:
        """Refund a job that cannot be shown any more: its channel or server is gone, and its member accepts no DM."""
        sentence = _("It couldn't be delivered: its channel was deleted or the bot was removed, and you don't accept DMs.")
        await self._spoil(job, [generation.n for generation in job.succeeded], sentence)
        log.warning("job refunded: it has no place any more", job=job.id)
        recorded = await self.store.read(jobs.get, job.id)
        return await self._record(ResultMessage(job=recorded or job, images=(), notes=()), None, None)

    async def _record(self, message: ResultMessage, posted: PostedMessage | None, cause: Cause | None) -> bool:
        """Record the delivery, with its outbox items, in one transaction. False if it was recorded or the job was deleted before."""
        job, now = message.job, self.clock()
        preferences = await self.members.preferences(job.place.user_id)
        direct = posted.direct if posted else None
        follows = after_delivery(job, has_images=bool(message.shown), direct=direct, tell=preferences.tell_when_done, now=now)
        recorded = await self.store.write(
            screening.mark_delivered,
            job.id,
            question=_question(job, cause, posted),
            channel_id=posted.channel_id if posted else None,
            message_id=posted.message_id if posted else None,
            direct=bool(direct),
            follows=(*follows, *await self._log_items(job, now)),
            keep_images=self.keep_images or bool(job.withheld),  # moderators decide about those
            now=now,
        )
        if not recorded:
            await self._take_back(job, posted)
            return False
        log.info("job delivered", job=job.id, images=len(message.shown))
        _measure(message, now)
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
        await self.store.write(messages.ask_to_remove, posted.channel_id, posted.message_id, self.clock())

    @asynccontextmanager
    async def _ready(self, job: Job, trouble_at: int) -> AsyncIterator[tuple[ResultMessage, Cause | None]]:
        """The job's message, and why moderators must review it. The image files exist until the context exits."""
        async with self.results.fetched(job, trouble_at=trouble_at) as fetched:
            screened = await self.screening.results(job, fetched)
            if screened.flagged or len(screened.images) + len(screened.links) < len(usable(job)):  # which was recorded
                recorded = await self.store.read(jobs.get, job.id)
                job = recorded or job
            unusable = [note for g in job.succeeded if g.error is not None for note in notes([g.n], escaped(g.error))]
            yield ResultMessage(job=job, images=screened.images, links=screened.links, notes=tuple(unusable)), _review_cause(job, screened)


def after_delivery(job: Job, *, has_images: bool, direct: bool | None, tell: bool, now: int) -> Iterator[OutboxItem]:
    """The outbox items that follow a delivery. `job`: as before the delivery; `has_images`: at least one was shown.

    `direct`: it was shown by direct message, which notifies the member by itself (`None`: it was not shown at all).
    `tell`: the member wants a direct message for every finished job.
    """
    place = job.place
    common: dict[str, Any] = {"due_at": now, "user_id": place.user_id, "job_id": job.id}
    taken_back = job.cancel_requested_at is not None and not has_images
    if job.reaction is not None and place.reply_to is not None:
        yield OutboxItem(kind=ItemKind.MARK, due_at=now, data={"channel_id": place.channel_id, "message_id": place.reply_to})
        if direct is None and not has_images and not taken_back:
            yield OutboxItem(
                kind=ItemKind.REACTIONS, due_at=now, user_id=place.user_id, data=_failed(job, place.reply_to, job.reaction, now)
            )
    if direct is not False or taken_back:
        return
    if job.ping_promised:
        living = place.private and place.token_lives(now)
        yield OutboxItem(
            kind=ItemKind.PING, **common, data={"token": place.token, "application_id": place.application_id} if living else {}
        )
    if tell and not (job.ping_promised and place.private):  # for a private image both are direct messages
        yield OutboxItem(kind=ItemKind.TELL, **common)


def _failed(job: Job, message_id: int, emoji: str, now: int) -> dict[str, Any]:
    """What the member is told of a job without images that no DM could tell: the answer to their reaction."""
    reasons = " ".join(dict.fromkeys(escaped(_(g.error)) for g in job.generations if g.error))
    entry = BatchEntry(
        message_id=message_id,
        channel_id=job.place.channel_id,
        guild_id=job.place.guild_id,
        emoji=normalized_emoji(emoji),
        shown=emoji,
        fate=Fate.REFUSED,
        sentence=_("No image: {reasons} You weren't charged.").format(reasons=reasons),
    )
    return ReactionBatch(began_at=now, entries=(entry,)).data


def _review_cause(job: Job, screened: Screened) -> Cause | None:
    """Why moderators must review the job: a withheld or flagged result (also of an earlier attempt), or a flagged prompt with images."""
    if screened.flagged or any(g.failure is Failure.CONTENT for g in job.succeeded):
        return Cause.RESULT
    return Cause.PROMPT if job.flagged is not None and (screened.images or screened.links) else None


def _question(job: Job, cause: Cause | None, posted: PostedMessage | None) -> screening.Question | None:
    """The case to open, without the message if only the member can see it."""
    guild_id = _guild_of(job)
    if cause is None or guild_id is None:
        return None
    where = None if posted is None or job.place.private else posted
    return screening.Question(
        cause=cause,
        guild_id=guild_id,
        channel_id=where.channel_id if where else job.place.channel_id,
        message_id=where.message_id if where else None,
    )


def _guild_of(job: Job) -> int | None:
    """The guild of the order. `job.place` may change with the delivery."""
    return job.generations[0].guild_id


def _measure(message: ResultMessage, now: int) -> None:
    job, shown = message.job, message.shown
    for generation in job.generations:
        outcome = "shown" if generation.n in shown else generation.failure or generation.state
        IMAGES.labels(generation.provider, outcome).inc()
        if generation.n in shown:
            CREDITS.labels(generation.provider).inc(generation.price / MICRO)
    if shown:
        ORDER_SECONDS.labels(job.generations[0].provider).observe((now - job.created_at) / 1000)
