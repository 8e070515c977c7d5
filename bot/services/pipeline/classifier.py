"""Classifies prompts and images by a guild's rules: with the operator's moderations endpoint and the list of known bad images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import structlog

from bot.core.errors import ImageError, ProviderAccount, ProviderError, ProviderRefused
from bot.core.running import machine
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import KnownBad
from bot.domain.moderation.scores import Classification, Scores, classify, classify_unread, classify_when_down
from bot.domain.prompts.judge import Level
from bot.media import codec, likeness
from bot.media.decoding import DecodingPool
from bot.providers.moderations import Moderations
from bot.services.pipeline.delivery.fitting import ResultImage

log = structlog.get_logger(__name__)

KNOWN_BAD = "known"  # the category of an image that resembles one on the guild's list
_NOTHING = Classification(level=Level.NONE)
_UNANSWERED = "unanswered"
_DOWN_AFTER = 5  # such checks; with the pauses between them, half a minute
_ACCOUNT_DO = "Check MODERATIONS_KEY and the credit of the account there."
_DOWN_DO = "See its status page and MODERATIONS_URL. Images of the servers that require the check wait or are refused meanwhile."
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}  # OpenAI takes no others
_MOST_BYTES = 14 * 2**20  # of an image that is sent as it is: in base64 less than the 20 MB that OpenAI takes


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """Checks prompts before they are sent and images before they are shown. Off unless both the operator and the guild enable it."""

    endpoint: Moderations | None  # None: the operator has none
    decoding: DecodingPool
    _reported: set[str] = field(init=False, repr=False, default_factory=set)  # problems of the account, until it works again
    _down: Counter[str] = field(init=False, repr=False, default_factory=Counter)  # checks in a row without the answer that a guild needs

    def wants_prompts(self, policy: Policy) -> bool:
        """Whether prompts must be checked before they are sent."""
        return self.endpoint is not None and policy.checks.prompts

    async def prompt(self, policy: Policy, text: str) -> Classification:
        """Classify a prompt."""
        if self.endpoint is None or not policy.checks.prompts or not text.strip():
            return _NOTHING
        try:
            return self._classified(await self.endpoint.check_text(text), policy)
        except ProviderError as error:
            return self._unanswered(policy, error)

    async def image(self, policy: Policy, image: ResultImage) -> Classification:
        """Classify a finished image: first by the guild's list of known bad images, then by the endpoint."""
        try:
            if bool(policy.known_bad.hashes) and await self._is_known(image.path, policy.known_bad):
                return Classification(level=Level.BLOCK, category=KNOWN_BAD, score=1.0)
        except ImageError as error:
            log.info("image not compared with known ones", reason=error.sentence)
            return self.unread(policy)
        if self.endpoint is None or not policy.checks.results:
            return _NOTHING
        try:
            return self._classified(await self._scores(self.endpoint, image), policy)
        except ProviderError as error:
            return self._unanswered(policy, error)
        except ImageError as error:
            log.info("image not checked", reason=error.sentence)
            return classify_unread(policy.checks)

    async def _scores(self, endpoint: Moderations, image: ResultImage) -> Scores:
        """Of the file as it is, if the endpoint takes that, else of a JPEG. Raises `ProviderError` and `ImageError`."""
        content_type = _TYPES.get(PurePath(image.filename).suffix) if image.frames == 1 else None
        if content_type is not None and image.path.stat().st_size <= _MOST_BYTES:  # fast enough for the event loop: it was just written
            try:
                return await endpoint.check_image(await machine.in_thread(image.path.read_bytes), content_type)
            except ProviderRefused as error:
                log.info("moderations endpoint does not take a type", content_type=content_type, reason=error.detail)
        jpeg = await self.decoding.run(codec.preview, image.path)
        return await endpoint.check_image(jpeg, "image/jpeg")

    def unread(self, policy: Policy) -> Classification:
        """What the guild's rules say of an image that this bot cannot read."""
        if policy.known_bad.hashes:
            return Classification(level=Level.BLOCK, unread=True)
        return _NOTHING if self.endpoint is None or not policy.checks.results else classify_unread(policy.checks)

    async def _is_known(self, path: Path, known_bad: KnownBad) -> bool:
        return await machine.in_thread(known_bad.matches, await self.decoding.run(likeness.fingerprint, path))

    def _classified(self, scores: Scores, policy: Policy) -> Classification:
        if self._down.pop(_UNANSWERED, 0) >= _DOWN_AFTER:
            log.warning("content check down is over")
        if self._reported:
            log.warning("moderations endpoint needs its operator is over")
        self._reported.clear()
        return classify(scores, policy.checks)

    def _unanswered(self, policy: Policy, error: ProviderError) -> Classification:
        """What the guild's rules say if the endpoint does not respond. A rejected request is not retried: it would be rejected again."""
        if isinstance(error, ProviderAccount) and error.sentence not in self._reported:
            self._reported.add(error.sentence)
            log.critical("moderations endpoint needs its operator", reason=error.detail or error.sentence, do=_ACCOUNT_DO)
        log.info("moderations endpoint failed", reason=error.sentence)
        finding = classify_when_down(policy.checks)
        if finding != _NOTHING and not isinstance(error, ProviderRefused):
            self._down[_UNANSWERED] += 1
            if self._down[_UNANSWERED] == _DOWN_AFTER:
                log.critical("content check down", reason=error.detail or error.sentence, do=_DOWN_DO)
        return classify_unread(policy.checks) if isinstance(error, ProviderRefused) else finding
