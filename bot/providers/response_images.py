"""The image in the response of a synchronous call: base64, or a link from which it is downloaded.

The image is already paid for. A link that cannot be downloaded at once stays a link, which the delivery tries for a day; nothing here
raises `ProviderBusy`, because then the whole request would be sent, and paid, again.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote, urljoin

import structlog

from bot.core.errors import AnswerTooLarge, ImageError, MachineTrouble, ProviderBusy, ProviderRefused, ResultTooLarge
from bot.core.i18n import _
from bot.core.running import machine
from bot.media import codec
from bot.media.decoding import as_image_error
from bot.providers.provider import CompletedImage

log = structlog.get_logger(__name__)

Fetch = Callable[[str], Awaitable[bytes]]  # `Fetcher.fetch_bytes`, which limits sizes and addresses

_DATA: Final = re.compile(r"\s*data:[^,]*,", re.IGNORECASE)
_STANDARD: Final = str.maketrans("-_", "+/", " \t\r\n=")  # the URL-safe alphabet; line breaks and padding are dropped


async def decode(text: str, *, max_bytes: int) -> bytes:
    """Decode bare base64 or a data URI, with or without padding and line breaks, in either alphabet.

    Raises `ResultTooLarge`, and `ProviderRefused` if it is invalid or empty.
    """
    return await machine.patiently(_decoded, text, max_bytes)


def is_inline(url: str) -> bool:
    """Whether a link contains the image itself."""
    return _DATA.match(url) is not None


def absolute(url: str, base_url: str) -> str:
    """A link of an image API's answer, which may be relative to its address. An absolute one is unchanged."""
    try:
        return urljoin(f"{base_url.rstrip('/')}/", url)
    except ValueError:
        return url


@contextmanager
def limited(provider: str) -> Iterator[None]:
    """An answer above the limit contains the image, so it is not lost, and sending the request again would be paid again.

    The image cannot be asked for again either. So the generation ends with a refund, and the operator is told which setting to change.
    """
    try:
        yield
    except (AnswerTooLarge, ResultTooLarge):
        log.warning("result refused for its size", provider=provider, change="RESULT_MAX_MB")
        raise ResultTooLarge(_("It's larger than the bot's operator allows.")) from None


async def follow(url: str, fetch: Fetch | None, *, max_bytes: int) -> CompletedImage:
    """Download an image, and keep its link, alone if that does not work at once. Raises `ProviderRefused` for an unusable data URI."""
    if is_inline(url):
        return CompletedImage(content=await decode(url, max_bytes=max_bytes))
    if fetch is not None:
        try:
            content = await fetch(url)
            with as_image_error():
                is_whole = await machine.in_thread(codec.is_whole, content)
        except (ProviderBusy, ImageError, MachineTrouble):
            return CompletedImage(url=url)
        if is_whole:
            return CompletedImage(content=content, url=url)
    return CompletedImage(url=url)


def _decoded(text: str, max_bytes: int) -> bytes:
    if head := _DATA.match(text):
        text = unquote(text[head.end() :])
    bare = text.translate(_STANDARD)
    try:
        content = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):  # ValueError: non-ASCII characters
        raise ProviderRefused(_("The image service sent an image that can't be read.")) from None
    if not content:
        raise ProviderRefused(_("The image service sent an empty image."))
    if len(content) > max_bytes:
        raise ResultTooLarge(_("The image service sent an image that is too large."))
    return content
