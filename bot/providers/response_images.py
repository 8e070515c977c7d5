"""The image in the response of a synchronous call: base64, or a link from which it is downloaded.

The image is already paid for. A failed download is retried here and never raises `ProviderBusy`, because then the whole request would
be sent, and paid, again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Final

import stamina

from bot.core.errors import AnswerLost, ImageError, ProviderBusy, ProviderRefused
from bot.core.i18n import _
from bot.media.addresses import HostNotListed
from bot.media.fetch import LinkExpired
from bot.providers.provider import CompletedImage

Fetch = Callable[[str], Awaitable[bytes]]  # `Fetcher.fetch_bytes`, which limits sizes and addresses

_ATTEMPTS: Final = 3


async def decode(text: str, *, max_bytes: int) -> bytes:
    """Decode bare base64 or a data URI. Raises `ProviderRefused` if it is invalid, empty or too large."""
    return await asyncio.to_thread(_decoded, text, max_bytes)


async def follow(url: str, fetch: Fetch | None, *, max_bytes: int) -> CompletedImage:
    """Download an image. It stays a link if a setting must allow its host first.

    Raises `ProviderRefused` if the link may never be fetched, `AnswerLost` if the download fails.
    """
    if url.startswith("data:"):
        return CompletedImage(content=await decode(url, max_bytes=max_bytes))
    if fetch is None:
        raise ProviderRefused(_("The image service sent a link instead of an image."))
    try:
        async for attempt in stamina.retry_context(on=ProviderBusy, attempts=_ATTEMPTS, timeout=60.0, wait_initial=0.2, wait_jitter=0.2):
            with attempt:
                return CompletedImage(content=_checked(await fetch(url), max_bytes))
    except (ProviderBusy, LinkExpired) as error:
        raise AnswerLost(_("The image service created an image but didn't send it.")) from error
    except HostNotListed:
        return CompletedImage(url=url)
    except ImageError as error:
        raise ProviderRefused(error.sentence) from error
    raise AssertionError("the retries ended without an outcome")


def _decoded(text: str, max_bytes: int) -> bytes:
    try:
        content = base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: non-ASCII characters
        raise ProviderRefused(_("The image service sent an image that can't be read.")) from None
    return _checked(content, max_bytes)


def _checked(content: bytes, max_bytes: int) -> bytes:
    if not content or len(content) > max_bytes:
        raise ProviderRefused(_("The image service sent an image that is empty or too large."))
    return content
