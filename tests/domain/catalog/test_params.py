"""Conversion of a member's choices to a model's parameters, and its refusals."""

from __future__ import annotations

import json
from gettext import NullTranslations
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import commands, i18n
from bot.core.errors import InvalidRequest
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import Catalog, ModelInfo
from bot.domain.catalog.params import (
    NOT_FOR_MEMBERS,
    build_params,
    check_mask,
    check_prompt,
    check_references,
    check_seed,
    repeat,
    settable,
)
from tests.domain.catalog.test_costs import COUNTS
from tests.env.models import model_of
from tests.env.providers import DEV, KLEIN_4B

CATALOG = Catalog.read(json.loads(files("sandbox.images").joinpath("models.json").read_text()), credit_usd=0.01, model_prices={})
KLEIN, FLUX_DEV = CATALOG.get(KLEIN_4B), CATALOG.get(DEV)
Options = dict[Idea, Any]


@pytest.mark.parametrize(
    ("model", "options", "more", "expected"),
    [
        (KLEIN, {}, "", {}),
        (KLEIN, {Idea.STEPS: "30", Idea.SEED: None, Idea.FORMAT: ""}, "", {"num_inference_steps": 30}),
        (KLEIN, {Idea.STEPS: 30, Idea.GUIDANCE: 2}, "", {"num_inference_steps": 30, "guidance_scale": 2.0}),
        (KLEIN, {Idea.STEPS: "30.0", Idea.SEED: "7"}, "", {"num_inference_steps": 30, "seed": 7}),
        (KLEIN, {}, "steps=30 seed=7 aspect_ratio=16:9", {"num_inference_steps": 30, "seed": 7, "aspect_ratio": "16:9"}),
        (KLEIN, {Idea.QUALITY: "HIGH", Idea.FORMAT: "jpeg"}, "", {"output_quality": "high", "output_format": "jpg"}),
        (FLUX_DEV, {Idea.QUALITY: "80", Idea.GUIDANCE: "2.5"}, "", {"output_quality": 80, "guidance": 2.5}),
        (
            FLUX_DEV,
            {Idea.RESOLUTION: "0.5 mp", Idea.ASPECT_RATIO: "match_input_image"},
            "",
            {"resolution": "0.5 MP", "aspect_ratio": "match_input_image"},
        ),
        (FLUX_DEV, {}, 'num_inference_steps=28, resolution="2 MP"', {"num_inference_steps": 28, "resolution": "2 MP"}),
        (FLUX_DEV, {}, "steps=28 resolution=“2 MP”,quality='5'", {"num_inference_steps": 28, "resolution": "2 MP", "output_quality": 5}),
    ],
)
def test_ideas_become_the_model_s_parameters(model: ModelInfo, options: Options, more: str, expected: dict[str, Any]) -> None:
    params = build_params(model, options, more)
    assert params == expected
    assert [type(value) for value in params.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize("name", ["mask_url", "mask", "mask_image", "mask_image_url"])
def test_a_mask_is_no_option_and_may_be_required(name: str) -> None:
    text: Any = {name: {"type": "string"}}
    switch: Any = {name: {"type": "boolean"}}
    model = model_of(prompt={}, image={"type": "string"}, required=["prompt", name], **text)
    assert (model.slots.mask, settable(model), build_params(model, {}, "")) == (name, [], {})
    with pytest.raises(InvalidRequest, match=f"You can't set {name}"):
        build_params(model, {}, f"{name}=mine")
    with pytest.raises(InvalidRequest, match="Model One needs a mask"):
        check_mask(model, given=False)
    assert model_of(image={"type": "string"}, **switch).mask_option is None


@pytest.mark.parametrize(
    ("model", "options", "more", "sentence"),
    [
        (KLEIN, {Idea.STEPS: 99}, "", "FLUX.2 Klein 4B needs a whole number from 1 to 50 for steps, not 99."),
        (KLEIN, {Idea.STEPS: "many"}, "", "FLUX.2 Klein 4B needs a whole number from 1 to 50 for steps, not many."),
        (KLEIN, {Idea.STEPS: 2.5}, "", "FLUX.2 Klein 4B needs a whole number from 1 to 50 for steps, not 2.5."),
        (KLEIN, {Idea.GUIDANCE: "nan"}, "", "FLUX.2 Klein 4B needs a number from 0 to 10 for guidance, not nan."),
        (KLEIN, {Idea.ASPECT_RATIO: "7:3"}, "", "FLUX.2 Klein 4B can't do 7:3. Choose 1:1, 16:9, 9:16, 4:3 or 3:4."),
        (KLEIN, {Idea.QUALITY: 80}, "", "FLUX.2 Klein 4B can't use 80 for quality. Choose standard or high."),
        (KLEIN, {}, "num_inference_steps=0", "FLUX.2 Klein 4B needs a whole number from 1 to 50 for num_inference_steps, not 0."),
        (KLEIN, {}, "go", "Write more options as name=value, such as output_quality=high. go doesn't fit."),
        (KLEIN, {}, "steps=5 a b", "Write more options as name=value, such as output_quality=high. a b doesn't fit."),
        (KLEIN, {}, 'steps="5', "Write more options as name=value, such as output_quality=high. steps=\"5 doesn't fit."),
        (KLEIN, {}, "steps=5 steps=6", "You set steps twice. Set it once."),
        (KLEIN, {Idea.STEPS: 5}, "num_inference_steps=6", "You set num_inference_steps twice. Set it once."),
        (KLEIN, {Idea.SEED: 4}, "seed=5", "You set seed twice. Set it once."),
        (KLEIN, {}, "input_image=x", "You can't set input_image. Attach reference images instead."),
        (KLEIN, {}, "x" * 1001, "More options can have up to 1,000 characters, not 1,001."),
    ],
)
def test_a_refusal_names_the_field_what_is_allowed_and_what_was_given(model: ModelInfo, options: Options, more: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build_params(model, options, more)
    assert caught.value.sentence == sentence


@pytest.mark.parametrize(("options", "more"), [({Idea.RESOLUTION: "1 MP"}, ""), ({}, "resolution=1")])
def test_an_unknown_option_is_refused_with_the_known_ones(options: Options, more: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build_params(KLEIN, options, more)
    assert caught.value.sentence.startswith(
        "FLUX.2 Klein 4B has no option called resolution. It has aspect_ratio, steps, guidance, quality, format, seed"
    )
    assert "prompt" not in caught.value.sentence


@pytest.mark.parametrize("name", [name for name, _ in NOT_FOR_MEMBERS])
def test_some_names_cannot_be_set_by_members(name: str) -> None:
    properties: dict[str, Any] = {kept: {"type": "string"} for kept, _ in NOT_FOR_MEMBERS}
    model = model_of(**properties)
    with pytest.raises(InvalidRequest, match=rf"[Ss]et {name}\b"):
        build_params(model, {}, f"{name.upper()}=true")


@pytest.mark.parametrize("name", COUNTS.split())
def test_members_cannot_multiply_the_images_of_a_request(name: str) -> None:
    number: dict[str, Any] = {name: {"type": "integer", "default": 4, "minimum": 1}}
    with pytest.raises(InvalidRequest, match=f"You can't set {name} in `more`"):
        build_params(model_of(**number), {}, f"{name}=4")
    assert build_params(model_of(**number), {}) == build_params(model_of(required=[name], **number), {}) == {name: 1}
    assert repeat({name: 4}, model_of(**number)) == {name: 1}
    assert name not in settable(model_of(**number))


@pytest.mark.parametrize("name", ["sequential_image_generation", "batch", "multi_image", "num_images"])
@pytest.mark.parametrize("kind", [{"type": "string"}, {"type": "boolean"}, {"enum": ["auto", "disabled"]}, {"type": "array"}])
def test_a_count_is_refused_whatever_its_type_is(name: str, kind: dict[str, Any]) -> None:
    named: dict[str, Any] = {name: kind}
    with pytest.raises(InvalidRequest, match="Use the option for the number of images"):
        build_params(model_of(**named), {}, f"{name}=auto")


@pytest.mark.parametrize(
    ("number", "sent"),
    [
        ({"type": "integer"}, {"num_images": 1}),
        ({"type": "integer", "default": 1}, {}),
        ({"type": "integer", "minimum": 2, "default": 4}, {"num_images": 2}),
        ({"enum": ["1", "2", "4"], "default": "4"}, {"num_images": "1"}),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, {"num_images": 1}),
        ({"type": "array", "items": {"type": "string"}}, {}),
    ],
)
def test_a_count_is_sent_as_the_least_that_the_model_allows(number: dict[str, Any], sent: dict[str, Any]) -> None:
    assert build_params(model_of(num_images=number), {}) == sent


@pytest.mark.parametrize("value", ['{"num_images": 4, "more": 1}', '[{"a": {"batchSize": 2}}]'])
def test_a_count_within_a_value_is_refused_too(value: str) -> None:
    for kind in ({"type": "string"}, {"type": "array"}, {"type": ["array", "string"], "items": {"type": "object"}}):
        with pytest.raises(InvalidRequest, match="Use the option for the number of images"):
            build_params(model_of(extra=kind), {}, f"extra='{value}'")


@pytest.mark.parametrize(("typed", "expected"), [("true", True), ("Yes", True), ("on", True), ("false", False), ("No", False)])
def test_booleans_are_parsed_in_common_spellings(typed: str, expected: bool) -> None:
    assert build_params(model_of(go_fast={"type": "boolean"}), {}, f"go_fast={typed}") == {"go_fast": expected}


@pytest.mark.parametrize(("typed", "expected"), [("3.5", 3.5), ("3,5", 3.5), ("0,125", 0.125), ("'2,5'", 2.5)])
def test_a_decimal_comma_is_taken(typed: str, expected: float) -> None:
    model = model_of(guidance={"type": "number"}, steps={"type": "integer"})
    assert build_params(model, {}, f"guidance={typed}, steps=8") == {"guidance": expected, "steps": 8}


def test_a_comma_that_may_separate_thousands_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="1,000"):
        build_params(model_of(guidance={"type": "number"}), {}, "guidance=1,000")


@pytest.mark.parametrize("value", ["https://evil.test/a.png", "data:image/png;base64,AA", " HTTP://x", "file:///etc/passwd"])
def test_links_are_refused_as_values(value: str) -> None:
    with pytest.raises(InvalidRequest, match="can't be a link"):
        build_params(model_of(mask={"type": "string"}), {}, f'mask="{value}"')


def test_other_types_of_options() -> None:
    model = model_of(
        width={"type": "integer", "minimum": 256, "maximum": 1024, "multipleOf": 64},
        tags={"type": "array", "items": {"type": "string"}, "maxItems": 2},
        size={"anyOf": [{"enum": ["auto"]}, {"type": "integer", "minimum": 1}]},
        depth={"type": "object"},
    )
    assert build_params(model, {}, 'width=512 tags="a, b" size=AUTO') == {"width": 512, "tags": ["a", "b"], "size": "auto"}
    assert build_params(model, {}, "size=5") == {"size": 5}
    for more, allowed in [
        ("width=500", "a whole number from 256 to 1024 in steps of 64"),
        ('tags="a,b,c"', "a list in quotes"),
        ("size=0", "a whole number, 1 or more"),
        ("depth=1", "nothing you can type here"),
    ]:
        with pytest.raises(InvalidRequest, match=allowed):
            build_params(model, {}, more)


def test_other_required_parameters_are_requested_or_filled_in() -> None:
    with pytest.raises(InvalidRequest, match="Add style=value to `more`"):
        build_params(model_of(style={"type": "string"}, required=["prompt", "style"]), {})
    model = model_of(style={"type": "string", "default": "plain"}, required=["style", "seed"], seed={"type": "integer"})
    assert build_params(model, {}) == {"style": "plain"}


@given(more=st.text(max_size=60))
def test_any_text_in_more_is_parsed_or_refused(more: str) -> None:
    try:
        assert isinstance(build_params(FLUX_DEV, {}, more), dict)
    except InvalidRequest as refusal:
        sentence = refusal.sentence
        assert "\n" not in sentence


def test_a_prompt_is_stripped_and_its_length_is_limited() -> None:
    short = model_of(prompt={"type": "string", "maxLength": 5})
    assert check_prompt(short, "  an ox ", max_length=2000) == "an ox"
    with pytest.raises(InvalidRequest, match="Shorten it to 5"):
        check_prompt(short, "an oxx", max_length=2000)
    with pytest.raises(InvalidRequest, match="Shorten it to 3"):
        check_prompt(KLEIN, "an ox", max_length=3)
    with pytest.raises(InvalidRequest, match="Describe the image"):
        check_prompt(KLEIN, " \n", max_length=3)


ONE = {"type": "string"}


@pytest.mark.parametrize(
    ("model", "count", "sentence"),
    [
        (model_of(), 1, "Model One can't use reference images. Remove the image, or choose another model."),
        (model_of(input_image=ONE), 2, "Model One can use one reference image, not 2."),
        (model_of(input_image={"type": "array", "maxItems": 3}), 4, "Model One can use up to 3 reference images, not 4."),
        (model_of(input_image=ONE, required=["input_image"]), 0, "Model One needs a reference image. Attach one."),
    ],
)
def test_the_number_of_references_is_checked(model: ModelInfo, count: int, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_references(model, count)
    assert caught.value.sentence == sentence


@pytest.mark.parametrize(("model", "count"), [(model_of(), 0), (KLEIN, 0), (KLEIN, 4), (FLUX_DEV, 3)])
def test_an_allowed_number_of_references_is_accepted(model: ModelInfo, count: int) -> None:
    check_references(model, count)


def test_seeds_of_several_images_stay_in_range() -> None:
    model = model_of(seed={"type": "integer", "minimum": 1, "maximum": 10})
    check_seed(model, 7, count=4)
    with pytest.raises(InvalidRequest, match="seed must be a whole number from 1 to 7, not 8"):
        check_seed(model, 8, count=4)
    with pytest.raises(InvalidRequest, match="has no option"):
        check_seed(model_of(), 1)


def test_a_refusal_names_an_option_as_the_command_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(i18n._catalogues, "de", NullTranslations())
    german = [
        {"name_localizations": {"de": text}, "name": name, "type": 3}
        for name, text in (("aspect_ratio", "seitenverhältnis"), ("steps", "schritte"))
    ]
    commands.describe([{"name": "generate", "type": 1, "options": german}])
    with i18n.speaking("de"), pytest.raises(InvalidRequest, match="for schritte, not 99"):
        build_params(KLEIN, {Idea.STEPS: 99})
    with i18n.speaking("de"):
        assert build_params(KLEIN, {}, "seitenverhältnis=4:3") == build_params(KLEIN, {}, "aspect_ratio=4:3")
    commands.describe([])
