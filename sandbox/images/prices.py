"""What the local Oxen charges, and what its estimates say.

A model is charged per image (by its options if its prices are a grid), by the seconds that a generation takes, or by tokens. A grid
has one or two levels; the labels of a level are qualities, sizes, or values of any option that lists them all. The label "default" is
for all other requests.
A request for several images is charged for each.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.images.catalog import OxenModel

Json = dict[str, Any]

_COUNTS = ("num_images", "num_outputs", "max_images", "batch_size", "n")
_QUALITIES = ("quality", "output_quality", "rendering_speed", "enhancement_strength")
_TIERS = ("resolution", "size", "image_size", "upscale_factor", "scale")
_USUAL_STEPS = 28
_SECONDS_PER_STEP = Decimal("0.25")
_TOKENS_PER_IMAGE = 1000
_K = 1024


def cost_usd(model: OxenModel, prompt: Any, parameters: Json) -> Decimal:
    """The charge for one generation, in US dollars."""
    return _RULES[model.facts["pricing"]["method"]](model, prompt, parameters) * _count(model, parameters)


def estimate(model: OxenModel, prompt: Any, parameters: Json) -> Json:
    """`{"type": "exact", "cost"}`, `{"type": "range", "min_cost", "max_cost"}`, `{"type": "rate", ...}` or `{"type": "unknown"}`."""
    cost, pricing = cost_usd(model, prompt, parameters), model.facts["pricing"]
    match pricing["method"]:
        case "per_image":
            return {"type": "exact", "cost": str(cost)}
        case "time" | "token" if model.media_type == "image":
            return {"type": "range", "min_cost": str(cost / 2), "max_cost": str(cost * 2)}
        case "per_video_output_second":
            return {"type": "rate", "cost_per_second": pricing["cost_per_second"]}
        case _:
            return {"type": "unknown"}


def _per_image(model: OxenModel, prompt: Any, parameters: Json) -> Decimal:
    del prompt
    pricing = model.facts["pricing"]
    found = _entry(model, parameters, pricing.get("cost_per_image_grid", {}))
    found = _entry(model, parameters, found) if isinstance(found, dict) else found
    return Decimal(str(pricing.get("cost_per_image", 0) if found is None else found))


def _entry(model: OxenModel, parameters: Json, level: Json) -> Any:
    """What a level of a grid has for a request, or None."""
    for name, option in model.schema.get("properties", {}).items():
        if name in _QUALITIES + _TIERS or (level and level.keys() <= set(option.get("enum", ()))):
            label = _tier(_chosen(model, parameters, (name,)))
            if label in level:
                return level[label]
    return level.get("default")


def _by_time(model: OxenModel, prompt: Any, parameters: Json) -> Decimal:
    del prompt
    steps = _chosen(model, parameters, ("num_inference_steps",)) or _USUAL_STEPS
    return Decimal(str(model.facts["pricing"]["cost_per_second"])) * Decimal(str(steps)) * _SECONDS_PER_STEP


def _by_token(model: OxenModel, prompt: Any, parameters: Json) -> Decimal:
    del parameters
    pricing = model.facts["pricing"]
    taken = len(str(prompt or "").encode())
    return Decimal(str(pricing["input_cost_per_token"])) * taken + Decimal(str(pricing["output_cost_per_token"])) * _TOKENS_PER_IMAGE


def _per_second_of_video(model: OxenModel, prompt: Any, parameters: Json) -> Decimal:
    del prompt
    return Decimal(str(model.facts["pricing"]["cost_per_second"])) * int(_chosen(model, parameters, ("duration",)) or 5)


_RULES = {"per_image": _per_image, "time": _by_time, "token": _by_token, "per_video_output_second": _per_second_of_video}


def _chosen(model: OxenModel, parameters: Json, names: tuple[str, ...]) -> Any:
    """The first of these parameters that was sent or has a default."""
    found = (parameters.get(name, model.default(name)) for name in names)
    return next((each for each in found if each is not None), None)


def _count(model: OxenModel, parameters: Json) -> int:
    count = _chosen(model, parameters, _COUNTS)
    return count if isinstance(count, int) and count > 0 else 1


def _tier(size: Any) -> Any:
    """The tier of a size in pixels: the smallest that contains it. Any other value is its own."""
    sides = str(size).lower().split("x")
    if len(sides) == 2 and all(side.isdecimal() for side in sides):
        return f"{next((k for k in (1, 2, 4) if max(map(int, sides)) <= k * _K), 4)}K"
    return size if isinstance(size, str) else None
