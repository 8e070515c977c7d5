"""Encodes images, without any metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bot.media.formats import Format

if TYPE_CHECKING:
    import pyvips

MAX_EDGE: Final = {Format.PNG: 2**31 - 1, Format.JPEG: 65_500, Format.WEBP: 16_383}  # px
LOSSLESS_WEBP_MAX_PIXELS: Final = 4_000_000  # more would take seconds

_ALL_FILTERS: Final = 0xF8  # of PNG: the best for each line


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


_SAVERS: Final = {Format.JPEG: "jpegsave_buffer", Format.WEBP: "webpsave_buffer", Format.PNG: "pngsave_buffer"}
