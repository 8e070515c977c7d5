"""Which upscaler is used if none is named, and what is offered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.core.errors import InvalidRequest
from bot.domain.actor import Actor
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import Catalog
from bot.services.money.upscalers import upscale_offers, upscaler
from tests.env.jobs import request_by
from tests.services.conftest import Pipeline

IMAGE = {"type": "string", "format": "uri"}
SCALES = {"type": "string", "enum": ["2x", "4x"], "default": "2x"}


def raw(model_id: str, usd: float, **properties: Any) -> dict[str, Any]:
    schema = {"properties": {"input_image": IMAGE, **properties}, "required": ["input_image"]}
    pricing = {"method": "per_image", "cost_per_image": usd}
    return {"id": model_id, "request_schema": schema, "pricing": pricing, "endpoint": "/images/edit"}


CATALOG = Catalog.read([raw("dear", 0.2, scale=SCALES), raw("cheap", 0.1), raw("free", 0)], credit_usd=0.01, model_prices={})
HERE = request_by(Actor(user_id=7))


@pytest.mark.parametrize(
    ("options", "usual", "chosen"),
    [
        ({}, (), "free"),
        ({}, ("unknown", "cheap"), "cheap"),
        ({Idea.SCALE: "4x"}, ("cheap",), "dear"),
        ({Idea.SCALE: "4x", Idea.FORMAT: "jpg"}, (), "dear"),
        ({Idea.SCALE: "9x"}, (), "free"),
    ],
)
async def test_the_usual_or_the_cheapest_that_takes_the_options(pipeline: Pipeline, options: Any, usual: Any, chosen: str) -> None:
    assert upscaler(pipeline.pricing, CATALOG.models, HERE, options, usual=usual) == chosen


async def test_every_scale_is_offered_the_cheapest_model_first(pipeline: Pipeline) -> None:
    offers = upscale_offers(pipeline.pricing, CATALOG.models, HERE)
    assert [(each.model.id, each.scale) for each in offers] == [("free", None), ("cheap", None), ("dear", "2x"), ("dear", "4x")]


async def test_a_model_with_an_estimate_alone_is_offered_for_it(pipeline: Pipeline) -> None:
    estimated = {**raw("slow", 0), "pricing": {"method": "time", "estimated_usd": "0.3"}}
    catalog = Catalog.read([estimated], credit_usd=0.01, model_prices={})
    (offer,) = upscale_offers(pipeline.pricing, catalog.models, HERE)
    assert offer.price == 30_000_000


async def test_a_model_without_a_price_upscales_nothing(pipeline: Pipeline) -> None:
    models = [replace(model, price_microcredits=None) for model in CATALOG.models]
    with pytest.raises(InvalidRequest, match="No model here"):
        upscaler(pipeline.pricing, models, HERE, {}, usual=())


async def test_of_very_many_models_only_some_are_compared(pipeline: Pipeline) -> None:
    many = Catalog.read([raw(f"m{n}", n / 100, scale=SCALES) for n in range(400)], credit_usd=0.01, model_prices={})
    assert len(upscale_offers(pipeline.pricing, many.models, HERE)) == 50
    assert upscaler(pipeline.pricing, many.models, HERE, {}, usual=("m399",)) == "m399"
