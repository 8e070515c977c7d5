"""The operator's moderations endpoint, and images known to be bad, asked as a server's rules say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

from bot.core.errors import ProviderError, ProviderRefused
from bot.domain.guild.document import Policy
from bot.domain.moderation.scores import Classification, classify, classify_when_down
from bot.domain.prompts.judge import Level
from bot.media import likeness
from bot.providers.moderations import Moderations

log = structlog.get_logger(__name__)

KNOWN_BAD = "known"  # the category of an image that looks like one on the server's list
_NOTHING = Classification(level=Level.NONE)
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """Looks at prompts before they are sent and at images before they are shown. Off unless the operator and the server want it."""

    endpoint: Moderations | None  # None: the operator has none

    def wants_prompts(self, policy: Policy) -> bool:
        """Whether prompts are to be looked at before they are sent."""
        return self.endpoint is not None and policy.checks.prompts

    async def prompt(self, policy: Policy, text: str) -> Classification:
        """What the endpoint finds in a prompt."""
        if self.endpoint is None or not policy.checks.prompts:
            return _NOTHING
        try:
            return classify(await self.endpoint.check_text(text), policy.checks)
        except ProviderError as error:
            return _unanswered(policy, error)

    async def image(self, policy: Policy, path: Path, *, extension: str) -> Classification:
        """What a finished image looks like: first to the server's own list, then to the endpoint."""
        if policy.known_bad.hashes and policy.known_bad.matches(await asyncio.to_thread(likeness.fingerprint, path)):
            return Classification(level=Level.BLOCK, category=KNOWN_BAD, score=1.0)
        if self.endpoint is None or not policy.checks.results:
            return _NOTHING
        content = await asyncio.to_thread(path.read_bytes)
        try:
            return classify(await self.endpoint.check_image(content, _TYPES.get(f".{extension}", "image/png")), policy.checks)
        except ProviderError as error:
            return _unanswered(policy, error)


def _unanswered(policy: Policy, error: ProviderError) -> Classification:
    """The endpoint is away, or would not take it: a refusal of what is asked is no reason to ask again."""
    log.warning("the moderations endpoint did not answer", reason=error.sentence)
    finding = classify_when_down(policy.checks)
    if finding.hold and isinstance(error, ProviderRefused):
        return Classification(level=Level.BLOCK)
    return finding
