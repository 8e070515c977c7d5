"""Whatever a model's prices, options and defaults are: the computed cost is never below what the local image API charges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import InvalidRequest
from bot.domain.catalog.costs import cost_microcredits
from bot.domain.catalog.models import Catalog
from bot.domain.catalog.params import build_params
from sandbox.images.catalog import OxenModel
from sandbox.images.prices import cost_usd

QUALITIES, TIERS = ("low", "medium", "high"), ("1K", "2K", "4K")
USD = st.decimals(min_value=0, max_value=3, places=4).map(str) | st.floats(0, 3).map(lambda amount: round(amount, 6))
LABELS = ("1x", "2x", "4x", "raw")
SIZES = st.sampled_from((*TIERS, "1024x1024", "2048x2048", "1536x1024", "3840x2160", "640x480", "8192x8192", "auto"))


def options_of(names: tuple[str, ...], values: st.SearchStrategy[Any], kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Up to two options with some of these names, each with or without a default and a list of values."""

    def schema(listed: list[Any], has_default: bool, is_closed: bool) -> dict[str, Any]:
        return {"type": kind} | ({"default": listed[0]} if has_default else {}) | ({"enum": listed} if is_closed else {})

    described = st.builds(schema, st.lists(values, min_size=1, max_size=4, unique=True), st.booleans(), st.booleans())
    return st.dictionaries(st.sampled_from(names), described, max_size=2)


def levels(labels: tuple[str, ...], inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from((*labels, "default")), inner, max_size=3)


BY_TIER, BY_LABEL = levels(TIERS, USD), levels(LABELS, USD)
GRIDS = BY_TIER | BY_LABEL | levels(QUALITIES, USD) | levels(QUALITIES, BY_TIER) | levels(LABELS, BY_TIER) | levels(QUALITIES, BY_LABEL)
PRICINGS = st.fixed_dictionaries({"method": st.just("per_image"), "cost_per_image": USD}, optional={"cost_per_image_grid": GRIDS})
MODELS = st.fixed_dictionaries(
    {
        "pricing": PRICINGS,
        "quality": options_of(("quality", "output_quality", "rendering_speed"), st.sampled_from((*QUALITIES, "auto")), "string"),
        "size": options_of(("resolution", "size", "image_size"), SIZES, "string"),
        "label": options_of(("scale", "creativity", "speed"), st.sampled_from(LABELS), "string"),
        "count": options_of(("num_images", "num_outputs", "max_images", "batch_size", "n"), st.integers(1, 8), "integer"),
    }
)


def chosen(data: st.DataObject, properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Some values for some of the properties."""
    values = {"string": SIZES | st.sampled_from((*QUALITIES, *LABELS)), "integer": st.integers(1, 8)}
    names = data.draw(st.sets(st.sampled_from(sorted(properties)))) if properties else ()
    return {
        name: data.draw(st.sampled_from(node["enum"]) if "enum" in node else values[node["type"]])
        for name, node in properties.items()
        if name in names
    }


@given(drawn=MODELS, data=st.data())
def test_the_cost_covers_the_charge(drawn: dict[str, Any], data: st.DataObject) -> None:
    properties = {**drawn["quality"], **drawn["size"], **drawn["label"], **drawn["count"]}
    schema = {"type": "object", "properties": properties}
    facts = {"id": "one", "endpoint": "/images/generate", "pricing": drawn["pricing"], "request_schema": schema}
    model = Catalog.read([facts], credit_usd=0.01, model_prices={}).get("one")
    params = chosen(data, properties)
    for sent in (params, _built(model, params, properties)):
        cost = cost_microcredits(model, sent)
        assert cost is not None
        assert Decimal(cost) / 100_000_000 >= cost_usd(OxenModel(facts=facts), "a fox", sent)


def _built(model: Any, params: dict[str, Any], properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The params that are sent if a member types the choices that are allowed."""
    typed = " ".join(f"{name}={value}" for name, value in params.items() if properties[name]["type"] != "integer")
    try:
        return build_params(model, {}, typed)
    except InvalidRequest:
        return build_params(model, {})
