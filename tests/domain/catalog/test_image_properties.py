"""Properties of an image that its request determines."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.catalog.image_properties import aspect_ratio, drawable_text, megapixels, safety_checker_off
from bot.domain.catalog.models import Catalog, ModelInfo

TEXT, NUMBER, SWITCH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
SIZES = {"type": "string", "enum": ["1024x1024", "1536x1024"], "default": "1024x1024"}
AREAS = {"type": "string", "enum": ["0.5 MP", "1 MP", "2 MP"], "default": "1 MP"}


def model(**properties: Any) -> ModelInfo:
    raw = {"id": "m", "endpoint": "/images/generations", "request_schema": {"type": "object", "properties": properties}}
    return Catalog.read([raw], credit_usd=0.01, model_prices={}).models[0]


@pytest.mark.parametrize(
    ("properties", "params", "expected"),
    [
        ({"aspect_ratio": TEXT}, {"aspect_ratio": "16:9"}, "16:9"),
        ({"aspect_ratio": TEXT}, {"aspect_ratio": "match_input_image"}, "match_input_image"),
        ({"aspect_ratio": TEXT}, {}, None),
        ({"size": SIZES}, {"size": "1536x1024"}, "3:2"),
        ({"aspect_ratio": TEXT, "resolution": AREAS}, {"aspect_ratio": "3:2", "resolution": "2 MP"}, "3:2"),
        ({"aspect_ratio": TEXT, "width": NUMBER, "height": NUMBER}, {"width": 1920, "height": 1080, "aspect_ratio": "custom"}, "16:9"),
        ({}, {}, None),
    ],
)
def test_the_chosen_aspect_ratio(properties: dict[str, Any], params: dict[str, Any], expected: str | None) -> None:
    assert aspect_ratio(model(**properties), params) == expected


@pytest.mark.parametrize(
    ("properties", "params", "expected"),
    [
        ({"resolution": AREAS}, {"resolution": "2 MP"}, 2.0),
        ({"resolution": AREAS}, {}, 1.0),
        ({"size": SIZES}, {}, 1.048576),
        ({"resolution": {"type": "string", "enum": ["1K", "2K", "4K"]}}, {"resolution": "2K"}, 4.194304),
        ({"megapixels": TEXT}, {"megapixels": "0.25"}, 0.25),
        ({"width": NUMBER, "height": NUMBER}, {"width": 2000, "height": 1000}, 2.0),
        ({"resolution": TEXT}, {"resolution": "high"}, None),
        ({}, {}, None),
    ],
)
def test_the_size_in_megapixels(properties: dict[str, Any], params: dict[str, Any], expected: float | None) -> None:
    assert megapixels(model(**properties), params) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("disable_safety_checker", True, True),
        ("disable_safety_checker", False, False),
        ("enable_safety_checker", False, True),
        ("enable_safety_checker", True, False),
        ("safety_checker", False, True),
        ("use_Safety_Checker_v2", False, True),
        ("safety_checker", None, False),
    ],
)
def test_whether_the_safety_checker_is_off(name: str, value: bool | None, expected: bool) -> None:
    assert safety_checker_off(model(**{name: SWITCH}), {} if value is None else {name: value}) is expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"second_prompt": "a sword"}, "a fox\na sword"),
        ({"negative_prompt": "a sword"}, "a fox"),
        ({"resolution": "2 MP", "steps": 4}, "a fox"),
    ],
)
def test_other_text_parameters_are_drawable_text(params: dict[str, Any], expected: str) -> None:
    assert drawable_text("a fox", params, model(second_prompt=TEXT, negative_prompt=TEXT, resolution=AREAS, steps=NUMBER)) == expected
