"""Properties of an image that a request determines before it is made: aspect ratio, size, drawable text, safety checker.

All hold for values at any depth, and under any name that an image API may use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.nested import Path, leaves
from bot.domain.catalog.safety_switches import is_less_careful
from bot.domain.catalog.schema import Option
from bot.domain.catalog.shapes.aspect_ratios import MATCHING, ratio_of_words
from bot.domain.catalog.shapes.sizes import MEGA, default_size, enlargement, read_size, sizes

_RATIO: Final = re.compile(r"[0-9.]+\s*[:/]\s*[0-9.]+")


def aspect_ratio(model: ModelInfo, params: Mapping[str, Any]) -> str | None:
    """The chosen aspect ratio, such as "16:9", or another value of the model's option; None: the model's default.

    If several are chosen that differ, all of them, separated by commas: which one the image API obeys is unknown.
    """
    shape = model.option(Idea.ASPECT_RATIO)
    shaped = {name: value for name, value in params.items() if not _is_tier(model, name, value)}
    by_size = [ratio for each in sizes(model, shaped) if (ratio := each.ratio) is not None]
    by_size += [ratio for _path, value in leaves(params) if (ratio := ratio_of_words(value)) is not None]
    by_size += [path[-1] for path, value in leaves(params) if path[-1] in MATCHING and str(value).casefold() == "true"]
    given = None if shape is None or shape.sent_as or shape.name not in params else str(params[shape.name])
    counts = given is not None and (not by_size or _RATIO.fullmatch(given))  # a word such as "custom" stands for the sides
    return ", ".join(dict.fromkeys([*by_size, *([given] if given is not None and counts else [])])) or None


def _is_tier(model: ModelInfo, name: str, value: object) -> bool:
    """Whether a number such as "512" is one of the model's listed resolutions, beside which the aspect ratio is chosen."""
    shape, size = model.option(Idea.ASPECT_RATIO), model.option(Idea.RESOLUTION)
    is_listed = size is not None and size.name == name and size.closed and value in size.values
    return is_listed and shape is not None and not shape.sent_as and str(value).isdecimal()


def megapixels(model: ModelInfo, params: Mapping[str, Any]) -> float | None:
    """The image's largest size in millions of pixels, as chosen or by the model's default; None: unknown."""
    chosen = sizes(model, params)
    if chosen:
        return max(size.megapixels for size in chosen) * enlargement(params)
    option = model.option(Idea.RESOLUTION)
    if option is None:
        usual = default_size(model)
    else:
        usual = None if option.name in params or option.default is None else read_size(option.name, option.default)
    return None if usual is None else usual.megapixels * enlargement(params)


def upscaled_megapixels(model: ModelInfo, params: Mapping[str, Any], references: Iterable[tuple[int, int]]) -> float | None:
    """The size of the result in millions of pixels, from those of the reference images in px; None: the model is no upscaler."""
    if not model.upscales:
        return None
    scale = model.option(Idea.SCALE)
    usual = {scale.name: scale.default} if scale is not None and scale.default is not None else {}
    largest = max((width * height for width, height in references), default=0)
    return largest / MEGA * enlargement({**usual, **params})


def safety_checker_off(model: ModelInfo, params: Mapping[str, Any]) -> bool:
    """Whether the request makes the model less careful than usual."""
    return any(is_less_careful(path, value, _option(model, path)) for path, value in leaves(params))


def drawable_text(prompt: str, params: Mapping[str, Any], model: ModelInfo | None = None) -> str:
    """The prompt and all other texts of the parameters: prompt rules must also hold for a second or a negative prompt.

    If `model` is given, the values that it lists are left out.
    """
    return "\n".join(dict.fromkeys([prompt, *_texts(params, model)]))


def _texts(params: Mapping[str, Any], model: ModelInfo | None) -> Iterator[str]:
    for path, value in leaves(params):
        option = _option(model, path)
        yield from path[1:]
        if isinstance(value, str) and not (option and value in option.values):
            yield value


def _option(model: ModelInfo | None, path: Path) -> Option | None:
    """The model's option that a value is for; None inside of objects."""
    return model.options.get(path[0]) if model is not None and len(path) == 1 else None
