"""Encodes images without any metadata, and makes them small enough for an upload or a request."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bot.core.errors import ImageError
from bot.core.i18n import N_, _
from bot.core.numbers import number
from bot.media.formats import Format
from bot.media.reading import scaled

if TYPE_CHECKING:
    import pyvips

MAX_EDGE: Final = {Format.PNG: 2**31 - 1, Format.JPEG: 65_500, Format.WEBP: 16_383}  # px
LOSSLESS_WEBP_MAX_PIXELS: Final = 4_000_000  # more would take seconds

_ALL_FILTERS: Final = 0xF8  # of PNG: the best for each line
_SAVERS: Final = {Format.JPEG: "jpegsave_buffer", Format.WEBP: "webpsave_buffer", Format.PNG: "pngsave_buffer"}
_QUALITIES: Final = (92, 85, 75)  # tried in this order at full size
_SMALLEST_EDGE: Final = 64  # px; below this, fitting is given up
_MB: Final = 1024 * 1024  # Discord's unit of upload limits
_RE_ENCODED: Final = N_("converted to {type} to fit this server's {limit} MB upload limit")
_MADE_SMALLER: Final = N_("converted to {type} at {width}×{height} to fit this server's {limit} MB upload limit")
_NAMES: Final = {Format.PNG: "PNG", Format.JPEG: "JPEG", Format.WEBP: "WebP"}


@dataclass(frozen=True, kw_only=True)
class FittedImage:
    """An image below an upload limit. `changed` tells the member how it was changed; None: unchanged."""

    content: bytes = field(repr=False)
    content_type: str
    extension: str
    width: int
    height: int
    changed: str | None = None


def encoded(image: pyvips.Image, format_: Format, *, quality: int, is_fine: bool = False) -> bytes:
    """A JPEG or lossy WebP of this quality (1 to 100), or a PNG. `is_fine`: a JPEG has as many samples of colours as of brightness."""
    content: bytes = getattr(image, _SAVERS[format_])(keep=0, **_options(format_, quality, is_fine=is_fine))
    return content


def encoded_lossless_webp(image: pyvips.Image) -> bytes:
    """It takes 31 bytes of memory for each pixel."""
    return bytes(image.webpsave_buffer(lossless=True, effort=1, Q=0, exact=True, keep=0))


def _options(format_: Format, quality: int, *, is_fine: bool) -> dict[str, Any]:
    match format_:
        case Format.JPEG:
            return {"Q": quality, "subsample_mode": "off" if is_fine else "on"}
        case Format.WEBP:
            return {"Q": quality, "effort": 3}
        case _:
            return {"filter": _ALL_FILTERS}


def fitted(content: bytes, format_: Format, width: int, height: int, *, changed: str | None = None) -> FittedImage:
    return FittedImage(
        content=content, content_type=format_.content_type, extension=format_.extension, width=width, height=height, changed=changed
    )


def shrunk(image: pyvips.Image, limit_bytes: int) -> FittedImage:
    """A JPEG, or with transparency a WebP, of at most `limit_bytes`: as large as possible. Raises `ImageError` if it is too small then."""
    format_ = Format.WEBP if image.hasalpha() else Format.JPEG
    for content, size in _attempts(image, format_, limit_bytes):
        if len(content) <= limit_bytes:
            changed = _RE_ENCODED if size == (image.width, image.height) else _MADE_SMALLER
            sentence = _(changed).format(type=_NAMES[format_], width=size[0], height=size[1], limit=in_mb(limit_bytes))
            return fitted(content, format_, *size, changed=sentence)
    raise ImageError(_("The image can't be made small enough for {limit} MB.").format(limit=in_mb(limit_bytes)))


def smaller_png(image: pyvips.Image, limit_bytes: int) -> bytes:
    """A PNG of about at most `limit_bytes`."""
    content = encoded(image, Format.PNG, quality=0)
    while len(content) > limit_bytes and max(image.width, image.height) > _SMALLEST_EDGE:
        image = _reduced(image, _next_scale(content, limit_bytes))
        content = encoded(image, Format.PNG, quality=0)
    return content


def in_mb(size_bytes: int) -> str:
    return number(size_bytes / _MB, decimals=3)


def _attempts(image: pyvips.Image, format_: Format, limit_bytes: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Encoded images and their sizes in px, the best first."""
    longest = max(image.width, image.height)
    if longest > MAX_EDGE[format_]:
        image = _reduced(image, MAX_EDGE[format_] / longest)
    content = b""
    for quality in _QUALITIES:
        content = encoded(image, format_, quality=quality)
        yield content, (image.width, image.height)
    while max(image.width, image.height) * (scale := _next_scale(content, limit_bytes)) >= _SMALLEST_EDGE:
        image = _reduced(image, scale)
        content = encoded(image, format_, quality=_QUALITIES[1])
        yield content, (image.width, image.height)


def _next_scale(content: bytes, limit_bytes: int) -> float:
    return min(0.95, 0.95 * math.sqrt(limit_bytes / len(content)))


def _reduced(image: pyvips.Image, scale: float) -> pyvips.Image:
    return scaled(image, max(1, int(image.width * scale)), max(1, int(image.height * scale))).copy_memory()
