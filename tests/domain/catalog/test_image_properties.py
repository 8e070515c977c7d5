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
        ({"match_input_image": SWITCH}, {"match_input_image": True}, "match_input_image"),
        ({"match_image": SWITCH}, {"match_image": True}, "match_image"),
        ({"match_image": SWITCH}, {"match_image": False}, None),
        ({"size": SIZES}, {"size": "1536x1024"}, "3:2"),
        ({"aspect_ratio": TEXT, "resolution": AREAS}, {"aspect_ratio": "3:2", "resolution": "2 MP"}, "3:2"),
        ({"aspect_ratio": TEXT, "width": NUMBER, "height": NUMBER}, {"width": 1920, "height": 1080, "aspect_ratio": "custom"}, "16:9"),
        ({"image_size": TEXT}, {"image_size": "portrait_4_3"}, "3:4"),
        ({"image_size": TEXT}, {"image_size": '{"width": 900, "height": 300}'}, "3:1"),
        ({"size": TEXT}, {"size": "landscape"}, "3:2"),
        ({"style": TEXT}, {"style": "landscape"}, None),
        ({"aspect_ratio": TEXT, "resolution": {"enum": ["512", "1K"]}}, {"aspect_ratio": "16:9", "resolution": "512"}, "16:9"),  # a tier
        ({"resolution": TEXT}, {"resolution": "512"}, "1:1"),
        ({"width": NUMBER, "height": NUMBER}, {"width": 2048}, "2048 : ?"),  # the other side is unknown
        ({"width": NUMBER, "height": {**NUMBER, "default": 1024}}, {"width": 2048}, "2:1"),
        ({"aspect_ratio": TEXT, "size": TEXT}, {"aspect_ratio": "1:1", "size": "1536x512"}, "3:1, 1:1"),
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
        ({"image_size": {**TEXT, "default": "square_hd"}}, {}, 1.048576),
        ({"image_size": TEXT}, {"image_size": "portrait_16_9"}, 0.589824),
        ({"size": TEXT}, {"size": "portrait"}, 1.572864),
        ({"resolution": TEXT}, {"resolution": "512"}, 0.262144),
        ({"width": NUMBER, "height": NUMBER}, {"width": 2000, "height": 1000}, 2.0),
        ({"resolution": TEXT}, {"resolution": "high"}, None),
        ({"width": NUMBER, "height": NUMBER}, {"width": 2000}, 4.0),  # as if it were a square
        ({"width": NUMBER, "height": {**NUMBER, "default": 500}}, {"width": 2000}, 1.0),
        ({"width": {**NUMBER, "default": 2000}, "height": {**NUMBER, "default": 1000}}, {}, 2.0),
        ({"image_width": TEXT, "imageHeight": TEXT}, {"image_width": "2000px", "imageHeight": "1000"}, 2.0),
        ({"w": NUMBER, "h": NUMBER}, {"w": 2000, "h": 1000}, 2.0),
        ({"extra": TEXT}, {"extra": {"output": [{"target_width": 2000, "target_height": 1000}]}}, 2.0),
        ({"extra": TEXT}, {"extra": '{"size": [2000, 1000]}'}, 2.0),
        ({"extra": TEXT}, {"extra": "width=2000 height=1000"}, 2.0),
        ({"size": NUMBER}, {"size": 2000}, 4.0),
        ({"imagewidth": NUMBER, "imageheight": NUMBER}, {"imagewidth": 2000, "imageheight": 1000}, 2.0),
        ({"imagesize": TEXT}, {"imagesize": "2 MP"}, 2.0),
        ({"canvas": TEXT}, {"canvas": "2000X1000"}, 2.0),
        ({"resolution": AREAS, "width": NUMBER, "height": NUMBER}, {"resolution": "2 MP", "width": 64, "height": 64}, 2.0),
        ({"resolution": AREAS, "upscale_factor": NUMBER}, {"upscale_factor": 2}, 4.0),
        ({"resolution": AREAS, "upscale": TEXT}, {"upscale": "4x"}, 16.0),
        ({"resolution": AREAS, "scale": NUMBER}, {"scale": 2}, 4.0),
        ({"resolution": AREAS, "guidance_scale": NUMBER}, {"guidance_scale": 7}, 1.0),
        ({"stroke_width": NUMBER}, {"stroke_width": 4000}, None),
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


