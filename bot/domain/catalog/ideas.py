"""Common options ("ideas"): how to find them in a model's schema under any name, and their autocomplete choices."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.core.i18n import _
from bot.domain.catalog.options import coerce, fits, show, span, written
from bot.domain.catalog.schema import Option, Scalar

MAX_CHOICES: Final = 25  # Discord shows no more
_MAX_NAME: Final = 100  # characters of a choice


class Idea(StrEnum):
    """An option of the slash commands; its value is the option's name there."""

    ASPECT_RATIO = "aspect_ratio"  # the image's shape
    STEPS = "steps"  # how long the model works on it
    GUIDANCE = "guidance"  # how closely it follows the prompt
    QUALITY = "quality"  # how good the file is
    FORMAT = "format"  # the file's type
    RESOLUTION = "resolution"  # how large it is
    STRENGTH = "strength"  # how much an edit changes: 0 keeps the image, 1 replaces it
    SEED = "seed"  # start of the random numbers
    SCALE = "scale"  # how many times larger an upscaler makes each side


# The names of each idea in schemas; the first that a schema has is used.
IDEA_NAMES: Final[Mapping[Idea, tuple[str, ...]]] = {
    Idea.ASPECT_RATIO: ("aspect_ratio", "ratio", "image_ratio"),
    Idea.STEPS: ("num_inference_steps", "steps", "inference_steps", "num_steps", "sampling_steps", "sample_steps"),
    Idea.GUIDANCE: ("guidance_scale", "guidance", "cfg_scale", "cfg", "true_cfg_scale"),
    Idea.QUALITY: ("output_quality", "quality", "image_quality", "compression_quality", "rendering_speed"),
    Idea.FORMAT: ("output_format", "image_format", "format", "file_format"),
    Idea.RESOLUTION: ("resolution", "image_size", "size", "output_resolution", "megapixels"),
    Idea.STRENGTH: ("strength", "prompt_strength", "denoising_strength"),
    Idea.SEED: ("seed", "random_seed", "noise_seed"),
    Idea.SCALE: ("upscale_factor", "scale", "upscale", "scale_factor", "upscaling_factor", "upscale_ratio", "outscale", "factor"),
}

# The names of reference images in schemas.
REFERENCE_NAMES: Final = ("input_image", "input_images", "image", "images", "image_url", "image_urls", "reference_images")
# The names of masks in schemas: of images that say where the first reference image is changed.
MASK_NAMES: Final = ("mask_url", "mask", "mask_image", "mask_image_url")
# Of images that only the style is taken from. Each is an object, with its link in this property.
STYLE_NAMES: Final[Mapping[str, str]] = {"image_style_references": "image_url"}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An autocomplete choice: the shown name and the sent value, each at most 100 characters."""

    name: str
    value: str


def find_option(options: Mapping[str, Option], names: Iterable[str]) -> Option | None:
    """The option with the first of `names` that exists."""
    return next((options[name] for name in names if name in options), None)


def choices(option: Option, typed: str) -> list[Choice]:
    """At most 25 choices for the typed text: listed values that contain it, or suggested numbers."""
    offers = _listed(option, typed) if option.values else _numbers(option, typed)
    unique = {choice.value: choice for choice in offers if len(choice.value) <= _MAX_NAME}
    return list(unique.values())[:MAX_CHOICES]


def _listed(option: Option, typed: str) -> list[Choice]:
    wanted = typed.strip().casefold()
    shown = {value: show(value).casefold() for value in option.values if len(str(value)) <= _MAX_NAME}
    values = sorted((value for value in shown if wanted in shown[value]), key=lambda value: not shown[value].startswith(wanted))
    found = [_choice(option, value) for value in values[:MAX_CHOICES]]
    return found or _typed(option, typed)


def _numbers(option: Option, typed: str) -> list[Choice]:
    """The typed number if it is allowed, then the default and a few values spread over the range."""
    helpful = [option.default] if option.default is not None else []
    if option.kinds & {"integer", "number"} and option.least is not None and option.most is not None:
        helpful += _spread(option, option.least, option.most)
    own = _typed(option, typed)
    return own + [_choice(option, value) for value in helpful if own == [] or show(value).startswith(typed.strip())]


def _spread(option: Option, least: float, most: float) -> list[Scalar]:
    unit = option.step or (1 if "number" not in option.kinds else 0.5 if most - least >= 5 else 0.1)
    quarters = [least + (most - least) * part / 4 for part in range(5)]
    values = [quarters[0], *(round(value / unit) * unit for value in quarters[1:4]), quarters[4]]
    tidy = [int(value) if value == math.floor(value) else round(value, 6) for value in values]
    return [value for value in dict.fromkeys(tidy) if fits(option, value)]


def _typed(option: Option, typed: str) -> list[Choice]:
    """The typed text as a choice, if the option accepts it."""
    with contextlib.suppress(ValueError):
        value = coerce(option, typed)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if typed.strip() and not isinstance(value, list) and (not number or fits(option, float(value))):
            return [_choice(option, value)]
    return []


def _choice(option: Option, value: Scalar) -> Choice:
    shown = show(value)
    meaning = show(option.sent_as[value]) if value in option.sent_as else ""
    default = _("default") if option.default is not None and shown == show(option.default) else ""
    scope = "" if option.values else span(option)
    marks = ", ".join(filter(None, (meaning, default, scope)))
    named = written(value) if isinstance(value, float) else shown
    return Choice(name=(f"{named} ({marks})" if marks else named)[:_MAX_NAME], value=value if isinstance(value, str) else shown)
