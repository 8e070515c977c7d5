"""Perceptual hash: a 64-bit fingerprint of an image. Fingerprints of similar images differ in few bits.

It is computed from the low frequencies of a small grey copy, so it tolerates another format, size or quality, changed colours, and a
crop of about 2 %. It does not recognize rotated or mirrored images, and it can be evaded on purpose.
Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1, the DCT based hash.
"""

from __future__ import annotations

import io
import math
import statistics
from typing import TYPE_CHECKING, Final

from bot.media.codec import DEFAULT_MAX_PIXELS, Source, inspect

if TYPE_CHECKING:  # as in `codec`
    from PIL import Image

ALIKE: Final = 8  # of 64 bits: copies of an image usually differ in at most this many, other images in about half
_SIDE: Final = 32  # px of the grey copy
_KEPT: Final = 8  # frequencies in each direction
_FLAT: Final = 2.0  # strength below which a frequency is noise; without it, plain images would differ at random
_GREY: Final = (128, 128, 128, 255)  # background for transparent images

# Rows of the cosine transform, without the first, which is the brightness.
_COSINES: Final = tuple(
    tuple(math.cos(math.pi * (2 * x + 1) * frequency / (2 * _SIDE)) for x in range(_SIDE)) for frequency in range(1, _KEPT + 1)
)


def fingerprint(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> int:
    """The 64-bit fingerprint of an image, or of an animation's first frame. Slow: call it in a thread.

    Raises `ImageError` if the bytes are not a usable image.
    """
    from PIL import Image

    info = inspect(source, max_pixels=max_pixels, verify=True)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file, Image.open(file, formats=[info.format]) as image:
        image.draft("L", (8 * _SIDE, 8 * _SIDE))  # JPEG: decode at reduced size
        strengths = _frequencies(_small(image))
    middle = max(statistics.median(strengths), _FLAT)
    return sum((strength > middle) << bit for bit, strength in enumerate(strengths))


def distance(a: int, b: int) -> int:
    """The number of bits, of 64, in which two fingerprints differ; see `ALIKE`."""
    return (a ^ b).bit_count()


def _small(image: Image.Image) -> Image.Image:
    """Upright, grey and square."""
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        ground = Image.new("RGBA", upright.size, _GREY)
        ground.alpha_composite(upright.convert("RGBA"))
        upright = ground
    return upright.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)


def _frequencies(grey: Image.Image) -> list[float]:
    """The low frequencies of the two-dimensional cosine transform."""
    pixels = grey.tobytes()
    lines = [pixels[start : start + _SIDE] for start in range(0, len(pixels), _SIDE)]
    along = [[_dot(cosines, line) for line in lines] for cosines in _COSINES]
    return [_dot(cosines, column) for cosines in _COSINES for column in along]


def _dot(one: tuple[float, ...], other: bytes | list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
