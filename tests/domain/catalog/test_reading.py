"""The budget of a list of models: a model that is too large is left out, and the others stay."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bot.domain.catalog.models import Catalog
from bot.domain.catalog.reading import LIST_BYTES, MODEL_BYTES, is_quick

SMALL: dict[str, Any] = {"type": "string", "enum": ["a", "b"]}


def model(name: str, node: Any, *, copies: int = 1, **more: Any) -> dict[str, Any]:
    schema = {"properties": {f"p{n}": node for n in range(copies)}, "$defs": {"x": {"anyOf": [{"enum": list(range(30))}] * 30}}}
    return {"id": name, "endpoint": "/images/generations", "request_schema": schema, **more}


def nested(levels: int) -> Any:
    inner: Any = []
    for _ in range(levels):
        inner = [inner]
    return inner


BAD = {
    "references": model("bad", {"anyOf": [{"$ref": "#/$defs/x"}]}, copies=90),
    "patterns": model("bad", {"anyOf": [{"pattern": f"(a?){{50}}{n}"} for n in range(15)]}, copies=90),
    "bytes": model("bad", SMALL, description="x" * MODEL_BYTES),
    "depth": model("bad", SMALL, extra=nested(100_000)),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_model_that_is_too_large_is_left_out_alone(bad: dict[str, Any]) -> None:
    begun = time.process_time()
    catalog = Catalog.read([model("a", SMALL), bad, model("b", SMALL)], credit_usd=0.01, model_prices={})
    assert [each.id for each in catalog.models] == ["a", "b"]
    assert [(each.id, each.reason) for each in catalog.left_out["oxen"]] == [("bad", "it is too large")]
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("each", "count"),
    [({"description": "x" * (MODEL_BYTES // 2)}, 2 * LIST_BYTES // MODEL_BYTES + 20), ({"copies": 1}, 200)],
    ids=["bytes", "parts"],
)
def test_the_rest_of_a_list_that_is_too_large_is_left_out(each: dict[str, Any], count: int) -> None:
    models = [model(f"m{n:04}", {"anyOf": [{"$ref": "#/$defs/x"}]}, **each) for n in range(count)]
    catalog = Catalog.read(models, credit_usd=0.01, model_prices={})
    assert 0 < len(catalog) < count
    assert len(catalog) + len(catalog.left_out["oxen"]) == count
    assert catalog.left_out["oxen"][-1].reason == "the models before it in the list are too large"


@pytest.mark.parametrize("many", [*BAD.values(), model("large", {"enum": list(range(900))}, copies=2)], ids=[*BAD, "values"])
def test_only_a_short_list_is_quick(many: dict[str, Any]) -> None:
    small = {"id": "small", "request_schema": {"properties": {"x": SMALL}}}
    assert is_quick([small, small])
    assert not is_quick([small, many])
    assert not is_quick([small] * 1000)


def test_the_list_of_one_image_api_takes_nothing_from_the_others() -> None:
    large = [model(f"m{n:04}", {"anyOf": [{"$ref": "#/$defs/x"}]}) for n in range(200)]
    catalog = Catalog.merge({"one": large, "two": [model("a", SMALL)]}, credit_usd=0.01, model_prices={})
    assert catalog.get("a").provider == "two"
