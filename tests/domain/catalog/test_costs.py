"""The cost of a request is the cost of exactly its options."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.catalog.costs import cost_microcredits, is_certain, price_microcredits
from bot.domain.catalog.counts import names_a_count
from bot.domain.catalog.models import ModelInfo
from tests.env.models import model_of

GRID = {
    "low": {"1K": 0.01, "2K": 0.02, "4K": 0.04},
    "medium": {"1K": 0.05, "2K": 0.1, "4K": 0.2},
    "high": {"1K": 0.2, "2K": 0.37, "4K": 1.47},
}
PRICING = {"method": "per_image", "cost_per_image": 0.02, "cost_per_image_grid": GRID}
QUALITY = {"type": "string", "enum": ["low", "medium", "high"], "default": "high"}
RESOLUTION = {"type": "string", "enum": ["1K", "2K", "4K"], "default": "2K"}
TEXT = {"type": "string"}


def gpt_image_2(**more: Any) -> ModelInfo:
    properties: dict[str, Any] = {"pricing": PRICING, "quality": QUALITY, "resolution": RESOLUTION, **more}
    return model_of(**properties)


def usd(model: ModelInfo, **params: Any) -> float | None:
    cost = cost_microcredits(model, params)
    return None if cost is None else cost / 100_000_000


@pytest.mark.parametrize(
    ("params", "expected"),
    [({}, 0.37), ({"resolution": "4K"}, 1.47), ({"quality": "low"}, 0.02), ({"quality": "medium", "resolution": "1K"}, 0.05)],
)
def test_the_cost_is_that_of_the_chosen_quality_and_tier(params: dict[str, Any], expected: float) -> None:
    assert usd(gpt_image_2(), **params) == expected
    assert is_certain(gpt_image_2(), params)


@pytest.mark.parametrize(
    ("properties", "params", "expected"),
    [
        ({"rendering_speed": QUALITY, "image_size": RESOLUTION}, {"rendering_speed": "low", "image_size": "4K"}, 0.04),
        ({"output_quality": QUALITY, "size": TEXT}, {"output_quality": "low", "size": "2048x2048"}, 0.02),
        ({"quality": QUALITY, "size": TEXT}, {"quality": "Low", "size": "4 k"}, 0.04),
        ({"quality": QUALITY, "size": TEXT}, {"quality": "low", "size": "1024*1024"}, 0.01),
        ({"quality": QUALITY, "resolution": {"type": "integer"}}, {"quality": "low", "resolution": 1024}, 0.01),
        ({"quality": QUALITY, "width": {}, "height": {}}, {"quality": "low", "width": 1024, "height": 1024}, 0.01),
        ({"quality": QUALITY}, {"quality": "low", "image_size": [{"width": 4096, "height": 4096}]}, 0.04),
    ],
)
def test_options_are_found_under_any_name_and_in_any_spelling(properties: Any, params: dict[str, Any], expected: float) -> None:
    assert usd(model_of(pricing=PRICING, **properties), **params) == expected


@pytest.mark.parametrize(
    ("properties", "params", "expected"),
    [
        ({}, {}, 1.47),  # nothing is known
        ({"quality": QUALITY}, {"quality": "low"}, 0.04),
        ({"quality": TEXT, "thinking_level": QUALITY, "resolution": RESOLUTION}, {"thinking_level": "low"}, 0.37),
        ({"style": TEXT}, {"style": "low"}, 1.47),  # a text that happens to name a row
        ({"quality": QUALITY, "style": TEXT}, {"quality": "low", "style": "1K"}, 0.04),
        ({"thinking_level": {"enum": ["minimal", "low"]}, "resolution": RESOLUTION}, {"thinking_level": "low"}, 0.37),
        ({"quality": QUALITY, "resolution": RESOLUTION, "size": TEXT}, {"quality": "low", "resolution": "1K"}, 0.04),
        ({"quality": TEXT, "resolution": RESOLUTION}, {"quality": "auto"}, 0.37),
        ({"quality": TEXT, "resolution": RESOLUTION}, {}, 0.37),
        ({"quality": QUALITY, "size": TEXT}, {"quality": "low", "size": "auto"}, 0.04),
        ({"quality": QUALITY, "size": TEXT}, {"quality": "low", "size": "1536x1024"}, 0.02),  # between 1K and 2K
        ({"quality": QUALITY, "size": TEXT}, {"quality": "low", "size": "3840x2160"}, 0.04),
        ({"quality": QUALITY, "size": TEXT}, {"quality": "low", "size": "8192x8192"}, 0.04),
        ({"quality": QUALITY, "size": TEXT, "resolution": RESOLUTION}, {"quality": "low", "resolution": "1K", "size": "4096x16"}, 0.04),
    ],
)
def test_what_is_not_certain_counts_as_the_highest_that_is_possible(properties: Any, params: dict[str, Any], expected: float) -> None:
    model = model_of(pricing=PRICING, **properties)
    assert usd(model, **params) == expected
    assert not is_certain(model, params)


def test_a_missing_price_counts_as_the_highest_of_its_quality() -> None:
    grid = {"low": {"1K": 0.01}, "high": {"1K": 0.2, "4K": 1.47}}
    model = gpt_image_2(pricing={**PRICING, "cost_per_image_grid": grid})
    assert [usd(model, quality=quality, resolution="2K") for quality in ("low", "high", "medium")] == [0.02, 1.47, 1.47]


def test_two_prices_of_one_tier_count_as_the_higher() -> None:
    model = gpt_image_2(pricing={**PRICING, "cost_per_image_grid": {"high": {"4K": 0.5, "4 k": 1.47}}})
    assert usd(model, quality="high", resolution="4K") == 1.47


@pytest.mark.parametrize("grid", [{"high": {"4K": "x"}}, {"high": {"4K": -1}}, {"high": {"4K": {"more": 1}}}, {"high": {"4K": None}}, "x"])
def test_a_price_that_cannot_be_read_is_unknown(grid: object) -> None:
    model = gpt_image_2(pricing={**PRICING, "cost_per_image_grid": grid})
    assert usd(model, quality="high", resolution="4K") is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cost_per_image_grid", {"1K": 0.01, "4K": 0.3}, 0.3),
        ("cost_per_image_grid", {"high": 0.3, "low": 0.01}, 0.3),
        ("cost_per_image_grid", {"4K": {"high": 0.3}, "1K": {"high": 0.1}}, 0.3),
        ("cost_per_image_by_resolution", {"4K": 0.3}, 0.3),
        ("cost_per_image_high_res", 0.3, 0.3),
        ("cost_per_image_high_res", 0, 0.02),
        ("cost_per_image_grid", None, 0.02),
        ("cost_per_image_grid", {}, 0.02),
    ],
)
def test_other_forms_of_prices_are_read_too(name: str, value: object, expected: float) -> None:
    model = gpt_image_2(pricing={"method": "per_image", "cost_per_image": 0.02, name: value})
    assert usd(model, quality="high", resolution="4K") == expected


def test_the_operator_s_price_is_paid_and_is_the_cost_only_where_that_is_unknown() -> None:
    known, unknown = gpt_image_2(price=5), model_of(pricing={"method": "time", "cost_per_second": 0.1}, price=5)
    assert [price_microcredits(model, {"resolution": "4K"}) for model in (known, unknown)] == [5_000_000, 5_000_000]
    assert [cost_microcredits(model, {"resolution": "4K"}) for model in (known, unknown)] == [147_000_000, 5_000_000]
    assert cost_microcredits(model_of(pricing={"method": "token"}), {}) is None


def test_lists_show_the_price_of_the_default_options() -> None:
    assert (gpt_image_2().price_microcredits, gpt_image_2().price_varies) == (37_000_000, True)
    assert (gpt_image_2(price=5).price_microcredits, gpt_image_2(price=5).price_varies) == (5_000_000, False)


COUNTS = """
    n num_images num_outputs max_images batch_size num_generations images samples image_count num_samples number_of_images numImages
    numberOfImages num-images images_per_prompt num_images_per_prompt NUM_OUTPUTS batch n_samples imgCount numimages batchsize outputs count
    quantity num_variations variations max_output_images copies numResults nImages repeat"""
OTHERS = """
    num_inference_steps steps seed guidance_scale image_size max_image_size num_input_images width safety_tolerance max_tokens
    output_quality strength output_format sample_steps reference_image_count negative_prompt image"""


@pytest.mark.parametrize("name", COUNTS.split())
def test_several_images_cost_several_times_as_much(name: str) -> None:
    number: dict[str, Any] = {name: {"type": "integer"}}
    model = model_of(pricing={"method": "per_image", "cost_per_image": 0.01}, **number)
    costs = [
        usd(model, **params) for params in ({}, {name: 4}, {name: "4"}, {"options": [{name: 2}, {name: 2}]}, {"extra": f'{{"{name}": 4}}'})
    ]
    assert costs == [0.01, 0.04, 0.04, 0.04, 0.04]


@pytest.mark.parametrize("name", OTHERS.split())
def test_other_numbers_do_not_multiply(name: str) -> None:
    assert not names_a_count(name)


def test_a_count_that_is_no_number_may_be_the_largest() -> None:
    model = model_of(pricing={"method": "per_image", "cost_per_image": 0.01}, num_images={"type": ["integer", "string"], "maximum": 9})
    assert usd(model, num_images="many") == 0.09
    assert usd(model, batch_size="many") is None


def test_an_estimate_is_the_cost_of_the_whole_request() -> None:
    model = gpt_image_2(num_images={"type": "integer"})
    estimated = replace(model, costs=replace(model.costs, estimate=Decimal("2.5")))
    assert cost_microcredits(estimated, {"num_images": 4}) == 2_500_000
    assert is_certain(estimated, {})


@pytest.mark.parametrize(
    "extra",
    [
        {"type": "object", "properties": {"num_images": {"type": "integer", "default": 4}}},
        {"type": "object", "default": {"sequential": {"max_images": 4}}},
        {"type": "array", "items": {"properties": {"n": {"default": 4}}}},
        {"anyOf": [{"properties": {"outputs": {"default": "4"}}}]},
    ],
)
def test_a_default_that_cannot_be_overridden_multiplies(extra: dict[str, Any]) -> None:
    assert usd(model_of(pricing={"method": "per_image", "cost_per_image": 0.01}, extra=extra)) == 0.04


def test_a_count_that_cannot_be_read_multiplies_too() -> None:
    unreadable = {"$ref": "https://elsewhere.test/schema", "default": 4}
    model = model_of(pricing={"method": "per_image", "cost_per_image": 0.01}, num_images=unreadable)
    assert ("num_images" in model.options, usd(model)) == (False, 0.04)


def test_a_schema_that_is_too_large_to_know_has_no_cost() -> None:
    model = model_of(pricing={"method": "per_image", "cost_per_image": 0.01}, extra={"oneOf": [{}] * 6000})
    assert usd(model) is None
