"""What decoding an image takes, from its headers alone, so that it can be taken from a budget before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.media.fitting import LOSSLESS_WEBP_MAX_PIXELS
from bot.media.formats import Format
from bot.media.reading import Header

# Bytes for each pixel, measured as the most that reading took, rounded up.
_LINES: Final = 1.0  # decoded in lines
_ALPHA: Final = 8.0  # more, where colours are weighted by it
_BY_FORMAT: Final = {Format.GIF: 7.0, Format.AVIF: 20.0, Format.HEIC: 9.0}
_WHOLE_WEBP, _ANIMATED_WEBP = 5.0, 16.0
_ENCODED, _ENCODED_ALPHA, _ENCODED_LOSSLESS = 10.0, 26.0, 36.0  # to hold the image and encode it
_KEPT_LINES: Final = 512  # of what is being changed, between its steps: much for images that are wide and low
_ALWAYS_BYTES: Final = 4 * 1024 * 1024  # tables


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What decoding takes."""

    format: Format
    width: int  # px, as the header says
    height: int
    frames: int
    pixels: int  # on which the decoder works: once for each scan, and fewer if it reduces the image itself
    memory_bytes: int  # the most that is allocated at once
    is_fragile: bool  # the decoder is large and young, so it may fail in any way


def cost_of(header: Header, *, factor: int, kept_pixels: int) -> Cost:
    """The cost of reading an image reduced by `factor`, of which `kept_pixels` are then held in memory and encoded."""
    is_lossless = header.is_lossless_webp and kept_pixels <= LOSSLESS_WEBP_MAX_PIXELS
    lines = min(_KEPT_LINES * header.width, 8 * header.pixels) * (4 if header.has_alpha else header.bands) * header.bits / 8
    encoded = kept_pixels * (_ENCODED_LOSSLESS if is_lossless else _ENCODED_ALPHA if header.has_alpha else _ENCODED)
    return Cost(
        format=header.format,
        width=header.width,
        height=header.height,
        frames=header.frames,
        pixels=header.scans * header.pixels // (factor**2 if header.is_scalable else 1),
        memory_bytes=int(_ALWAYS_BYTES + len(header.content) + header.pixels * _bytes_per_pixel(header) + lines + encoded),
        is_fragile=header.format in {Format.HEIC, Format.AVIF},
    )


def _bytes_per_pixel(header: Header) -> float:
    sample_bytes = header.bands * header.bits / 8
    match header.format:
        case Format.JPEG:
            return _LINES if header.scans == 1 else _LINES + (1.0 if header.is_subsampled else 2.0) * header.bands
        case Format.PNG:
            return (2 if header.scans > 1 else 1) * sample_bytes + (_ALPHA if header.has_alpha else 0)
        case Format.WEBP if header.frames > 1:
            return _ANIMATED_WEBP + _ALPHA
        case Format.WEBP:
            return _LINES if header.is_scalable and not header.has_alpha else _WHOLE_WEBP
    return _BY_FORMAT[header.format] + (_ALPHA if header.has_alpha else 0)
