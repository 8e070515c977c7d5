"""The catalogue: which models are available, their options and prices, and how they are found."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.errors import InvalidRequest
from bot.domain.catalog.ideas import Choice, Idea
from bot.domain.catalog.models import Catalog, ModelInfo, Slots
from bot.domain.catalog.options import coerce
from tests.env.models import catalog_of, model_of
from tests.env.providers import DEV, KLEIN_4B

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYWORDS = ("type", "enum", "anyOf", "allOf", "$ref", "items", "minimum", "maxLength", "pattern", "default", "const", "multipleOf")
NODES = st.dictionaries(st.sampled_from(KEYWORDS), JSON, max_size=4)
MODELS = st.fixed_dictionaries({"id": st.text(), "endpoint": st.just("/images/generate"), "request_schema": JSON, "pricing": JSON})


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The models of the local image API, which are the documented ones."""
    raw = json.loads(files("sandbox.images").joinpath("models.json").read_text())
    return Catalog.read(raw, credit_usd=0.01, model_prices={"flux-2-dev": 2.5})


def test_only_models_that_make_images_are_listed(catalog: Catalog) -> None:
    assert {model.title for model in catalog.models} >= {"FLUX.2 Klein 4B", "FLUX.2 Klein 9B", "FLUX.2 [dev]"}
    assert not [model for model in catalog.models if model.id.startswith("sandbox")]


@pytest.mark.parametrize("name", ["flux-2-dev", "FLUX.2 [dev]", "flux.2  [DEV] ", "FLUX-2-DEV", "FLUX.2 [dev] · 8 credits per image"])
def test_a_model_is_found_by_id_or_title(catalog: Catalog, name: str) -> None:
    assert catalog.get(name).id == DEV


def test_an_unknown_model_is_refused_with_similar_names(catalog: Catalog) -> None:
    with pytest.raises(InvalidRequest, match=r"There's no model called flux-2-klain\. Did you mean .*FLUX\.2"):
        catalog.get("flux-2-klain")
    with pytest.raises(InvalidRequest, match=r"There's no model called zzz\. Use /models to see them all\."):
        catalog.get("zzz")


def test_an_empty_catalogue_says_that_the_models_are_loading() -> None:
    with pytest.raises(InvalidRequest, match="models are still loading"):
        Catalog(()).get("x")


def test_what_did_not_change_is_kept() -> None:
    old = catalog_of({"id": "a"}, {"id": "b"})
    new = catalog_of({"id": "a"}, {"id": "b", "display_name": "B"}, {"id": "c"}).keeping(old)
    assert [model.id for model in new.models] == ["a", "b", "c"]
    assert (new.get("a") is old.get("a"), new.get("b").title) == (True, "B")


def test_search_matches_every_word_and_sorts_beginnings_first() -> None:
    catalog = catalog_of(
        {"id": "a", "display_name": "Best Flux"}, {"id": "b", "display_name": "Flux Two"}, {"id": "c", "display_name": "Other"}
    )
    assert [model.id for model in catalog.search("FLUX")] == ["b", "a"]
    assert [model.id for model in catalog.search("two flux")] == ["b"]
    assert len(catalog_of(*({"id": f"m{n}"} for n in range(60))).search("")) == 25


@pytest.mark.parametrize(
    ("pricing", "expected"),
    [
        ({"method": "per_image", "cost_per_image": 0.014}, 1_400_000),
        ({"method": "per_image", "cost_per_image": "0.0141234567"}, 1_412_346),  # rounded up
        ({"method": "per_image", "cost_per_image": 0}, 0),
        ({"method": "per_image", "cost_per_image": -1}, None),
        ({"method": "per_image", "cost_per_image": True}, None),
        ({"method": "per_image", "cost_per_image": "NaN"}, None),
        ({"method": "per_image", "cost_per_image": 1e99}, None),
        ({"method": "per_image"}, None),
        ({"method": "time", "cost_per_second": 0.1}, None),
        ("free", None),
        (None, None),
    ],
)
def test_prices_are_whole_microcredits(pricing: object, expected: int | None) -> None:
    assert catalog_of({"id": "one", "pricing": pricing}).get("one").price_microcredits == expected


def test_a_setting_overrides_a_price(catalog: Catalog) -> None:
    assert (catalog.get(KLEIN_4B).price_microcredits, catalog.get(DEV).price_microcredits) == (1_400_000, 2_500_000)


@pytest.mark.parametrize(("credit", "expected"), [(1.5, 1_500_000), (0, 0), (-1, None), (True, None), ("x", None)])
def test_a_price_set_here_is_in_credits(credit: object, expected: int | None) -> None:
    pricing = {"method": "per_image", "credits_per_image": credit, "cost_per_image": 1}
    assert catalog_of({"id": "one", "pricing": pricing}).get("one").price_microcredits == expected


def test_the_documented_models_have_their_ideas(catalog: Catalog) -> None:
    usual = {Idea.ASPECT_RATIO, Idea.STEPS, Idea.GUIDANCE, Idea.QUALITY, Idea.FORMAT, Idea.SEED}
    assert set(catalog.get(KLEIN_4B).ideas) == usual
    assert set(catalog.get(DEV).ideas) == usual | {Idea.RESOLUTION}
    assert [getattr(catalog.get(name).option(Idea.GUIDANCE), "name", None) for name in (KLEIN_4B, DEV)] == ["guidance_scale", "guidance"]


