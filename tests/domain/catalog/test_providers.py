"""The merged catalogue of several image APIs: names, prices, abilities, aspect ratios, fallback."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import InvalidRequest
from bot.core.settings.endpoints import Endpoint, EndpointModel
from bot.domain.catalog.costs import cost_microcredits, price_microcredits
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import Catalog, ModelInfo, Slots
from bot.domain.catalog.params import build_params, carry_over, check_references, settable
from bot.domain.catalog.shapes.aspect_ratios import ratio_of
from bot.providers.openai_models import models_of
from tests.env.models import model_of
from tests.env.providers import KLEIN_4B, OXLO_PRO, SCHNELL, SD_15, SDXL

OXEN: list[dict[str, Any]] = json.loads(files("sandbox.images").joinpath("models.json").read_text())
OXLO = models_of(Endpoint(name="oxlo", base_url="https://api.oxlo.ai/v1", price_credits=2))
SIZES: dict[str, Any] = {"size": {"enum": ["1024x1024", "1536x1024", "1024x1536", "auto"], "default": "1024x1024"}}


def one(id_: str, title: str = "", **more: Any) -> dict[str, Any]:
    return {"id": id_, "display_name": title, "capabilities": {"output": ["image"]}, **more}


def merged(**prices: float) -> Catalog:
    return Catalog.merge({"oxen": OXEN, "oxlo": OXLO}, credit_usd=0.01, model_prices=prices)


def merge(*lists: tuple[str, Sequence[Mapping[str, Any]]], **prices: float) -> Catalog:
    return Catalog.merge(dict(lists), credit_usd=0.01, model_prices=prices)


# --- names -----------------------------------------------------------------------------------------------------------


def test_both_providers_models_are_in_one_list() -> None:
    catalog = merged()
    assert {model.provider for model in catalog.models} == {"oxen", "oxlo"}
    assert (catalog.get(KLEIN_4B).provider, catalog.get(KLEIN_4B).developer) == ("oxen", "Black Forest Labs")
    assert {model.id for model in catalog.search("oxlo")} == {SD_15, SDXL, SCHNELL, OXLO_PRO}


def test_the_second_of_two_equal_ids_gets_its_provider_as_suffix() -> None:
    catalog = merge(("oxen", [one("sd", "SD")]), ("oxlo", [one("sd", "Stable")]), ("local", [one("SD", "SD")]))
    assert [(model.id, model.title, model.api_id, model.provider) for model in sorted(catalog.models, key=lambda each: each.provider)] == [
        ("SD@local", "SD@local", "SD", "local"),
        ("sd", "SD", "sd", "oxen"),
        ("sd@oxlo", "Stable@oxlo", "sd", "oxlo"),
    ]


def test_a_taken_title_gets_a_suffix_and_its_id_does_not() -> None:
    model = merge(("oxen", [one("a", "FLUX.1 Schnell")]), ("oxlo", [one("b", "Flux.1 Schnell")])).get("b")
    assert (model.id, model.title) == ("b", "Flux.1 Schnell@oxlo")


def test_every_model_is_also_found_by_its_full_name() -> None:
    catalog = merge(("oxen", [one("sd", "SD")]), ("oxlo", [one("sd", "SD")]))
    assert [catalog.get(name).provider for name in ("sd", "SD@OXEN", "sd@oxen", "sd@oxlo")] == ["oxen", "oxen", "oxen", "oxlo"]


def test_names_are_stable_and_unique() -> None:
    lists = [("oxen", [one("sd"), one("x@oxlo")]), ("oxlo", [one("sd"), one("x")]), ("local", [one("sd"), one("x")])]
    first, second = merge(*lists), merge(*lists)
    assert [model.id for model in first.models] == [model.id for model in second.models]
    assert len({model.id.casefold() for model in first.models}) == len({model.title.casefold() for model in first.models}) == 6


def test_a_model_with_an_id_too_long_for_a_choice_is_not_listed() -> None:
    assert len(merge(("oxen", [one("x" * 98)]), ("oxlo", [one("x" * 98)]))) == 1


def test_slots_are_found_by_the_image_api_s_id() -> None:
    schema = {"properties": {"noise_seed": {"type": "integer"}}}
    catalog = merge(("oxen", [one("sd")]), ("oxlo", [one("sd", request_schema=schema)]))
    assert (catalog.slots("sd"), catalog.slots("sd", "oxlo")) == (Slots(), Slots(seed="noise_seed"))


# --- prices ----------------------------------------------------------------------------------------------------------


def test_a_price_is_the_operator_s_else_the_model_s_else_the_endpoint_s() -> None:
    models = (EndpointModel(id="a", price_credits=0), EndpointModel(id="b"), EndpointModel(id="c"))
    raw = models_of(Endpoint(name="local", base_url="http://x", models=models, price_credits=3))
    catalog = Catalog.merge({"local": raw}, credit_usd=0.5, model_prices={"c": 7})
    assert [model.price_microcredits for model in catalog.models] == [0, 3_000_000, 7_000_000]


def test_without_any_price_a_model_has_none() -> None:
    raw = models_of(Endpoint(name="local", base_url="http://x", models=(EndpointModel(id="a"),)))
    assert Catalog.merge({"local": raw}, credit_usd=0.01, model_prices={}).get("a").price_microcredits is None


PRICES = [
    {"when": {"quality": "high", "size": "1024x1536"}, "credits": 25},
    {"when": {"quality": "high"}, "credits": 17},
    {"when": {"hd": True}, "credits": 30},
]


@pytest.mark.parametrize(
    ("quality", "params", "price"),
    [
        ({}, {"quality": "high", "size": "1024x1536"}, 25),
        ({}, {"quality": "HIGH", "size": "1024x1024"}, 17),
        ({}, {"quality": "low", "hd": False}, 6),
        ({}, {"quality": "low", "hd": True}, 30),
        ({}, {"quality": "low"}, 30),  # the endpoint decides about hd
        ({}, {"hd": False}, 17),  # and about the quality
        ({"default": "low"}, {"hd": False}, 6),
    ],
)
def test_an_endpoint_s_prices_are_by_option_value(quality: dict[str, str], params: dict[str, Any], price: float) -> None:
    options = {"quality": {"type": "string", **quality}, "hd": {"type": "boolean"}}
    one = EndpointModel.model_validate({"id": "a", "sizes": ["1024x1024", "1024x1536"], "options": options, "prices": PRICES})
    model = merge(("local", models_of(Endpoint(name="local", base_url="http://x", models=(one,), price_credits=6)))).get("a")
    assert cost_microcredits(model, params) == price_microcredits(model, params) == price * 1_000_000
    assert model.price_varies


def test_defaults_that_decide_about_a_price_are_sent() -> None:
    options = {"quality": {"enum": ["low", "high"], "default": "low"}, "style": {"enum": ["vivid"], "default": "vivid"}}
    one = EndpointModel.model_validate({"id": "a", "options": options, "prices": PRICES[1:2]})
    model = merge(("local", models_of(Endpoint(name="local", base_url="http://x", models=(one,), price_credits=6)))).get("a")
    assert build_params(model, {}) == {"quality": "low"}


def test_prices_of_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match="qualty, which isn't one of the model's options"):
        EndpointModel.model_validate({"id": "a", "options": {"quality": {}}, "prices": [{"when": {"qualty": "high"}, "credits": 1}]})


def test_a_price_may_name_its_provider() -> None:
    catalog = merge(("oxen", [one("sd")]), ("oxlo", [one("sd")]), **{"sd": 1, "sd@oxlo": 2})
    assert [catalog.get(name).price_microcredits for name in ("sd", "sd@oxlo")] == [1_000_000, 2_000_000]
    assert merged(**{f"{SD_15}@oxlo": 5}).get(SD_15).price_microcredits == 5_000_000


# --- abilities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "edits"),
    [(SD_15, "512x512", True), (SDXL, "1024x1024", True), (SCHNELL, "1024x1024", False), (OXLO_PRO, "1024x1024", True)],
)
def test_oxlo_s_models_have_exactly_the_documented_options(name: str, size: str, edits: bool) -> None:
    model = merged().get(name)
    assert (model.takes_references, model.max_references, model.seed_field) == (edits, int(edits), None)
    assert ("strength" in settable(model)) is edits
    assert build_params(model, {}) == build_params(model, {Idea.ASPECT_RATIO: "1:1"}) == {"size": size}
    with pytest.raises(InvalidRequest, match=f"can't use 64x64 for resolution. Choose {size}"):
        build_params(model, {Idea.RESOLUTION: "64x64"})


def test_strength_needs_an_image() -> None:
    model = merged().get(SD_15)
    params = build_params(model, {Idea.STRENGTH: "0.4"})
    assert params == build_params(model, {}, "strength=0.4") == {"size": "512x512", "strength": 0.4}
    check_references(model, 1, params)
    with pytest.raises(InvalidRequest, match="Strength only applies to edits"):
        check_references(model, 0, params)
    with pytest.raises(InvalidRequest, match="needs a number from 0 to 1 for strength, not 2"):
        build_params(model, {Idea.STRENGTH: 2})


@pytest.mark.parametrize(("options", "more"), [({Idea.STRENGTH: 0.4}, ""), ({}, "strength=0.4")])
@pytest.mark.parametrize(("name", "title"), [(SCHNELL, "Flux.1 Schnell"), (KLEIN_4B, "FLUX.2 Klein 4B")])
def test_strength_is_refused_if_the_model_lacks_it(name: str, title: str, options: dict[Idea, float], more: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{re.escape(title)} has no option called strength"):
        build_params(merged().get(name), options, more)


@pytest.mark.parametrize("name", ["strength", "prompt_strength", "denoising_strength"])
def test_strength_is_recognized_under_each_of_its_names(name: str) -> None:
    properties: dict[str, Any] = {"image": {"type": "string"}, name: {"type": "number", "minimum": 0, "maximum": 1, "default": 0.75}}
    model = model_of(**properties)
    params = build_params(model, {Idea.STRENGTH: "0.5"})
    assert (params, settable(model)) == ({name: 0.5}, ["strength"])
    with pytest.raises(InvalidRequest, match="Strength only applies to edits"):
        check_references(model, 0, params)


def test_strength_is_offered_over_its_range() -> None:
    names = [choice.name for choice in merged().get(SD_15).choices(Idea.STRENGTH)]
    assert names == ["0.75 (default, 0 to 1)", "0 (0 to 1)", "0.2 (0 to 1)", "0.5 (0 to 1)", "0.8 (0 to 1)", "1 (0 to 1)"]
    assert merged().get(SCHNELL).choices(Idea.STRENGTH) == []


def test_an_endpoint_s_model_is_described_by_its_settings() -> None:
    options = {"quality": {"enum": ["low", "high"]}, "seed": {"type": "integer"}}
    described = EndpointModel(id="a", title="A", sizes=("1024x1024",), edits=True, max_references=3, strength=True, options=options)
    catalog = Catalog.merge(
        {"local": models_of(Endpoint(name="local", base_url="http://x", models=(described,)))}, credit_usd=0.01, model_prices={}
    )
    model = catalog.get("a")
    assert (model.title, model.max_references, model.slots) == ("A", 3, Slots(references="image"))
    assert settable(model) == ["aspect_ratio", "quality", "resolution", "strength", "seed"]
    assert build_params(model, {Idea.QUALITY: "high"}, "strength=1") == {"size": "1024x1024", "quality": "high", "strength": 1}


# --- aspect ratios ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "size"), [("1:1", "1024x1024"), ("3:2", "1536x1024"), ("2:3", "1024x1536"), (None, None)])
def test_a_ratio_becomes_the_size_that_has_it(ratio: str | None, size: str | None) -> None:
    assert build_params(model_of(**SIZES), {Idea.ASPECT_RATIO: ratio}) == ({"size": size} if size else {})
    assert build_params(model_of(**SIZES), {}, f"aspect_ratio={ratio}" if ratio else "") == ({"size": size} if size else {})


def test_a_ratio_without_a_size_is_refused_with_the_available_ones() -> None:
    with pytest.raises(InvalidRequest) as caught:
        build_params(model_of(**SIZES), {Idea.ASPECT_RATIO: "16:9"})
    assert caught.value.sentence == "Model One can't do 16:9. Choose 1:1, 3:2 or 2:3."


def test_a_ratio_is_shown_with_its_size() -> None:
    model = model_of(**SIZES)
    names = [choice.name for choice in model.choices(Idea.ASPECT_RATIO)]
    assert names == ["1:1 (1024x1024, default)", "3:2 (1536x1024)", "2:3 (1024x1536)"]
    assert model.ideas == (Idea.ASPECT_RATIO, Idea.RESOLUTION)
    assert settable(model) == ["aspect_ratio", "resolution"]


def test_ratio_and_size_cannot_both_be_chosen() -> None:
    with pytest.raises(InvalidRequest, match="Use either resolution or aspect_ratio"):
        build_params(model_of(**SIZES), {Idea.ASPECT_RATIO: "3:2", Idea.RESOLUTION: "1024x1024"})


def test_of_several_sizes_with_one_ratio_the_default_is_used() -> None:
    squares = ["256x256", "512x512", "1024x1024"]
    assert build_params(model_of(size={"enum": squares}), {Idea.ASPECT_RATIO: "1:1"}) == {"size": "256x256"}
    assert build_params(model_of(size={"enum": squares, "default": "512x512"}), {Idea.ASPECT_RATIO: "1:1"}) == {"size": "512x512"}


@pytest.mark.parametrize("model", [model_of(resolution={"enum": ["1 MP", "2 MP"]}), model_of(size={"type": "string"}), model_of()])
def test_without_listed_sizes_there_are_no_ratios(model: ModelInfo) -> None:
    with pytest.raises(InvalidRequest, match="Model One has no option"):
        build_params(model, {Idea.ASPECT_RATIO: "1:1"})


def test_a_model_s_own_ratios_take_precedence() -> None:
    model = model_of(aspect_ratio={"enum": ["16:9"]}, **SIZES)
    assert build_params(model, {Idea.ASPECT_RATIO: "16:9", Idea.RESOLUTION: "1024x1024"}) == {"aspect_ratio": "16:9", "size": "1024x1024"}


@given(width=st.integers(1, 99_999), height=st.integers(1, 99_999))
def test_a_ratio_is_exact(width: int, height: int) -> None:
    first, second = map(int, str(ratio_of(f"{width}x{height}")).split(":"))
    assert first * height == second * width


@pytest.mark.parametrize("text", ["auto", "0x5", "5x", "1024", "-1x1", "1x1x1", 7, True])
def test_other_values_have_no_ratio(text: str | int) -> None:
    assert ratio_of(text) is None


# --- fallback models -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "params", "new", "expected"),
    [
        (SD_15, {"size": "512x512"}, KLEIN_4B, {}),  # a default, not chosen
        (SD_15, {"size": "512x512", "strength": 0.5}, SDXL, {"size": "1024x1024", "strength": 0.5}),
        (KLEIN_4B, {"aspect_ratio": "1:1"}, SDXL, {"size": "1024x1024"}),
        (KLEIN_4B, {"num_inference_steps": 30, "output_format": "jpg"}, "flux-2-dev", {"num_inference_steps": 30, "output_format": "jpg"}),
        (KLEIN_4B, {"guidance_scale": 3.0}, "flux-2-dev", {"guidance": 3.0}),
    ],
)
def test_choices_are_converted_for_the_fallback_model(old: str, params: dict[str, Any], new: str, expected: dict[str, Any]) -> None:
    catalog = merged()
    assert carry_over(params, catalog.get(old), catalog.get(new)) == expected


@pytest.mark.parametrize(
    ("params", "new"), [({"aspect_ratio": "16:9"}, SDXL), ({"num_inference_steps": 5}, SDXL), ({"output_quality": "high"}, "flux-2-dev")]
)
def test_choices_that_the_fallback_lacks_are_refused(params: dict[str, Any], new: str) -> None:
    catalog = merged()
    with pytest.raises(InvalidRequest):
        carry_over(params, catalog.get(KLEIN_4B), catalog.get(new))


def test_a_size_becomes_a_ratio_for_a_model_with_ratios_only() -> None:
    with_sizes, with_ratios = model_of(**SIZES), model_of(aspect_ratio={"enum": ["3:2", "1:1"]})
    assert carry_over({"size": "1536x1024"}, with_sizes, with_ratios) == {"aspect_ratio": "3:2"}
    assert carry_over(
        {"size": "1536x1024", "tags": ["a"]}, model_of(tags={"type": "array"}, **SIZES), model_of(tags={"type": "array"}, **SIZES)
    ) == {
        "size": "1536x1024",
        "tags": ["a"],
    }
    with pytest.raises(InvalidRequest, match="Choose 3:2 or 1:1"):
        carry_over({"size": "1024x1536"}, with_sizes, with_ratios)
