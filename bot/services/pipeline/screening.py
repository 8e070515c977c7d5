"""Looks at prompts before they are sent and at results before they are shown, and draws the conclusions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

import structlog

from bot.core import i18n
from bot.core.clock import Clock
from bot.core.errors import TryLater
from bot.core.i18n import _
from bot.core.loops import Timing
from bot.domain.catalog import image_properties
from bot.domain.guild.document import Policy
from bot.domain.job import Failure, Job, JobState
from bot.domain.moderation.scores import Classification
from bot.domain.prompts.judge import Level
from bot.services.guilds import Guilds
from bot.services.pipeline.classifier import Classifier
from bot.services.pipeline.results import ResultImage
from bot.store import jobs
from bot.store.engine.base import Store
from bot.store.moderation import screening
from bot.store.moderation.screening import ScreeningVerdict

log = structlog.get_logger(__name__)

UNCHECKED = "not checked"  # the reason where the endpoint gave no answer, and the server shows nothing without one


@dataclass(frozen=True, kw_only=True)
class Screened:
    """Results that may be shown, and why others may not, by their place in the job."""

    images: tuple[ResultImage, ...]
    withheld: Mapping[int, str] = field(default_factory=dict)
    flagged: str | None = None  # why moderators should look at what is shown
    spoiler: bool = False  # at least one of them is shown behind a spoiler because of that


@dataclass(frozen=True, kw_only=True)
class Screening:
    """Asks the checks as the rules of the job's server say at that moment."""

    store: Store
    guilds: Guilds
    classifier: Classifier
    timing: Timing
    clock: Clock
    _put_off: dict[str, int] = field(init=False, repr=False, default_factory=dict)  # how often each job was put off in a row

    # --- prompts -----------------------------------------------------------------------------------------------------

    async def prompt(self, job_id: str, *, give_up_ms: int) -> None:
        """Look at one job's prompt, unless somebody did. While there is no answer the job waits, at most `give_up_ms` after its order."""
        job = await self.store.read(jobs.get, job_id)
        if job is None or not job.needs_check or job.state is not JobState.OPEN:
            self._put_off.pop(job_id, None)
            return
        policy = await self._policy(job)
        finding = await self.classifier.prompt(policy, image_properties.drawable_text(job.prompt, job.params))
        with i18n.speaking(job.place.locale):
            await self._conclude(job, policy, finding, give_up_ms=give_up_ms)

    async def _conclude(self, job: Job, policy: Policy, finding: Classification, *, give_up_ms: int) -> None:
        if finding.hold:
            await self._hold(job, give_up_ms)
            return
        self._put_off.pop(job.id, None)
        if finding.level is Level.BLOCK:
            log.info("prompt refused by its check", job=job.id, category=finding.category)
            failure = Failure.CONTENT if finding.category else Failure.FAULT
            verdict = _verdict(
                policy,
                finding,
                blocked=_("This server's check of prompts does not allow this one; please put it in other words."),
                unanswered=_("The check of prompts gives no answer, and on this server nothing is made without one."),
            )
            await self.store.write(screening.refuse, job, verdict, failure=failure, now=self.clock())
            return
        flagged = finding.category if finding.level is Level.FLAG else None
        spoiler = flagged is not None and not _is_free(job, policy)
        await self.store.write(screening.passed, job.id, flagged=flagged, spoiler=spoiler)

    async def _hold(self, job: Job, give_up_ms: int) -> None:
        now = self.clock()
        if now - job.created_at > give_up_ms:
            self._put_off.pop(job.id, None)
            verdict = ScreeningVerdict(sentence=_("The check of this prompt did not answer in time."), reason=UNCHECKED)
            await self.store.write(screening.refuse, job, verdict, failure=Failure.TIMEOUT, now=now)
            return
        self._put_off[job.id] = self._put_off.get(job.id, 0) + 1
        pause_s = self.timing.backoff_s(self._put_off[job.id])
        log.warning("a prompt waits for its check", job=job.id, pause_s=round(pause_s, 1))
        await self.store.write(screening.put_off, job.id, now + int(pause_s * 1000))

    # --- results -----------------------------------------------------------------------------------------------------

    async def results(self, job: Job, images: tuple[ResultImage, ...]) -> Screened:
        """Look at each once. Raise `TryLater` where the check does not answer and the server waits for it."""
        policy = await self._policy(job)
        shown, withheld, flagged = [], {}, None
        for image in images:
            finding = await self.classifier.image(policy, image.path, extension=PurePath(image.filename).suffix.removeprefix("."))
            if finding.hold:
                raise TryLater("The check of pictures does not answer.")
            if finding.level is Level.BLOCK:
                withheld[image.n] = await self._withhold(job, policy, image.n, finding)
                continue
            flagged = finding.category if finding.level is Level.FLAG and flagged is None else flagged
            shown.append(image)
        spoiler = flagged is not None and not _is_free(job, policy)
        if flagged is not None:
            await self.store.write(screening.flag, job.id, flagged, spoiler=spoiler)
        behind = tuple(map(_behind_a_spoiler, shown)) if spoiler else tuple(shown)
        return Screened(images=behind, withheld=withheld, flagged=flagged, spoiler=spoiler)

    async def _withhold(self, job: Job, policy: Policy, n: int, finding: Classification) -> str:
        """Why it is not shown, for its member."""
        log.info("result withheld", job=job.id, n=n, category=finding.category)
        verdict = _verdict(
            policy,
            finding,
            blocked=_("this server's check of pictures does not allow it"),
            unanswered=_("the check of pictures gives no answer, and on this server nothing is shown without one"),
        )
        await self.store.write(screening.withhold, job, n, verdict, self.clock())
        return verdict.sentence

    async def _policy(self, job: Job) -> Policy:
        return (await self.guilds.settings(job.generations[0].guild_id)).policy


def _verdict(policy: Policy, finding: Classification, *, blocked: str, unanswered: str) -> ScreeningVerdict:
    """Where nothing could be checked nobody is to blame."""
    if not finding.category:
        return ScreeningVerdict(sentence=unanswered, reason=UNCHECKED)
    return ScreeningVerdict(sentence=blocked, reason=finding.category, score=finding.score, strikes=policy.strikes)


def _is_free(job: Job, policy: Policy) -> bool:
    """Whether what is flagged may be shown as it is."""
    return job.age_restricted and policy.age_restricted.unspoilered


def _behind_a_spoiler(image: ResultImage) -> ResultImage:
    mark = "SPOILER_"
    return image if image.filename.startswith(mark) else replace(image, filename=f"{mark}{image.filename}")