TOLERANCE, LEVEL = {"type": "integer", "minimum": 0, "maximum": 6, "default": 2}, {"type": "string", "default": "block_medium_and_above"}


@pytest.mark.parametrize(
    ("option", "less_careful", "careful"),
    [
        ({"enable_safety_checker": SWITCH}, [False, "off", "no"], [True, "yes"]),
        ({"disableSafetyChecker": SWITCH}, [True, 1], [False, 0]),
        ({"skip_moderation": SWITCH}, [True], [False]),
        ({"safe_mode": SWITCH}, [False], [True]),
        ({"nsfw": SWITCH}, [True], [False]),
        ({"allow_nsfw": SWITCH}, [True], [False]),
        ({"block_nsfw": SWITCH}, [False], [True]),
        ({"nsfw_filter": SWITCH}, [False], [True]),
        ({"disable_nsfw_filter": SWITCH}, [True], [False]),
        ({"content_filter": TEXT}, ["off", "low", "none"], ["strict", "on"]),
        ({"promptChecker": SWITCH}, [False], [True]),
        ({"guardrails": TEXT}, ["disabled"], ["enabled"]),
        ({"moderation": TEXT}, ["low", "none", "?"], ["auto"]),
        ({"safety_tolerance": TOLERANCE}, [3, 6, "5"], [0, 1, 2]),
        ({"safety_tolerance": TEXT}, [1, "6"], [0, "0", "strict"]),
        ({"safety_level": TOLERANCE}, [0, 1], [2, 6]),
        ({"safety_filter_level": LEVEL}, ["block_none", "block_only_high"], ["block_medium_and_above", "block_low_and_above"]),
        ({"use_safetensors": SWITCH}, [], [True, False]),
        ({"checkerboard": SWITCH}, [], [True, False]),
        ({"image_filter": TEXT}, [], ["vintage"]),
    ],
)
def test_every_spelling_of_a_safety_switch(option: dict[str, Any], less_careful: list[Any], careful: list[Any]) -> None:
    (name,) = option
    assert [value for value in less_careful if not safety_checker_off(model(**option), {name: value})] == []
    assert [value for value in careful if safety_checker_off(model(**option), {name: value})] == []


@pytest.mark.parametrize(
    "value",
    [
        {"enable_safety_checker": False},
        [{"inner": {"safety": {"enabled": False}}}],
        {"safety_settings": [{"category": "all", "threshold": "BLOCK_NONE"}]},
        '{"nsfw": true}',
        "moderation=low",
    ],
)
def test_a_safety_switch_is_found_inside_of_a_value(value: object) -> None:
    assert safety_checker_off(model(extra=TEXT), {"extra": value})


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"second_prompt": "a sword"}, "a fox\na sword"),
        ({"negative_prompt": "a sword"}, "a fox\na sword"),
        ({"resolution": "2 MP", "steps": 4}, "a fox"),
        ({"loras": ["a sword", {"text": ["a bow"], "an axe": 1}]}, "a fox\na sword\ntext\na bow\nan axe"),
        ({"extra": '{"prompt": "a \\u0073word"}'}, 'a fox\n{"prompt": "a \\u0073word"}\nprompt\na sword'),
    ],
)
def test_other_text_parameters_are_drawable_text(params: dict[str, Any], expected: str) -> None:
    assert drawable_text("a fox", params, model(second_prompt=TEXT, negative_prompt=TEXT, resolution=AREAS, steps=NUMBER)) == expected
