"""What a request says of its image before it is made, whatever the model calls it: shape, size, words, and whether it goes unchecked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.schema import Scalar
from bot.domain.catalog.sizes import pixels_of, ratio_of

_MEGA: Final = 1_000_000
_BY_WORD: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(k|mp|megapixels?)", re.IGNORECASE)
_K: Final = 1024  # px: "2K" is a square of 2048, or another shape of about as many pixels
_SAFETY: Final = "safety_checker"  # part of the name of every option that turns a model's own checker on or off
_NOT: Final = "negative"  # part of the name of the words for what is to be kept out
_OFF: Final = ("disable", "no_", "skip")


def aspect_ratio(model: ModelInfo, params: Mapping[str, Any]) -> str | None:
    """The shape that was chosen, such as "16:9", or another word of the model's; None: the model's own choice."""
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
    """How large an image will be, in millions of pixels, as it was chosen or as the model's default says; None: nothing tells."""
    side = _sides(params)
    if side is not None:
        return side[0] * side[1] / _MEGA
    size = model.option(Idea.RESOLUTION)
    if size is None:
        return None
    value = params.get(size.name, size.default)
    return None if value is None else _area(value, plain_number=size.name == "megapixels")


def unchecked(model: ModelInfo, params: Mapping[str, Any]) -> bool:
    """Whether the model's own safety checker is to be off."""
    switches = [option for name, option in model.options.items() if _SAFETY in name.casefold() and "boolean" in option.kinds]
    return any(params.get(option.name) is option.name.casefold().startswith(_OFF) for option in switches)


def words(prompt: str, params: Mapping[str, Any], model: ModelInfo | None = None) -> str:
    """The prompt, and whatever else was written that may be drawn: a second prompt is no way around the rules for the first.

    What an image is *not* to show is left out, and what `model` lists as a choice, where it is given.
    """
    written = [str(value) for name, value in params.items() if isinstance(value, str) and _is_written(name, value, model)]
    return "\n".join([prompt, *written])


def _is_written(name: str, value: str, model: ModelInfo | None) -> bool:
    option = model.options.get(name) if model else None
    return _NOT not in name.casefold() and not (option and value in option.values)


def _sides(params: Mapping[str, Any]) -> tuple[int, int] | None:
    match params.get("width"), params.get("height"):
        case int(width), int(height) if width > 0 and height > 0:
            return width, height
    return None


def _area(value: Scalar, *, plain_number: bool) -> float | None:
    """In megapixels: of "1536x1024", "2K", "1 MP", or a number where the option is called so."""
    sides = pixels_of(value)
    if sides is not None:
        return sides[0] * sides[1] / _MEGA
    text = str(value).strip()
    found = _BY_WORD.fullmatch(text)
    if found is not None:
        amount = float(found[1])
        return (amount * _K) ** 2 / _MEGA if found[2].casefold() == "k" else amount
    return float(text) if plain_number and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None
