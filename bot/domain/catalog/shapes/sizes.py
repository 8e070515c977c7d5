"""Finds every size that a request chooses, under any name and at any depth: `width` and `height`, "1536x1024", "2K", `{"width": 8}`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.nested import Path, groups, leaves, words_of
from bot.domain.catalog.options import factor_of
from bot.domain.catalog.shapes.aspect_ratios import ratio_of, ratio_of_words

MEGA: Final = 1_000_000
_WIDTH: Final = frozenset({"w", "width"})
_HEIGHT: Final = frozenset({"h", "height"})
# Sizes of other things than the image.
_NO_IMAGE: Final = frozenset({"stroke", "line", "border", "pen", "outline", "font", "tile", "kernel", "latent", "patch"})
_SIZE_WORDS: Final = frozenset({"size", "resolution", "dimension", "dimensions", "megapixel", "megapixels", "mp", "pixels"})
_AREA_WORDS: Final = frozenset({"megapixel", "megapixels", "mp"})
_BY_WORD: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(k|mp|megapixels?)", re.IGNORECASE)
_SIDES: Final = re.compile(r"([0-9]{2,6})\s*(?:px)?\s*[x×*,;/:]\s*([0-9]{2,6})\s*(?:px)?", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_K: Final = 1024  # px: "2K" is a square of 2048, or another shape of about as many pixels
_WORD_SIDE: Final = 1024  # px: the longer side of "square_hd" and "portrait_4_3" at the image APIs that have such sizes
_WORD_SIDE_WITHOUT_RATIO: Final = 1536  # px: that of "portrait" and "landscape"
_SMALLEST_SIDE: Final = 64  # px: a smaller number is no side of an image


_ENLARGING: Final = frozenset({"upscale", "upscaler", "upscaling", "enlarge", "enlargement", "hires", "hr"})
_SCALES: Final = ({"scale"}, {"scale", "factor"}, {"resize", "factor"})  # but not `guidance_scale`
_TIMES_MAX: Final = 16  # a larger number is something else


class Size(NamedTuple):
    """One chosen size. None: unknown; with one side, `megapixels` is that of a square."""

    megapixels: float
    width: float | None = None  # px
    height: float | None = None

    @property
    def ratio(self) -> str | None:
        """The aspect ratio in lowest terms; None: unknown."""
        if self.width is None and self.height is None:
            return None
        if self.width is None or self.height is None:
            return " : ".join("?" if side is None else f"{side:g}" for side in (self.width, self.height))
        if self.width % 1 or self.height % 1:
            return f"{self.width:g}:{self.height:g}"
        common = math.gcd(int(self.width), int(self.height))
        return f"{int(self.width) // common}:{int(self.height) // common}"


def sizes(model: ModelInfo, params: Mapping[str, Any]) -> tuple[Size, ...]:
    """Every size that the parameters choose. A side that is missing has the model's default, else it is unknown."""
    return tuple(size for path, values in groups(params) for size in _of_group(model, path, values))


def enlargement(params: Mapping[str, Any]) -> float:
    """How many times more pixels the image gets after it was made: 4 for `upscale_factor=2`."""
    times = (_times(value) for path, value in leaves(params) if _enlarges(set(words_of(path[-1]))))
    return max(times, default=1.0) ** 2


def _enlarges(words: set[str]) -> bool:
    return bool(words & _ENLARGING) or words in _SCALES


def _times(value: object) -> float:
    factor = factor_of(value)
    return factor if factor is not None and 1 <= factor <= _TIMES_MAX else 1.0


def default_size(model: ModelInfo) -> Size | None:
    """The size of a model that takes sides, by their defaults; None: unknown."""
    width, height = _default(model, _WIDTH), _default(model, _HEIGHT)
    return None if width is None or height is None else _rectangle(width, height)


def read_size(name: str, value: object) -> Size | None:
    """The size that one value gives: "1536x1024" under any name; "2K", 2048, "1 MP" or "landscape" under a name that tells of a size."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    words, text = _size_words(name), str(value).strip()
    if words & _NO_IMAGE:
        return None
    sides = _SIDES.fullmatch(text)
    if sides is not None and min(float(sides[1]), float(sides[2])) >= _SMALLEST_SIDE:
        return _rectangle(float(sides[1]), float(sides[2]))
    if not words & _SIZE_WORDS:
        return None
    ratio = ratio_of(text) if sides is None else None
    if ratio is not None:
        return _by_words(text, ratio)
    found = _BY_WORD.fullmatch(text)
    if found is not None:
        amount = float(found[1])
        return Size(megapixels=(amount * _K) ** 2 / MEGA if found[2].casefold() == "k" else amount)
    if not _NUMBER.fullmatch(text):
        return None
    if words & _AREA_WORDS:
        return Size(megapixels=float(text))
    return _rectangle(float(text), float(text)) if float(text) >= _SMALLEST_SIDE else None


def _by_words(text: str, ratio: str) -> Size:
    """The size of "portrait_4_3" or "landscape", as large as it usually is."""
    width, height = map(int, ratio.split(":"))
    unit = (_WORD_SIDE if ratio_of_words(text) else _WORD_SIDE_WITHOUT_RATIO) // max(width, height)
    return _rectangle(width * unit, height * unit)


def _size_words(name: str) -> set[str]:
    """The words of a name; "imagesize" counts as "size"."""
    return {*words_of(name), *(word for word in _SIZE_WORDS if len(word) > 3 and name.casefold().endswith(word))}


def _of_group(model: ModelInfo, path: Path, values: Mapping[str, Any]) -> Iterator[Size]:
    """The sizes in one object: by a width and a height, and by single values."""
    width, height = _side(values, _WIDTH), _side(values, _HEIGHT)
    if width or height:
        is_whole_request = not path
        width = width or (_default(model, _WIDTH) if is_whole_request else None)
        height = height or (_default(model, _HEIGHT) if is_whole_request else None)
        yield Size(megapixels=(width or height or 0) * (height or width or 0) / MEGA, width=width, height=height)
    for name, value in values.items():
        yield from _of_value(name, value)


def _of_value(name: str, value: object) -> Iterator[Size]:
    """The sizes by one value, or by each of a list; a list of two numbers is one size."""
    each = list(value) if isinstance(value, list | tuple) else [value]
    sides = [length for side in each if (length := _length(side)) is not None]
    if len(each) == len(sides) == 2 and _size_words(name) & _SIZE_WORDS:
        yield _rectangle(*sides)
        return
    yield from (size for one in each if (size := read_size(name, one)) is not None)


def _side(values: Mapping[str, Any], names: frozenset[str]) -> float | None:
    """The longest of the sides with such a name."""
    return max((length for name, value in values.items() if _is_side(name, names) and (length := _length(value)) is not None), default=None)


def _is_side(name: str, names: frozenset[str]) -> bool:
    words = set(words_of(name))
    return bool(words & names or name.casefold().endswith(max(names, key=len))) and not words & _NO_IMAGE


def _length(value: object) -> float | None:
    text = "" if isinstance(value, bool) else str(value).strip().removesuffix("px").rstrip()
    length = float(text) if _NUMBER.fullmatch(text) else 0
    return length if length > 0 else None


def _default(model: ModelInfo, names: frozenset[str]) -> float | None:
    return next((length for name, option in model.options.items() if _is_side(name, names) and (length := _length(option.default))), None)


def _rectangle(width: float, height: float) -> Size:
    return Size(megapixels=width * height / MEGA, width=width, height=height)
