"""Models for tests, built from an image API's descriptions."""

from __future__ import annotations

from typing import Any

from bot.domain.catalog.models import Catalog, ModelInfo


def catalog_of(*models: dict[str, Any]) -> Catalog:
    """A catalogue of image models; each needs at least an `id`."""
    raw = [{"capabilities": {"input": ["text"], "output": ["image"]}, **model} for model in models]
    return Catalog.read(raw, credit_usd=0.01, model_prices={})


def model_of(*, required: list[str] | None = None, pricing: object = None, price: float | None = None, **properties: Any) -> ModelInfo:
    """A model titled "Model One" with these parameters. `price`: the operator's, in credits."""
    schema = {"type": "object", "properties": properties, "required": required or []}
    raw = {"id": "one", "display_name": "Model One", "request_schema": schema, "pricing": pricing, "endpoint": "/images/generate"}
    return Catalog.read([raw], credit_usd=0.01, model_prices={} if price is None else {"one": price}).get("one")
