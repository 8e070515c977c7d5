"""Showing a finished image once more, in another place: an order like any other for the rules of that place, but nothing is charged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from bot.core.clock import Clock
from bot.core.errors import NotAllowed, TryLater
from bot.core.i18n import _
from bot.domain import visibility
from bot.domain.catalog.models import ModelInfo, retired
from bot.domain.guild.sections import Offence
from bot.domain.job import Job
from bot.domain.moderation.cases import FINAL, Cause, Decision
from bot.domain.moderation.scores import Classification
from bot.domain.prompts.judge import Level
from bot.domain.request import Request
from bot.domain.visibility import Origin
from bot.services.admission import Admissions
from bot.services.catalog import Models
from bot.services.pipeline.classifier import Classifier
from bot.services.pipeline.delivery.fitting import ResultImage
from bot.services.pipeline.delivery.results import Results
from bot.services.pipeline.screening import behind_spoiler
from bot.store import messages
from bot.store.engine.base import Store
from bot.store.moderation import cases, screening
from bot.store.moderation.screening import Question, ScreeningVerdict

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Repost:
    """A job as it may be shown in the request's channel."""

    job: Job  # with the spoiler that it needs there
    images: tuple[ResultImage, ...]
    cause: Cause | None = None  # why the moderators there must review it
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Reposts:
    """Checks with the current rules of the request's guild, and records."""

    store: Store
    models: Models
    admissions: Admissions
    classifier: Classifier
    results: Results
    clock: Clock

    @asynccontextmanager
    async def open(self, request: Request, job: Job, origin: Origin) -> AsyncIterator[Repost]:
        """The job's images, shown at `origin`, to be shown in public in the request's channel. The files exist until the context exits.

        Raises the `Refusal` of the first rule that does not allow it, `TryLater` if a check does not answer, `ImageError` without images.
        """
        visibility.check(origin, visibility.audience_of(request.answered(private=False)))
        is_reviewed = await self._check_decision(request, job)
        by_prompt = await self._check_prompt(request, job)  # before anything is fetched
        async with self.results.open(job, limit_bytes=request.reply_to.upload_limit_bytes) as images:
            by_image = [await self._check_image(request, job, image) for image in images]
            flagged = next(filter(None, (*by_image, by_prompt)), None)
            hides = job.spoiler or is_reviewed or (self._is_strict(request) and (flagged or job.flagged) is not None)
            is_linked = job.origin_channel_id == request.channel.channel_id
            yield Repost(
                job=replace(job, spoiler=hides, origin_message_id=job.origin_message_id if is_linked else None),
                images=tuple(map(behind_spoiler, images)) if hides else images,
                cause=None if flagged is None else Cause.RESULT if any(by_image) else Cause.PROMPT,
                reason=flagged or "",
            )

    async def posted(self, request: Request, repost: Repost, *, channel_id: int, message_id: int) -> None:
        """Record that the job was posted again: this becomes the job's message, which the log and the moderators get like any other."""
        guild_id, now, job = request.guild_id, self.clock(), repost.job
        question = None
        if repost.cause is not None and guild_id is not None:
            question = Question(cause=repost.cause, guild_id=guild_id, channel_id=channel_id, message_id=message_id)
        recorded = await self.store.write(
            screening.record_repost,
            job.id,
            replace(job.place, guild_id=guild_id, channel_id=channel_id),
            message_id,
            now,
            spoiler=job.spoiler,
            question=question,
            reason=repost.reason,
            is_logged=request.policy.log_channel_id is not None,
        )
        if not recorded:  # the job was deleted while it was being posted
            await self.store.write(messages.ask_to_remove, channel_id, message_id, now)

    async def _check_decision(self, request: Request, job: Job) -> bool:
        """Whether the guild's moderators hid it, or have not decided yet. Raises `NotAllowed` if they took it away."""
        latest = None if request.guild_id is None else await self.store.read(cases.latest_about, job.id, request.guild_id)
        if latest is not None and latest.decision in FINAL:
            raise NotAllowed(_("This server's moderators deleted this image."))
        return latest is not None and latest.decision is not Decision.KEEP

    async def _check_prompt(self, request: Request, job: Job) -> str | None:
        """Why the prompt is flagged here, if it is."""
        model = next((model for model in self.models.offered if model.id == job.model), None) or _retired(job)
        facts = self.admissions.facts(request.answered(private=False), model, job.prompt, job.params, count=len(job.succeeded))
        verdict = await self.admissions.admit_showing(facts)
        if verdict.level is Level.FLAG and verdict.rule is not None:
            return verdict.rule.text
        finding = await self.classifier.prompt(request.policy, facts.drawable_text)
        return await self._flagged(request, job, finding, Offence.PROMPT_BLOCKED)

    async def _check_image(self, request: Request, job: Job, image: ResultImage) -> str | None:
        finding = await self.classifier.image(request.policy, image)
        return await self._flagged(request, job, finding, Offence.RESULT_BLOCKED)

    async def _flagged(self, request: Request, job: Job, finding: Classification, offence: Offence) -> str | None:
        """The category for which moderators must review it, if any. Raises `NotAllowed`, with a strike if something was found."""
        if finding.hold:
            raise TryLater(_("This server's content check isn't available right now. Try again later."))
        if finding.level is not Level.BLOCK:
            return finding.category if finding.level is Level.FLAG else None
        log.info("repost refused", job=job.id, guild=request.guild_id, category=finding.category)
        sentence = _("This server's rules don't allow this image.")
        strikes = request.policy.strikes if finding.category else None
        verdict = ScreeningVerdict(sentence=sentence, reason=finding.category or "", score=finding.score, strikes=strikes)
        struck = await self.store.write(screening.refuse_repost, job, verdict, offence, self.clock(), guild_id=request.guild_id)
        raise NotAllowed(sentence if struck is None else " ".join(filter(None, (sentence, struck.sentence, struck.end))))

    @staticmethod
    def _is_strict(request: Request) -> bool:
        """Whether a flagged image needs a spoiler in this channel."""
        return not (request.channel.age_restricted and request.policy.age_restricted.unspoilered)


def _retired(job: Job) -> ModelInfo:
    """A model that is not offered any more."""
    first = job.generations[0]
    return retired(job.model, api_id=first.api_model, provider=first.provider)
