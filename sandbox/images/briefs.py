"""Translates a model's parameters to the painter's. Every model has its own names and values; missing ones have the model's default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox.painter import Brief

if TYPE_CHECKING:
    from sandbox.images.generations import GenerationRequest, OxenGeneration

Json = dict[str, Any]

REFERENCES, MASK, STYLES = "input_image", "mask_url", "image_style_references"
_SIZES = ("resolution", "size", "image_size")
_QUALITIES = ("output_quality", "quality", "rendering_speed", "image_size")
_FACTORS = ("upscale_factor", "scale")
# What is seen in the image itself. Any other parameter is written on it, unless it is the model's default.
_DRAWN = {
    *(REFERENCES, MASK, STYLES, *_SIZES, *_QUALITIES, *_FACTORS, "aspect_ratio", "match_input_image", "num_inference_steps"),
    *("guidance_scale", "guidance", "output_format", "negative_prompt", "apply_mask", "seed", "num_images"),
}
_SHAPES = {"square": "1:1", "portrait": "2:3", "landscape": "3:2"}
_SHAPE = re.compile(r"(square|portrait|landscape)(?:_(\d+)_(\d+))?(?:_hd)?")
_MEGAPIXELS = {"square": 0.5, "512": 0.5, "optimize_for_speed": 0.5}
_AMOUNT = re.compile(r"([0-9.]+) ?(?:MP|K|x)", re.IGNORECASE)
_LEVELS = ("low", "medium", "standard", "high")
_WORDS = {"TURBO": "low", "BALANCED": "standard", "QUALITY": "high", "optimize_for_speed": "low", "optimize_for_quality": "standard"}


def images_in(parameters: Json) -> dict[str, list[str]]:
    """The links and data URIs of the images that the parameters name, by parameter: a text, a list of texts, or objects with one."""
    listed = {
        name: given if isinstance(given, list) else [given] for name, given in parameters.items() if name in (REFERENCES, MASK, STYLES)
    }
    return {name: [each["image_url"] if isinstance(each, dict) else each for each in given] for name, given in listed.items()}


def brief(generation: OxenGeneration, images: Mapping[str, tuple[bytes, ...]]) -> Brief:
    """What to draw for a generation with these images, by the parameters that name them."""
    request = generation.request
    value = _Values(request)
    return Brief(
        prompt=str(request.prompt or ""),
        seed=generation.seed,
        negative_prompt=value("negative_prompt", otherwise=""),
        aspect_ratio=_aspect_ratio(value),
        resolution=f"{_megapixels(value)} MP",
        steps=value("num_inference_steps", otherwise=28),
        guidance=value("guidance_scale", "guidance", otherwise=2.0),
        output_format=value("output_format", otherwise="png"),
        quality=_quality(value),
        references=images.get(REFERENCES, ()),
        styles=images.get(STYLES, ()),
        mask=next(iter(images.get(MASK, ())), None),
        enlarged=_amount(value(*_FACTORS, otherwise="1x")) if request.model.enlarges else None,
        cutout=value("apply_mask", otherwise=None),
        notes=tuple(f"{name}={given}" for name, given in request.parameters.items() if name not in _DRAWN and given != value.default(name)),
    )


class _Values:
    """The values of a request's parameters, and their defaults."""

    def __init__(self, request: GenerationRequest) -> None:
        self._parameters, self.default = request.parameters, request.model.default

    def __call__(self, *names: str, otherwise: Any) -> Any:
        """The value of the first of these parameters that has one."""
        found = (self._parameters.get(name, self.default(name)) for name in names)
        return next((each for each in found if each is not None), otherwise)


def _aspect_ratio(value: _Values) -> str:
    """`w:h`, or "match_input_image"."""
    given = "match_input_image" if value("match_input_image", otherwise=False) else value("aspect_ratio", *_SIZES, otherwise="1:1")
    if given in ("auto", "match_input_image"):
        return "match_input_image"
    shape = _SHAPE.fullmatch(given)
    if shape is None:
        return given if ":" in given else "1:1"
    if shape[2] is None:
        return _SHAPES[shape[1]]
    return f"{shape[3]}:{shape[2]}" if shape[1] == "portrait" else f"{shape[2]}:{shape[3]}"


def _megapixels(value: _Values) -> float:
    """A tier such as "2K" is drawn smaller than it is, so that it takes little time."""
    size = str(value(*_SIZES, otherwise="1 MP"))
    return _MEGAPIXELS.get(size) or _amount(size)


def _quality(value: _Values) -> int | str:
    """0 to 100, or a word of the painter's."""
    given = [value(name, otherwise=None) for name in _QUALITIES]
    return next((word for each in given if (word := _WORDS.get(each, each)) in _LEVELS or isinstance(word, int)), "standard")


def _amount(text: str) -> float:
    """The number in "2 MP", "4K" and "2x"; 1 for any other text."""
    found = _AMOUNT.fullmatch(text)
    return float(found[1]) if found else 1.0
