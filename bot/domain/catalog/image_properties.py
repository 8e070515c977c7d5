"""Properties of an image that a request determines before it is made: aspect ratio, size, drawable text, safety checker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from bot.domain.catalog.aspect_ratios import pixels_of, ratio_of
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.schema import Scalar

_MEGA: Final = 1_000_000
_BY_WORD: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(k|mp|megapixels?)", re.IGNORECASE)
_K: Final = 1024  # px: "2K" is a square of 2048, or another shape of about as many pixels
_SAFETY: Final = "safety_checker"  # part of the name of every option that turns a model's safety checker on or off
_NEGATIVE: Final = "negative"  # part of the name of negative prompts
_OFF: Final = ("disable", "no_", "skip")


def aspect_ratio(model: ModelInfo, params: Mapping[str, Any]) -> str | None:
    """The chosen aspect ratio, such as "16:9", or another value of the model's option; None: the model's default."""
    side = _sides(params)
    if side is not None:
        return ratio_of(f"{side[0]}x{side[1]}")
    size = model.option(Idea.RESOLUTION)
    by_size = None if size is None else ratio_of(params.get(size.name, ""))
    shape = model.option(Idea.ASPECT_RATIO)
    if by_size is not None or shape is None or shape.sent_as or shape.name not in params:
        return by_size
    return str(params[shape.name])


def megapixels(model: ModelInfo, params: Mapping[str, Any]) -> float | None:
    """The image's size in millions of pixels, as chosen or by the model's default; None: unknown."""
    side = _sides(params)
    if side is not None:
        return side[0] * side[1] / _MEGA
    size = model.option(Idea.RESOLUTION)
    if size is None:
        return None
    value = params.get(size.name, size.default)
    return None if value is None else _area(value, plain_number=size.name == "megapixels")


def safety_checker_off(model: ModelInfo, params: Mapping[str, Any]) -> bool:
    """Whether the request turns the model's safety checker off."""
    switches = [option for name, option in model.options.items() if _SAFETY in name.casefold() and "boolean" in option.kinds]
    return any(params.get(option.name) is option.name.casefold().startswith(_OFF) for option in switches)


def drawable_text(prompt: str, params: Mapping[str, Any], model: ModelInfo | None = None) -> str:
    """The prompt and all other text parameters: prompt rules must also hold for a second prompt.

    Negative prompts are left out, and, if `model` is given, the values that it lists.
    """
    texts = [str(value) for name, value in params.items() if isinstance(value, str) and _is_drawable(name, value, model)]
    return "\n".join([prompt, *texts])


def _is_drawable(name: str, value: str, model: ModelInfo | None) -> bool:
    option = model.options.get(name) if model else None
    return _NEGATIVE not in name.casefold() and not (option and value in option.values)


def _sides(params: Mapping[str, Any]) -> tuple[int, int] | None:
    match params.get("width"), params.get("height"):
        case int(width), int(height) if width > 0 and height > 0:
            return width, height
    return None


def _area(value: Scalar, *, plain_number: bool) -> float | None:
    """Megapixels of "1536x1024", "2K", "1 MP", or of a plain number if the option is named "megapixels"."""
    sides = pixels_of(value)
    if sides is not None:
        return sides[0] * sides[1] / _MEGA
    text = str(value).strip()
    found = _BY_WORD.fullmatch(text)
    if found is not None:
        amount = float(found[1])
        return (amount * _K) ** 2 / _MEGA if found[2].casefold() == "k" else amount
    return float(text) if plain_number and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None
