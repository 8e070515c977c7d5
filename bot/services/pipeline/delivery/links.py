"""Links to an image API's own copy of a result, for images that cannot be uploaded.

Sources of what a presigned link says: AWS Signature Version 4 (`X-Amz-Date`, `X-Amz-Expires`), Google Cloud Storage's V4 signing
(`X-Goog-...`), CloudFront and older signatures of both (`Expires`, Unix seconds), Azure's shared access signatures (`se`, ISO 8601).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import structlog

from bot.core.clock import Clock
from bot.core.errors import ImageError, NotAnImage, ProviderError
from bot.core.i18n import _
from bot.domain.job import Generation
from bot.media.codec import TooManyPixels
from bot.media.decoder_process import Undecodable
from bot.media.decoding import CodecFailed
from bot.media.fetch import Fetcher
from bot.providers.factory import UNKNOWN_API
from bot.providers.provider import Provider
from bot.providers.response_images import is_inline
from bot.store import steps
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

_NO_IMAGES = frozenset({"HTML", "PDF", "ZIP", "GZIP", "7Z", "RAR"})  # of the types that `bot.media.formats` names
SPACE = 1_400  # characters of all links of a message; the rest of its 2,000 is for sentences
_UNSAFE = re.compile(r"[\s<>|]")  # would end the link in a message, or its spoiler
_SIGNERS = ("x-amz", "x-goog")
_LEAST_MS = 300_000  # that a link must work after it is shown


@dataclass(frozen=True, kw_only=True)
class ResultLink:
    """An image that is shown as a link."""

    n: int  # its number in the job, from 0
    url: str = field(repr=False)  # opens this one image to everyone who has it, so it is never logged
    until_ms: int | None  # Unix ms; None: not known
    reason: str  # why it is not shown itself: a sentence


def is_shown_elsewhere(error: ImageError) -> bool:
    """Whether others may be able to show what this bot cannot: waiting would not help."""
    is_image = isinstance(error, NotAnImage) and bool(error.type_name) and error.type_name not in _NO_IMAGES
    return is_image or isinstance(error, TooManyPixels | CodecFailed)


def reason_of(error: ImageError) -> str:
    """Why a result cannot be shown: a sentence. Some of the codec's are for those who attach images."""
    if isinstance(error, NotAnImage):
        is_image = is_shown_elsewhere(error)
        sentence = _("Easel can't show images of type {type}.") if is_image else _("The image service sent something that isn't an image.")
        return sentence.format(type=error.type_name)
    return _("It takes too much memory or time to open it here.") if isinstance(error, Undecodable) else error.sentence


@dataclass(frozen=True, kw_only=True)
class Links:
    """Finds links, and renews those that have expired."""

    store: Store
    providers: Mapping[str, Provider]
    fetchers: Mapping[str, Fetcher]  # by the image API's name
    opens_private: bool  # whether members can open addresses that are not public: only beside a local Discord
    clock: Clock

    def fetcher_of(self, generation: Generation) -> Fetcher:
        return self.fetchers.get(generation.provider) or self.fetchers[UNKNOWN_API]

    async def renewed(self, generation: Generation) -> str:
        """A new link to the same image. Raises `ImageError` if the image API has none, and `ProviderError`."""
        provider = self.providers.get(generation.provider)
        report = await provider.read(generation.provider_id or "") if provider and generation.provider_id else None
        if report is None or report.result_url is None:
            raise ImageError(_("The image service no longer stores it."))
        await self.store.write(steps.refresh_url, generation.job_id, generation.n, report.result_url)
        return report.result_url

    async def to_show(self, generation: Generation, *, reason: str, space: int = SPACE) -> ResultLink | None:
        """A link of at most `space` characters that members can open, as new as possible. None if there is none.

        Raises `MachineTrouble`.
        """
        try:
            url = await self.renewed(generation)
        except (ImageError, ProviderError):
            url = generation.result_url or ""
        until_ms = expiry_ms(url)
        is_over = until_ms is not None and until_ms - self.clock() < _LEAST_MS
        if is_over or is_inline(url) or _UNSAFE.search(url) or not 0 < len(url) <= space:
            return None
        try:
            opens = await self.fetcher_of(generation).opens(url, private=self.opens_private)
        except (ImageError, ProviderError) as error:
            log.info("link does not open", job=generation.job_id, n=generation.n, reason=error.sentence)
            return None
        return ResultLink(n=generation.n, url=url, until_ms=until_ms, reason=reason) if opens else None


def expiry_ms(url: str) -> int | None:
    """Until when a link works (Unix ms). None if the link does not say it, or not in a form that is known here."""
    try:
        found = _expiry({name.lower(): value for name, value in parse_qsl(urlsplit(url).query)})
        return None if found is None else int(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _expiry(query: Mapping[str, str]) -> datetime | None:
    """Raises `ValueError` or `OverflowError` for values that are none."""
    for signer in _SIGNERS:
        if f"{signer}-date" in query:
            signed_at = datetime.strptime(query[f"{signer}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed_at + timedelta(seconds=int(query.get(f"{signer}-expires", "")))
    if "expires" in query:
        return datetime.fromtimestamp(float(query["expires"]), tz=UTC)
    if "se" in query and "sig" in query:
        found = datetime.fromisoformat(query["se"])
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
