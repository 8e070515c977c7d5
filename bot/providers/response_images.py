"""The image in the answer of a call that waits for it: decoded, or fetched from the link that stands there instead.

By now it is paid for. Whatever may be cured by asking for the link again is cured here; what is left is never "busy", because that would
send, and pay, the whole request once more.
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
from bot.media.fetch import LinkExpired

Fetch = Callable[[str], Awaitable[bytes]]  # bounded, and only from allowed addresses: `Fetcher.fetch_bytes`

_ATTEMPTS: Final = 3


async def decode(text: str, *, max_bytes: int) -> bytes:
    """An image from base64, bare or as a data URI. `ProviderRefused` where it is none, empty or too large."""
    return await asyncio.to_thread(_decoded, text, max_bytes)


async def follow(url: str, fetch: Fetch | None, *, max_bytes: int) -> bytes:
    """An image from a link. `ProviderRefused` where it may not be fetched, `AnswerLost` where it cannot be had."""
    if url.startswith("data:"):
        return await decode(url, max_bytes=max_bytes)
    if fetch is None:
        raise ProviderRefused(_("The image service answered with a link where a picture was wanted."))
    try:
        async for attempt in stamina.retry_context(on=ProviderBusy, attempts=_ATTEMPTS, timeout=60.0, wait_initial=0.2, wait_jitter=0.2):
            with attempt:
                return _checked(await fetch(url), max_bytes)
    except (ProviderBusy, LinkExpired) as error:
        raise AnswerLost(_("The image service made a picture and did not hand it out.")) from error
    except ImageError as error:
        raise ProviderRefused(error.sentence) from error
    raise AssertionError("the retries ended without an outcome")


def _decoded(text: str, max_bytes: int) -> bytes:
    try:
        content = base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: letters that no base64 has
        raise ProviderRefused(_("The image service answered with a picture that cannot be read.")) from None
    return _checked(content, max_bytes)


def _checked(content: bytes, max_bytes: int) -> bytes:
    if not content or len(content) > max_bytes:
        raise ProviderRefused(_("The image service answered with a picture that is empty or too large."))
    return content
