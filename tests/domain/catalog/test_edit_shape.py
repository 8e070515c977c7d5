"""The shape of an edit: the table of every kind of model, the guild's limits, and what counts as a member's own choice."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.params import build_edit_params, carry_over
from bot.domain.catalog.shapes.edit_shape import SourceShape, kept_shape, shape_in, without_shape
from tests.env.models import model_of

FIVE = ["1:1", "16:9", "9:16", "4:3", "3:4"]
SEVEN = [*FIVE, "3:2", "2:3"]
WORDS = ["square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"]
PORTRAIT, LANDSCAPE, SQUARE, PANORAMA = (480, 640), (640, 480), (500, 500), (4000, 500)


def model(**properties: Any) -> ModelInfo:
    """A model that edits and has these parameters; a list stands for a text with these values."""
    schemas: Any = {name: {"type": "string", "enum": each} if isinstance(each, list) else each for name, each in properties.items()}
    return model_of(prompt={"type": "string"}, input_image={"type": "array", "items": {"type": "string"}}, **schemas)


def source(sides: tuple[int, int], *ratios: str, megapixels: float | None = None) -> SourceShape:
    return SourceShape(width_px=sides[0], height_px=sides[1], ratios=ratios or None, max_megapixels=megapixels)


def ratios(*values: str) -> list[dict[str, Any]]:
    return [{"aspect_ratio": value} for value in values]


# The parameters for a portrait, a landscape, a square and a panorama.
TABLE: tuple[tuple[str, ModelInfo, list[dict[str, Any]]], ...] = (
    ("five ratios", model(aspect_ratio=FIVE), ratios("3:4", "4:3", "1:1", "16:9")),
    ("matching", model(aspect_ratio=[*SEVEN, "match_input_image"]), ratios(*["match_input_image"] * 4)),
    ("auto", model(aspect_ratio=["auto", *SEVEN], resolution=["1K", "2K"]), ratios(*["auto"] * 4)),
    ("a switch", model(match_input_image={"type": "boolean", "default": False}, aspect_ratio=SEVEN), [{"match_input_image": True}] * 4),
    ("words with ratios", model(image_size=WORDS), [{"image_size": WORDS[n]} for n in (2, 4, 0, 5)]),
    (
        "words alone",
        model(size=["square", "portrait", "landscape"]),
        [{"size": w} for w in ("portrait", "landscape", "square", "landscape")],
    ),
    ("words and auto", model(size=["auto", "square", "portrait"]), [{"size": "auto"}] * 4),
    (
        "sizes",
        model(size=["1024x1024", "1536x1024", "1024x1536"]),
        [{"size": s} for s in ("1024x1536", "1536x1024", "1024x1024", "1536x1024")],
    ),
    ("a single size", model(size=["512x512"]), [{"size": "512x512"}] * 4),
    ("ratios with points", model(aspect_ratio=["1:1", "2.35:1", "9:19.5"]), ratios("1:1", "1:1", "1:1", "2.35:1")),
    ("very wide", model(aspect_ratio=[*SEVEN, "8:1", "1:8"]), ratios("3:4", "4:3", "1:1", "8:1")),
    ("amounts only", model(size=["1K", "2K", "4K"], resolution=["1 MP"]), [{}] * 4),
    ("no parameter", model(), [{}] * 4),
    ("open text", model(aspect_ratio={"type": "string", "default": "16:9"}), [{}] * 4),
)


@pytest.mark.parametrize(("kept_by", "expected"), [(info, expected) for _name, info, expected in TABLE], ids=[name for name, *_ in TABLE])
def test_an_edit_keeps_the_shape_as_far_as_the_model_allows(kept_by: ModelInfo, expected: list[dict[str, Any]]) -> None:
    assert [kept_shape(kept_by, {}, source(sides)) for sides in (PORTRAIT, LANDSCAPE, SQUARE, PANORAMA)] == expected


@pytest.mark.parametrize(
    ("info", "limits", "expected"),
    [
        (model(aspect_ratio=SEVEN), source(PORTRAIT, "2:3", "1:1"), {"aspect_ratio": "2:3"}),
        (model(aspect_ratio=[*SEVEN, "match_input_image"]), source(PORTRAIT, "3:4"), {"aspect_ratio": "3:4"}),
        (model(aspect_ratio=["auto", "1:1"]), source(PORTRAIT, "1:1"), {"aspect_ratio": "1:1"}),
        (model(match_input_image={"type": "boolean"}, aspect_ratio=SEVEN), source(PORTRAIT, "1:1"), {"aspect_ratio": "1:1"}),
        (model(size=["auto", "1024x1024", "1024x1536"]), source(PORTRAIT, "1:1"), {"size": "1024x1024"}),
        (model(size=["square", "portrait"]), source(PORTRAIT, "1:1"), {"size": "square"}),
        (model(image_size=WORDS), source(PORTRAIT, "9:16"), {"image_size": "portrait_16_9"}),
        (model(aspect_ratio=FIVE), source(PORTRAIT, "21:9"), {}),
        (model(size=["1024x1024", "2048x3072", "512x768"]), source(PORTRAIT, megapixels=1), {"size": "512x768"}),
    ],
)
def test_only_what_the_server_allows_is_chosen(info: ModelInfo, limits: SourceShape, expected: dict[str, Any]) -> None:
    assert kept_shape(info, {}, limits) == expected


@pytest.mark.parametrize("more", ["aspect_ratio=16:9", "match_input_image=false", "image_size=1024x512", "size=512x512"])
def test_a_shape_that_was_chosen_stays(more: str) -> None:
    info = model(aspect_ratio=SEVEN, match_input_image={"type": "boolean"}, image_size=["1024x512"], size=["512x512"], resolution=["1K"])
    params, is_kept = build_edit_params(info, {}, more, source(PORTRAIT))
    assert (len(params), is_kept) == (1, False)
    assert build_edit_params(info, {}, "resolution=1K", source(PORTRAIT)) == ({"resolution": "1K", "match_input_image": True}, True)


def test_the_default_of_a_required_size_is_no_choice() -> None:
    sizes = {"type": "string", "enum": ["1024x1024", "1024x1536"], "default": "1024x1024"}
    info = model_of(prompt={}, image={"type": "string"}, size=sizes, required=["prompt", "size"])
    assert build_edit_params(info, {}, "", source(PORTRAIT)) == ({"size": "1024x1536"}, True)
    assert build_edit_params(info, {}, "size=1024x1024", source(PORTRAIT)) == ({"size": "1024x1024"}, False)


def test_a_fallback_model_chooses_its_own_shape() -> None:
    old, new = model(aspect_ratio=[*SEVEN, "match_input_image"]), model(aspect_ratio=["1:1", "4:5"])
    assert carry_over({"aspect_ratio": "match_input_image"}, old, new, source=source(PORTRAIT)) == {"aspect_ratio": "4:5"}


@pytest.mark.parametrize(
    ("params", "shape"),
    [
        ({"aspect_ratio": "3:4"}, "3:4"),
        ({"size": "1024x1536"}, "2:3"),
        ({"image_size": "portrait_4_3"}, "3:4"),
        ({"match_input_image": True}, "match_input_image"),
        ({"size": "2K", "output_format": "png"}, None),
    ],
)
def test_the_shape_of_parameters_is_known(params: dict[str, Any], shape: str | None) -> None:
    assert shape_in(params) == shape
    assert (without_shape(params) == params) is (shape is None)


def test_a_nearest_ratio_that_differs_is_not_like_the_image() -> None:
    assert source((1170, 1560)).is_like("3:4")
    assert source((481, 640)).is_like("3:4")
    assert not source(PANORAMA).is_like("16:9")
