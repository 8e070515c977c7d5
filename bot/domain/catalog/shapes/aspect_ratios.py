"""Aspect ratios for models that only list sizes: in pixels, or by words. A ratio is offered if one of the sizes has exactly that ratio."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bot.domain.catalog.schema import Option, Scalar

_SIZE: Final = re.compile(r"([1-9][0-9]{0,5})\s*[x×*]\s*([1-9][0-9]{0,5})")
_SHAPE: Final = re.compile(r"(?P<shape>square|portrait|landscape)(?:_hd)?(?P<sides>_\d{1,2}_\d{1,2})?(?:_hd)?", re.IGNORECASE)
# What keeps the shape of the reference image: values, and names of switches.
MATCHING: Final = ("match_input_image", "match_input", "match_image", "match_source", "same_as_input")
# Words without sides. Source: https://platform.openai.com/docs/guides/image-generation, which has 1024x1536 and 1536x1024.
_WITHOUT_SIDES: Final[Mapping[str, str]] = {"portrait": "2:3", "landscape": "3:2"}


def pixels_of(size: Scalar) -> tuple[int, int] | None:
    """Width and height in px; None if `size` is not a size in pixels."""
    found = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    return None if found is None else (int(found[1]), int(found[2]))


def ratio_of(size: Scalar) -> str | None:
    """The ratio in lowest terms: "1536x1024" is "3:2", and so is "landscape". None if `size` has no ratio, such as "2K"."""
    sides = pixels_of(size)
    if sides is None:
        return ratio_of_words(size) or _WITHOUT_SIDES.get(str(size).strip().casefold())
    width, height = sides
    common = math.gcd(width, height)
    return f"{width // common}:{height // common}"


def ratio_of_words(value: object) -> str | None:
    """The ratio of "square_hd", "portrait_4_3" and "landscape_16_9"."""
    found = _SHAPE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    if found["sides"] is None:
        return "1:1" if found["shape"].casefold() == "square" else None
    sides = sorted(map(int, found["sides"].strip("_").split("_")), reverse=found["shape"].casefold() != "portrait")
    return ":".join(map(str, sides))


def as_ratios(sizes: Option) -> Option | None:
    """The same option with ratios as values. None if it lists no sizes with a ratio.

    Of several sizes with one ratio, the default is used, else the first in the schema's order.
    """
    sent_as: dict[Scalar, Scalar] = {}
    default_first = (sizes.default,) if sizes.default in sizes.values else ()
    for size in (*default_first, *sizes.values):
        if size is not None and (ratio := ratio_of(size)) is not None:
            sent_as.setdefault(ratio, size)
    if not sent_as:
        return None
    in_order = dict.fromkeys(ratio for size in sizes.values if (ratio := ratio_of(size)) is not None)
    default = None if sizes.default is None else ratio_of(sizes.default)
    return replace(sizes, kinds=frozenset({"string"}), values=tuple(in_order), closed=True, default=default, sent_as=sent_as)
