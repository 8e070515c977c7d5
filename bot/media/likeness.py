"""Perceptual hash: a 64-bit fingerprint of an image. Fingerprints of similar images differ in few bits.

It is computed from the low frequencies of a small grey copy, so it tolerates another format, size or quality, changed colours, and a
crop of about 2 %. It does not recognize rotated or mirrored images, and it can be evaded on purpose.
Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1, the DCT based hash.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bot.media import libvips
from bot.media.reading import DEFAULT_MAX_PIXELS, Source, first_frame, read, read_header

if TYPE_CHECKING:
    import pyvips

ALIKE: Final = 8  # of 64 bits: copies of an image usually differ in at most this many, other images in about half
_SIDE: Final = 32  # px of the grey copy
_KEPT: Final = 8  # frequencies in each direction
_FLAT: Final = 2.0  # strength below which a frequency is noise; without it, plain images would differ at random
_GREY: Final = 128.0  # background for transparent images
_LUMA: Final = [0.299, 0.587, 0.114]  # ITU-R BT.601
_AVERAGED: Final = 8  # px of each side that one of the grey copy is the average of

# Rows of the cosine transform, without the first, which is the brightness.
_COSINES: Final = tuple(
    tuple(math.cos(math.pi * (2 * x + 1) * frequency / (2 * _SIDE)) for x in range(_SIDE)) for frequency in range(1, _KEPT + 1)
)


def fingerprint(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> int:
    """The 64-bit fingerprint of an image, or of an animation's first frame. Slow: call it in a thread.

    Raises `ImageError` if the bytes are not a usable image.
    """
    header = read_header(read(source), max_pixels=max_pixels)
    factor = max(1, min(header.width, header.height) // (_AVERAGED * _SIDE))
    with libvips.decoding():
        strengths = _frequencies(_small(first_frame(header, factor)))
    middle = max(statistics.median(strengths), _FLAT)
    return sum((strength > middle) << bit for bit, strength in enumerate(strengths))


def distance(a: int, b: int) -> int:
    """The number of bits, of 64, in which two fingerprints differ; see `ALIKE`."""
    return (a ^ b).bit_count()


def _small(image: pyvips.Image) -> bytes:
    """Grey and square, line by line."""
    if image.hasalpha():
        image = image.flatten(background=[_GREY])
    if image.bands > 1:
        image = (image * _LUMA).bandmean() * len(_LUMA)
    grey = image.rint().cast("uchar")
    most = _AVERAGED * _SIDE
    grey = grey.shrink(max(1, grey.width // most), max(1, grey.height // most))
    pixels, width = grey.write_to_memory(), grey.width
    narrow = [_averages(pixels[start : start + width]) for start in range(0, len(pixels), width)]
    columns = [_averages(column) for column in zip(*narrow, strict=True)]
    return bytes(itertools.chain.from_iterable(zip(*columns, strict=True)))


def _averages(line: Sequence[int]) -> list[int]:
    """The averages of `_SIDE` equal parts of a line, as the stored fingerprints were made."""
    length = len(line) / _SIDE
    middles = ((line[int(length * (n + 0.5))],) for n in range(_SIDE))  # for lines that are shorter
    parts = (line[int(length * n + 0.5) : int(length * (n + 1) + 0.5)] or middle for n, middle in enumerate(middles))
    return [round(sum(part) / len(part)) for part in parts]


def _frequencies(grey: bytes) -> list[float]:
    """The low frequencies of the two-dimensional cosine transform."""
    lines = [grey[start : start + _SIDE] for start in range(0, len(grey), _SIDE)]
    along = [[_dot(cosines, line) for line in lines] for cosines in _COSINES]
    return [_dot(cosines, column) for cosines in _COSINES for column in along]


def _dot(one: tuple[float, ...], other: bytes | list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
