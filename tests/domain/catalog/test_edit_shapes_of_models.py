"""The shape of an edit with every documented model, for a portrait, a landscape, a square and a panorama."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.image_properties import aspect_ratio
from bot.domain.catalog.params import build_edit_params
from bot.domain.catalog.shapes.edit_shape import SourceShape, kept_shape, repeated_shape
from tests.env.option_table import CATALOG

PORTRAIT, LANDSCAPE, SQUARE, PANORAMA = (480, 640), (640, 480), (500, 500), (4000, 500)
Shapes = list[dict[str, Any]]


def ratios(*values: str) -> Shapes:
    return [{"aspect_ratio": value} for value in values]


MATCHED, AUTO, SEVEN = ratios(*["match_input_image"] * 4), ratios(*["auto"] * 4), ratios("3:4", "4:3", "1:1", "16:9")
OWN: Shapes = [{}, {}, {}, {}]
EXPECTED: Mapping[str, Shapes] = {
    "flux-kontext-dev": MATCHED,
    "flux-2-dev": MATCHED,
    "flux-2-flex": MATCHED,
    "flux-2-pro": MATCHED,
    "qwen-image-2": [{"match_input_image": True}] * 4,
    "gpt-image-2": AUTO,
    "nano-banana-2": AUTO,
    "nano-banana-2-lite": AUTO,
    "google-nano-banana-pro": AUTO,
    "gpt-image-1-5": [{"size": "auto"}] * 4,
    "black-forest-labs-flux-2-klein-4b": SEVEN,
    "black-forest-labs-flux-2-klein-9b": SEVEN,
    "nano-banana": SEVEN,
    "qwen-image-edit": SEVEN,
    "qwen-image-edit-plus": SEVEN,
    "qwen-image-edit-2511": SEVEN,
    "bytedance-seedream-5-pro": ratios("3:4", "4:3", "1:1", "21:9"),
    # These decide themselves: they list no shape.
    "bytedance-seedream-4": OWN,
    "bytedance-seedream-4-5": OWN,
    "bytedance-seedream-5-lite": OWN,
    "sam-3-image": OWN,
    "xai-grok-imagine-image-edit": OWN,
    "topazlabs-bloom-image": OWN,
    "topazlabs-bloom-2-image": OWN,
    "topazlabs-image-upscale": OWN,
    "topazlabs-wonder-3-image": OWN,
    "topazlabs-wonder-3-5-image": OWN,
    # These make new images only.
    "flux-1-dev": SEVEN,
    "qwen-image": SEVEN,
    "qwen-image-2512": SEVEN,
    "xai-grok-imagine-image": ratios("3:4", "4:3", "1:1", "20:9"),
    "ideogram-v4": [{"image_size": size} for size in ("portrait_4_3", "landscape_4_3", "square_hd", "landscape_16_9")],
    "krea-v2-large-text-to-image": ratios("4:5", "4:3", "1:1", "2.35:1"),
    "z-image-turbo": OWN,
}
# What is chosen for a portrait if a server allows only 1:1 and 2:3.
ALLOWED: Mapping[str, dict[str, Any]] = {
    "flux-2-dev": {"aspect_ratio": "2:3"},
    "qwen-image-2": {"aspect_ratio": "2:3"},
    "gpt-image-2": {"aspect_ratio": "2:3"},
    "nano-banana-2": {"aspect_ratio": "2:3"},
    "gpt-image-1-5": {"size": "portrait"},
    "black-forest-labs-flux-2-klein-4b": {"aspect_ratio": "1:1"},
    "bytedance-seedream-4": {},
}


def shape(model: str, sides: tuple[int, int], *allowed: str) -> dict[str, Any]:
    return kept_shape(CATALOG.get(model), {}, SourceShape(width_px=sides[0], height_px=sides[1], ratios=allowed or None))


def test_every_documented_model_is_listed() -> None:
    assert {model.id for model in CATALOG.models} == set(EXPECTED)


@pytest.mark.parametrize("model", EXPECTED)
def test_an_edit_keeps_its_image_s_shape(model: str) -> None:
    assert [shape(model, sides) for sides in (PORTRAIT, LANDSCAPE, SQUARE, PANORAMA)] == EXPECTED[model]


def test_a_listed_resolution_is_no_aspect_ratio() -> None:
    model, limited = CATALOG.get("nano-banana-2"), SourceShape(width_px=480, height_px=640, ratios=("3:4",))
    params, _is_kept = build_edit_params(model, {Idea.RESOLUTION: "512"}, "", limited)
    assert (params, aspect_ratio(model, params)) == ({"resolution": "512", "aspect_ratio": "3:4"}, "3:4")


def test_a_repetition_chooses_anew_only_where_other_limits_hold() -> None:
    model, sent = CATALOG.get("flux-2-dev"), {"aspect_ratio": "match_input_image", "resolution": "1 MP"}
    anywhere = SourceShape(width_px=480, height_px=640)
    assert repeated_shape(model, sent, anywhere) == sent
    assert repeated_shape(model, sent, replace(anywhere, ratios=("2:3",))) == {"aspect_ratio": "2:3", "resolution": "1 MP"}
    switched = {"match_input_image": True}
    assert repeated_shape(CATALOG.get("qwen-image-2"), switched, replace(anywhere, ratios=("2:3",))) == {"aspect_ratio": "2:3"}


@pytest.mark.parametrize("model", ALLOWED)
def test_a_server_s_ratios_bind_every_kind_of_model(model: str) -> None:
    assert shape(model, PORTRAIT, "1:1", "2:3") == ALLOWED[model]
