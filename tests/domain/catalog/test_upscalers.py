"""Models that work on an image alone: how they are told from others, their scales, prices and sizes."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.errors import InvalidRequest
from bot.domain.catalog.costs import cost_microcredits, is_certain
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.image_properties import upscaled_megapixels
from bot.domain.catalog.params import build_params, carry_over, check_prompt
from bot.domain.catalog.purposes import check_purpose, serves
from bot.domain.job import JobKind
from tests.env.models import catalog_of, model_of

IMAGE = {"type": "string", "format": "uri"}
TEXT = {"type": "string"}
FACTORS = {"type": "string", "enum": ["4x", "2x"], "default": "2x"}
SCALES = {"type": "string", "enum": ["1x", "2x", "4x", "6x"], "default": "1x"}
WHOLE = {"type": "integer", "minimum": 1, "maximum": 8, "default": 2}


def upscaler(*, pricing: object = None, **properties: Any) -> Any:
    return model_of(required=["input_image"], pricing=pricing, input_image=IMAGE, **properties)


@pytest.mark.parametrize(
    ("required", "properties", "takes_prompt", "prompt_required", "upscales"),
    [
        (["input_image"], {"input_image": IMAGE}, False, False, True),
        (["image_url"], {"image_url": IMAGE, "prompt": TEXT}, True, False, True),
        (["prompt", "input_image"], {"input_image": IMAGE, "prompt": TEXT}, True, True, False),
        ([], {"input_image": IMAGE, "prompt": TEXT}, True, True, False),  # makes images from prompts, whatever its schema requires
        ([], {"steps": {"type": "integer"}}, True, True, False),
        (["images"], {"images": {"type": "integer"}}, True, True, False),  # a count
    ],
)
def test_an_upscaler_needs_an_image_and_no_prompt(
    required: list[str], properties: dict[str, Any], takes_prompt: bool, prompt_required: bool, upscales: bool
) -> None:
    model = model_of(required=required, **properties)
    assert (model.takes_prompt, model.prompt_required, model.upscales) == (takes_prompt, prompt_required, upscales)


def test_a_model_without_a_schema_takes_a_prompt() -> None:
    (model,) = catalog_of({"id": "plain"}).models
    assert (model.takes_prompt, model.prompt_required, model.upscales) == (True, True, False)


@pytest.mark.parametrize("kind", JobKind)
def test_upscalers_upscale_and_nothing_else(kind: JobKind) -> None:
    editing = model_of(required=["prompt"], prompt=TEXT, input_image=IMAGE)
    assert (serves(upscaler(), kind), serves(editing, kind)) == (kind is JobKind.UPSCALE, kind is not JobKind.UPSCALE)
    with pytest.raises(InvalidRequest, match=r"/upscale|can't upscale"):
        check_purpose(editing if kind is JobKind.UPSCALE else upscaler(), kind)


@pytest.mark.parametrize("prompt", ["", "  "])
def test_a_prompt_may_be_left_out_only_where_none_is_needed(prompt: str) -> None:
    assert check_prompt(upscaler(), prompt, max_length=9) == ""
    with pytest.raises(InvalidRequest, match="Describe the image"):
        check_prompt(model_of(prompt=TEXT), prompt, max_length=9)
    with pytest.raises(InvalidRequest, match="doesn't use a prompt"):
        check_prompt(upscaler(), "a fox", max_length=9)


# --- scales ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["2x", "2", 2, "x2", "2 X", "2×"])
@pytest.mark.parametrize(("schema", "sent"), [(FACTORS, "2x"), (WHOLE, 2), ({"enum": [2, 4]}, 2), ({"type": "number"}, 2)])
def test_a_scale_is_understood_in_any_spelling(given: str | int, schema: dict[str, Any], sent: object) -> None:
    assert build_params(upscaler(factor=schema), {Idea.SCALE: given}) == {"factor": sent}


def test_a_scale_is_understood_as_it_is_suggested() -> None:
    assert build_params(upscaler(factor=FACTORS), {Idea.SCALE: "2x (default) · 5 credits"}) == {"factor": "2x"}


def test_a_scale_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidRequest, match=r"can't use 3x for scale\. Choose 4x or 2x"):
        build_params(upscaler(upscale_factor=FACTORS), {Idea.SCALE: "3x"})


def test_only_upscalers_have_a_scale() -> None:
    assert model_of(prompt=TEXT, scale={"type": "number", "default": 7.5}).option(Idea.SCALE) is None


def test_a_scale_is_carried_over_to_a_fallback_model() -> None:
    params = carry_over({"upscale_factor": "4x"}, upscaler(upscale_factor=FACTORS), upscaler(scale=SCALES))
    assert params == {"scale": "4x"}


# --- prices and sizes ------------------------------------------------------------------------------------------------

BY_SCALE = {"2x": 0.05, "4x": 0.1}
BY_STRENGTH = {"low": {"1x": 0.04, "6x": 0.15}, "high": {"1x": 0.06, "6x": 0.22}}
ONE_ROW = {"default": {"1x": 0.06, "6x": 0.2}}
STRENGTHS = {"type": "string", "enum": ["low", "high"], "default": "low"}


@pytest.mark.parametrize(
    ("grid", "properties", "params", "usd"),
    [
        (BY_SCALE, {"upscale_factor": FACTORS}, {}, 0.05),
        (BY_SCALE, {"upscale_factor": FACTORS}, {"upscale_factor": "4x"}, 0.1),
        (BY_SCALE, {"upscale_factor": WHOLE}, {"upscale_factor": 4}, 0.1),
        (BY_SCALE, {"scale": {"type": "string"}}, {"scale": "4"}, 0.1),
        (BY_STRENGTH, {"enhancement_strength": STRENGTHS, "scale": SCALES}, {"scale": "6x"}, 0.15),
        (BY_STRENGTH, {"enhancement_strength": STRENGTHS, "scale": SCALES}, {"enhancement_strength": "high", "scale": "1x"}, 0.06),
        (ONE_ROW, {"scale": SCALES}, {"scale": "6x"}, 0.2),
    ],
)
def test_the_cost_is_that_of_the_scale(grid: object, properties: dict[str, Any], params: dict[str, Any], usd: float) -> None:
    model = upscaler(pricing={"method": "per_image", "cost_per_image": 0.01, "cost_per_image_grid": grid}, **properties)
    assert cost_microcredits(model, params) == round(usd * 100_000_000)
    assert is_certain(model, params)


def test_a_scale_without_a_price_costs_the_highest() -> None:
    model = upscaler(pricing={"method": "per_image", "cost_per_image": 0.01, "cost_per_image_grid": BY_SCALE}, upscale_factor=WHOLE)
    assert cost_microcredits(model, {"upscale_factor": 8}) == 10_000_000


@pytest.mark.parametrize(
    ("properties", "params", "megapixels"),
    [
        ({"scale": SCALES}, {"scale": "6x"}, 603.979776),
        ({"upscale_factor": FACTORS}, {}, 67.108864),  # its default is 2x
        ({"upscale_factor": WHOLE}, {"upscale_factor": 4}, 268.435456),
        ({"creativity": {"type": "integer"}}, {}, 16.777216),
    ],
)
def test_the_result_is_as_much_larger_as_the_scale_says(properties: dict[str, Any], params: dict[str, Any], megapixels: float) -> None:
    assert upscaled_megapixels(upscaler(**properties), params, [(4096, 4096)]) == pytest.approx(megapixels)
    assert upscaled_megapixels(model_of(prompt=TEXT, **properties), params, [(4096, 4096)]) is None