@pytest.mark.parametrize(
    ("name", "idea", "typed", "expected"),
    [
        (KLEIN_4B, Idea.ASPECT_RATIO, "", ["1:1", "16:9 (default)", "9:16", "4:3", "3:4"]),
        (DEV, Idea.ASPECT_RATIO, "match", ["match_input_image"]),
        (DEV, Idea.RESOLUTION, "2", ["2 MP"]),
        (
            KLEIN_4B,
            Idea.STEPS,
            "",
            [f"{steps} ({'default, ' * (steps == 28)}1 to 50)" for steps in (28, 1, 13, 26, 38, 50)],
        ),
        (KLEIN_4B, Idea.STEPS, "3", ["3 (1 to 50)", "38 (1 to 50)"]),
        (KLEIN_4B, Idea.STEPS, "28", ["28 (default, 1 to 50)"]),
        (KLEIN_4B, Idea.GUIDANCE, "3.25", ["3.25 (0 to 10)"]),
        (KLEIN_4B, Idea.SEED, "42", ["42"]),
        (KLEIN_4B, Idea.SEED, "", []),
        (KLEIN_4B, Idea.RESOLUTION, "", []),
    ],
)
def test_autocomplete_shows_what_a_model_allows(catalog: Catalog, name: str, idea: Idea, typed: str, expected: list[str]) -> None:
    assert [choice.name for choice in catalog.get(name).choices(idea, typed)] == expected


def test_a_refused_value_is_answered_with_the_allowed_ones(catalog: Catalog) -> None:
    assert Choice(name="28 (default, 1 to 50)", value="28") in catalog.get(KLEIN_4B).choices(Idea.STEPS, "99")


def test_a_choice_may_be_typed_by_its_name(catalog: Catalog) -> None:
    for model in (*catalog.models, model_of(guidance={"type": "number", "minimum": 0, "maximum": 1, "default": 0.5})):
        for idea in Idea:
            option = model.option(idea)
            for choice in model.choices(idea) if option else ():
                assert option is not None
                names = (choice.name, f"{choice.name} · 1,5 Credits", f"  {choice.name} ".upper().replace(" ", "  "))
                assert choice.value in [each.value for each in model.choices(idea, choice.name)]
                assert {str(coerce(option, name)) for name in names} == {str(coerce(option, choice.value))}


def test_choices_respect_discord_s_limits() -> None:
    model = model_of(aspect_ratio={"enum": ["x" * 101, *(f"{n}:{n}" for n in range(300))]})
    choices = model.choices(Idea.ASPECT_RATIO, "")
    assert len(choices) == 25
    assert all(0 < len(choice.name) <= 100 and 0 < len(choice.value) <= 100 for choice in choices)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer"}, (0, 2**31 - 1)),
        ({"type": "integer", "minimum": -1, "maximum": 10**30}, (0, 2**31 - 1)),
        ({"type": "integer", "minimum": 5, "maximum": 99}, (5, 99)),
        ({"type": "integer", "maximum": 2**60}, (0, 2**53 - 1)),
        ({"type": "number", "exclusiveMaximum": 10.5}, (0, 10)),
        ({"type": "integer", "minimum": 9, "maximum": 3}, (0, 2**31 - 1)),
    ],
)
def test_the_range_of_seeds(schema: dict[str, Any], expected: tuple[int, int]) -> None:
    assert model_of(seed=schema).seed_range == expected


def test_references_use_the_schema_s_parameter() -> None:
    one = model_of(image_url={"type": "string"}, random_seed={"type": "integer"}, required=["image_url"])
    assert one.slots == Slots(seed="random_seed", references="image_url", many=False)
    assert (one.takes_references, one.references_required, one.max_references) == (True, True, 1)
    many = model_of(input_image={"type": "array", "items": {"type": "string"}, "maxItems": 3})
    assert (many.slots, many.references_required, many.max_references) == (Slots(), False, 3)


def test_without_a_schema_the_capabilities_decide_about_references() -> None:
    catalog = catalog_of({"id": "a", "capabilities": {"input": ["text", "image"], "output": ["image"]}, "request_schema": None})
    model = catalog.get("a")
    assert (model.takes_references, model.max_references, model.ideas, model.seed_field) == (True, None, (), None)
    assert catalog.slots("a") == catalog.slots("unknown") == Slots()


def test_the_schema_is_read_from_either_key() -> None:
    schema = {"properties": {"seed": {"type": "integer"}}}
    assert catalog_of({"id": "a", "request_schema": None, "json_request_schema": schema}).get("a").seed_field == "seed"


def test_a_model_with_an_unusable_required_parameter_is_not_listed() -> None:
    schema = {"required": ["mystery"], "properties": {"mystery": {"$ref": "http://evil.test/x"}}}
    assert len(catalog_of({"id": "a", "request_schema": schema})) == 0


@given(raw=st.lists(JSON | MODELS, max_size=4))
@settings(max_examples=40, deadline=None)
def test_malformed_models_never_break_a_catalogue(raw: list[Any]) -> None:
    for model in Catalog.read(raw, credit_usd=0.01, model_prices={}).models:
        use_everything(model)


@given(schema=st.dictionaries(st.sampled_from([idea.value for idea in Idea]), NODES, max_size=3))
@settings(max_examples=60, deadline=None)
def test_malformed_schemas_never_break_a_model(schema: dict[str, Any]) -> None:
    use_everything(model_of(**schema))


def use_everything(model: ModelInfo) -> None:
    for idea in Idea:
        assert len(model.choices(idea, "1")) <= 25
    assert model.seed_range[0] <= model.seed_range[1]
    assert model.slots.seed
    model.validator.is_valid({})
