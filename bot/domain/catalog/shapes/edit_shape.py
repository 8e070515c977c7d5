"""The shape of an edit for which no aspect ratio was chosen: that of its first reference image, as far as the model and the rules allow.

First the model's own way to keep it (`match_input_image` as a value or as a switch, or "auto"), then the nearest listed ratio or size. If
none of these is allowed or listed, the model's default applies.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.domain.catalog import image_properties
from bot.domain.catalog.costs import cost_microcredits
from bot.domain.catalog.ideas import IDEA_NAMES, Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import folded
from bot.domain.catalog.schema import Option, Scalar
from bot.domain.catalog.shapes.aspect_ratios import MATCHING, pixels_of, ratio_of

AUTO: Final = "auto"
_NAMES: Final = (*IDEA_NAMES[Idea.ASPECT_RATIO], *IDEA_NAMES[Idea.RESOLUTION])
_RATIO: Final = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?)\s*[:/]\s*([0-9]{1,5}(?:\.[0-9]{1,3})?)")
_SAME: Final = math.log(1.02)  # below this, nobody sees that two shapes differ

Params = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SourceShape:
    """The first reference image of an edit, upright, and the guild's limits for the shape that is chosen after it."""

    width_px: int
    height_px: int
    ratios: tuple[str, ...] | None = None  # those that may be chosen, such as "16:9"; None: all
    max_megapixels: float | None = None

    def is_like(self, ratio: str) -> bool:
        """Whether a ratio such as "3:4" is that of the image."""
        value = _value_of(ratio)
        return value is not None and _distance(value, self) < _SAME


def kept_shape(model: ModelInfo, params: Params, source: SourceShape) -> dict[str, Scalar]:
    """The parameters that keep the shape of `source` beside `params`. Empty: the model's default.

    One whose price is not known is left out, unless that of `params` is not known either.
    """
    is_priced = cost_microcredits(model, params) is not None

    def may_be_sent(shape: dict[str, Scalar]) -> bool:
        all_params = {**params, **shape}
        return _is_allowed(model, all_params, shape, source) and not (is_priced and cost_microcredits(model, all_params) is None)

    return next((shape for shape in _shapes(model, source) if may_be_sent(shape)), {})


def repeated_shape(model: ModelInfo, params: Params, source: SourceShape) -> dict[str, Any]:
    """The params of an earlier edit whose shape was chosen after `source`. It is chosen anew if its limits are others now."""
    others = without_shape(params)
    kept = {} if _is_allowed(model, params, params, source) else kept_shape(model, others, source)
    return {**others, **kept} if kept else dict(params)


def names_shape(name: str, value: object) -> bool:
    """Whether a parameter decides about the shape: an aspect ratio, a size in pixels, a side, or a switch that keeps the source's."""
    if name in {*IDEA_NAMES[Idea.ASPECT_RATIO], *MATCHING, "width", "height"}:
        return True
    return pixels_of(str(value)) is not None or (name in _NAMES and _text_of(value) is not None)


def without_shape(params: Params) -> dict[str, Any]:
    """The parameters without those that decide about the shape."""
    return {name: value for name, value in params.items() if not names_shape(name, value)}


def shape_in(params: Params) -> str | None:
    """The shape that parameters choose: a ratio such as "3:4", one of `MATCHING`, or "auto". None: the model's default."""
    return next((text for name, value in params.items() if names_shape(name, value) and (text := _shown(name, value)) is not None), None)


def _shown(name: str, value: object) -> str | None:
    return (MATCHING[0] if value is True else None) if name in MATCHING else _text_of(value)


def _text_of(value: object) -> str | None:
    """A ratio in lowest terms, one of `MATCHING`, or "auto"; None for a value that is no shape, such as "2K"."""
    text = folded(str(value))
    return text if text in {*MATCHING, AUTO} or _RATIO.fullmatch(text) else ratio_of(text)


def _value_of(text: str) -> float | None:
    found = _RATIO.fullmatch(text)
    sides = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    return sides[0] / sides[1] if min(sides) > 0 else None


def _distance(ratio: float, source: SourceShape) -> float:
    """How far a ratio is from the image's: the same for twice as wide and for twice as high."""
    return abs(math.log(ratio * source.height_px / source.width_px))


def _shapes(model: ModelInfo, source: SourceShape) -> Iterator[dict[str, Scalar]]:
    """What can be sent for this image, the best first."""
    option = next((model.options[name] for name in _NAMES if name in model.options and _lists_shapes(model.options[name])), None)
    values = {value: text for value in (option.values if option else ()) if (text := _text_of(value)) is not None}
    name = option.name if option else ""
    yield from ({name: value} for value, text in values.items() if text in MATCHING)
    switched: Scalar = True
    yield from ({each: switched} for each in MATCHING if each in model.options and "boolean" in model.options[each].kinds)
    yield from ({name: value} for value, text in values.items() if text == AUTO)
    default = option.default if option else None
    ratios = [(round(_distance(ratio, source), 6), value != default, value) for value, text in values.items() if (ratio := _value_of(text))]
    yield from ({name: value} for _far, _is_other, value in sorted(ratios, key=lambda each: each[:2]))


def _lists_shapes(option: Option) -> bool:
    return any(_text_of(value) is not None for value in option.values)


def _is_allowed(model: ModelInfo, params: Params, shape: Params, source: SourceShape) -> bool:
    ratio = image_properties.aspect_ratio(model, params) or shape_in(shape)
    megapixels = image_properties.megapixels(model, params)
    is_small = source.max_megapixels is None or megapixels is None or megapixels <= source.max_megapixels
    return is_small and (source.ratios is None or ratio in source.ratios)
