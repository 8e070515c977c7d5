"""Encodes images, without any metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bot.media.formats import Format

if TYPE_CHECKING:
    import pyvips

MAX_EDGE: Final = {Format.PNG: 2**31 - 1, Format.JPEG: 65_500, Format.WEBP: 16_383}  # px

_FINE: Final = 90  # from this quality on, colours have as many samples as brightness
_ALL_FILTERS: Final = 0xF8  # of PNG: the best for each line


def encoded(image: pyvips.Image, format_: Format, *, quality: int) -> bytes:
    """A JPEG or lossy WebP of this quality (1 to 100), or a PNG."""
    content: bytes = getattr(image, _SAVERS[format_])(keep=0, **_options(format_, quality))
    return content


def encoded_lossless_webp(image: pyvips.Image) -> bytes:
    return bytes(image.webpsave_buffer(lossless=True, effort=1, Q=50, exact=True, keep=0))


def _options(format_: Format, quality: int) -> dict[str, Any]:
    match format_:
        case Format.JPEG:
            return {"Q": quality, "subsample_mode": "off" if quality > _FINE else "on"}
        case Format.WEBP:
            return {"Q": quality, "effort": 3}
        case _:
            return {"filter": _ALL_FILTERS}


_SAVERS: Final = {Format.JPEG: "jpegsave_buffer", Format.WEBP: "webpsave_buffer", Format.PNG: "pngsave_buffer"}
