"""What an image looks like, in 64 bits: images that look alike have fingerprints that differ in few bits.

Made from the low frequencies of a small grey copy, so it outlives another format, size or quality, paler colours, and a crop of about
a fiftieth. It is no proof: whoever wants to get past it can. Turned and mirrored images are others.
Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1, the DCT based hash.
"""

from __future__ import annotations

import io
import math
import statistics
from typing import Final

from PIL import Image, ImageOps

from bot.media.codec import DEFAULT_MAX_PIXELS, Source, inspect

ALIKE: Final = 8  # of 64 bits: what copies of one image differ in at most, as a rule; strangers differ in about half
_SIDE: Final = 32  # px of the grey copy
_KEPT: Final = 8  # frequencies in each direction
_FLAT: Final = 2.0  # of a frequency; what is weaker is noise, by which plain images would differ at random
_GREY: Final = (128, 128, 128, 255)  # behind what is transparent

# The cosine transform's rows, without the first, which is only the brightness.
_COSINES: Final = tuple(
    tuple(math.cos(math.pi * (2 * x + 1) * frequency / (2 * _SIDE)) for x in range(_SIDE)) for frequency in range(1, _KEPT + 1)
)


def fingerprint(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> int:
    """64 bits; of an animation its first frame. Raise `ImageError` for bytes that are no usable image.

    Takes time: call it in a thread.
    """
    info = inspect(source, max_pixels=max_pixels, verify=True)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file, Image.open(file, formats=[info.format]) as image:
        image.draft("L", (8 * _SIDE, 8 * _SIDE))  # JPEG: decoded no larger than is needed
        strengths = _frequencies(_small(image))
    middle = max(statistics.median(strengths), _FLAT)
    return sum((strength > middle) << place for place, strength in enumerate(strengths))


def distance(a: int, b: int) -> int:
    """In how many of 64 bits two fingerprints differ; see `ALIKE`."""
    return (a ^ b).bit_count()


def _small(image: Image.Image) -> Image.Image:
    """Upright, grey and square."""
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        ground = Image.new("RGBA", upright.size, _GREY)
        ground.alpha_composite(upright.convert("RGBA"))
        upright = ground
    return upright.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)


def _frequencies(grey: Image.Image) -> list[float]:
    """The two-dimensional cosine transform's low part, first along the rows, then along the columns."""
    pixels = grey.tobytes()
    lines = [pixels[start : start + _SIDE] for start in range(0, len(pixels), _SIDE)]
    along = [[_dot(cosines, line) for line in lines] for cosines in _COSINES]
    return [_dot(cosines, column) for cosines in _COSINES for column in along]


def _dot(one: tuple[float, ...], other: bytes | list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
