"""Model descriptions with schemas for image APIs that publish none, from `known_models.json` and the operator's settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from bot.core.settings.endpoints import Endpoint, EndpointModel, OptionPrice

Raw = Mapping[str, Any]  # a model, as `Catalog.merge` expects it

_STRENGTH: Final = {
    "type": "number",
    "minimum": 0,
    "maximum": 1,
    "description": "How much to change, from 0 (nothing) to 1 (everything)",
}


def models_of(endpoint: Endpoint) -> list[Raw]:
    """An endpoint's models with prices: from its settings, or, if these list none, from `known_models.json` under its name."""
    if not endpoint.models:
        return [_priced(model, endpoint.price_credits) for model in _known().get(endpoint.name, ())]
    return [_priced(_described(model), endpoint.price_credits, model.price_credits, model.prices) for model in endpoint.models]


@cache
def _known() -> Mapping[str, list[Raw]]:
    known: Mapping[str, list[Raw]] = json.loads(files("bot.providers").joinpath("known_models.json").read_text("utf-8"))
    return known


def _priced(model: Raw, usual: float | None, own: float | None = None, prices: Sequence[OptionPrice] = ()) -> Raw:
    credit = usual if own is None else own
    if credit is None and not prices:
        return model
    by_option = {"prices": [price.model_dump() for price in prices]} if prices else {}
    return {**model, "pricing": {"method": "per_image", "credits_per_image": credit, **by_option}}


def _described(model: EndpointModel) -> Raw:
    """A model from the settings.

    Listed sizes are required: the endpoint's default may be a size that this model cannot make. So are options with a default that decide
    about the price: the endpoint's default may cost more.
    """
    priced = {name for price in model.prices for name in price.when if "default" in model.options.get(name, {})}
    properties: dict[str, Any] = {"prompt": {"type": "string"}}
    if model.edits:
        many = {"type": "array", "items": {"type": "string"}, "maxItems": model.max_references}
        properties["image"] = {"type": "string"} if model.max_references == 1 else many
    if model.edits and model.masks:
        properties["mask"] = {"type": "string"}
    if model.sizes:
        properties["size"] = {"type": "string", "enum": list(model.sizes), "default": model.sizes[0]}
    if model.edits and model.strength:
        properties["strength"] = _STRENGTH
    return {
        "id": model.id,
        "display_name": model.title or model.id,
        "summary": model.summary,
        "endpoint": "/images/edits" if model.edits else "/images/generations",
        "capabilities": {"input": ["text", "image"] if model.edits else ["text"], "output": ["image"]},
        "request_schema": {
            "type": "object",
            "required": ["prompt", *(["size"] if model.sizes else []), *sorted(priced - {"size"})],
            "properties": {**model.options, **properties},
        },
    }
