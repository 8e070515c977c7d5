"""Screens prompts before they are sent and results before they are shown, and applies the guild's rules to the findings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import structlog

from bot.core import i18n
from bot.core.clock import Clock
from bot.core.errors import MachineTrouble, TryLater
from bot.core.i18n import _
from bot.core.running.loops import Timing
from bot.domain.catalog import image_properties
from bot.domain.guild.document import Policy
from bot.domain.job import Failure, Job, JobState
from bot.domain.moderation.scores import Classification
from bot.domain.prompts.judge import Level
from bot.services.guilds import Guilds
from bot.services.pipeline.classifier import Classifier
from bot.services.pipeline.delivery.fitting import ResultImage
from bot.services.pipeline.delivery.links import ResultLink
from bot.services.pipeline.delivery.results import FetchedResults
from bot.store import jobs
from bot.store.engine.base import Store
from bot.store.moderation import screening
from bot.store.moderation.screening import ScreeningVerdict

log = structlog.get_logger(__name__)

UNCHECKED = "not checked"  # the reason if the endpoint did not respond and the guild shows nothing unchecked


@dataclass(frozen=True, kw_only=True)
class Screened:
    """Results that may be shown."""

    images: tuple[ResultImage, ...]
    links: tuple[ResultLink, ...]
    flagged: bool  # moderators should review one of them


@dataclass(frozen=True, kw_only=True)
class Screening:
    """Applies the current rules of the job's guild."""

    store: Store
    guilds: Guilds
    classifier: Classifier
    timing: Timing
    clock: Clock
    _put_off: dict[str, int] = field(init=False, repr=False, default_factory=dict)  # by job id: how often its check failed in a row

    # --- prompts -----------------------------------------------------------------------------------------------------

    async def prompt(self, job_id: str, *, give_up_ms: int) -> None:
        """Check a job's prompt, unless it was checked. While the endpoint is down the job waits, at most `give_up_ms` after its order."""
        job = await self.store.read(jobs.get, job_id)
        if job is None or not job.needs_check or job.state is not JobState.OPEN:
            self._put_off.pop(job_id, None)
            return
        policy = await self._policy(job)
        try:
            finding = await self.classifier.prompt(policy, image_properties.drawable_text(job.prompt, job.params))
        except MachineTrouble:
            await self._postpone(job)
            return
        is_late = self.clock() - job.created_at > give_up_ms
        if finding.hold and not is_late:
            await self._postpone(job)
            return
        self._put_off.pop(job.id, None)
        if finding.hold or finding.level is Level.BLOCK:
            with i18n.speaking(job.place.locale):
                await self._refuse(job, policy, finding)
            return
        flagged = finding.category if finding.level is Level.FLAG else None
        spoiler = flagged is not None and not _may_show_flagged(job, policy)
        await self.store.write(screening.mark_passed, job.id, flagged=flagged, spoiler=spoiler)

    async def _refuse(self, job: Job, policy: Policy, finding: Classification) -> None:
        log.info("prompt withheld", job=job.id, category=finding.category)
        verdict = _verdict(
            policy,
            finding,
            blocked=_("This server's content check doesn't allow that prompt. Try a different one."),
            unanswered=_("This server's content check isn't available, and prompts must pass it. Try again later."),
        )
        failure = Failure.CONTENT if finding.category else Failure.FAULT
        if finding.hold:
            verdict, failure = replace(verdict, sentence=_("This server's content check took too long. Try again later.")), Failure.TIMEOUT
        await self.store.write(screening.refuse, job, verdict, failure=failure, now=self.clock())

    async def _postpone(self, job: Job) -> None:
        self._put_off[job.id] = self._put_off.get(job.id, 0) + 1
        pause_s = self.timing.backoff_s(self._put_off[job.id])
        log.warning("prompt check postponed", job=job.id, pause_s=round(pause_s, 1))
        await self.store.write(screening.postpone_check, job.id, self.clock() + int(pause_s * 1000))

    # --- results -----------------------------------------------------------------------------------------------------

    async def results(self, job: Job, fetched: FetchedResults) -> Screened:
        """Check each image, and record what is withheld or flagged.

        Raises `TryLater` if the endpoint does not respond and the guild's rules are to wait.
        """
        policy = await self._policy(job)
        shown, links, flagged = [], [], None
        for image in fetched.images:
            finding = await self.classifier.image(policy, image)
            if finding.hold:
                raise TryLater("The content check does not answer.")
            if finding.level is Level.BLOCK:
                await self._withhold(job, policy, image.n, finding)
                continue
            flagged = finding.category if finding.level is Level.FLAG and flagged is None else flagged
            shown.append(image)
        for link in fetched.links:
            finding = self.classifier.unread(policy)
            if finding.level is Level.BLOCK:
                await self._withhold(job, policy, link.n, finding)
                continue
            links.append(link)
        spoiler = flagged is not None and not _may_show_flagged(job, policy)
        if flagged is not None:
            await self.store.write(screening.flag, job.id, flagged, spoiler=spoiler)
        visible = tuple(map(behind_spoiler, shown)) if spoiler else tuple(shown)
        return Screened(images=visible, links=tuple(links), flagged=flagged is not None)

    async def _withhold(self, job: Job, policy: Policy, n: int, finding: Classification) -> None:
        log.info("result withheld", job=job.id, n=n, category=finding.category)
        verdict = _verdict(
            policy,
            finding,
            blocked=_("This server's content check doesn't allow it."),
            unanswered=_("This server's content check can't read it, and images must pass it.")
            if finding.unread
            else _("This server's content check isn't available, and images must pass it."),
        )
        await self.store.write(screening.withhold, job, n, verdict, self.clock())

    async def _policy(self, job: Job) -> Policy:
        return (await self.guilds.settings(job.generations[0].guild_id)).policy


def _verdict(policy: Policy, finding: Classification, *, blocked: str, unanswered: str) -> ScreeningVerdict:
    """No strike if nothing could be checked."""
    if not finding.category:
        return ScreeningVerdict(sentence=unanswered, reason=UNCHECKED)
    return ScreeningVerdict(sentence=blocked, reason=finding.category, score=finding.score, strikes=policy.strikes)


def _may_show_flagged(job: Job, policy: Policy) -> bool:
    """Whether a flagged image needs no spoiler."""
    return job.age_restricted and policy.age_restricted.unspoilered


def behind_spoiler(image: ResultImage) -> ResultImage:
    """The image under a name that Discord shows behind a spoiler."""
    return image if image.filename.startswith("SPOILER_") else replace(image, filename=f"SPOILER_{image.filename}")
