"""The parameters of the local Oxen's models are drawn: shapes, sizes, qualities and images under each model's own names."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sandbox.images.account import ApiAccount
from sandbox.images.briefs import brief, images_in
from sandbox.images.catalog import OxenCatalog
from sandbox.images.generations import GenerationRequest, OxenGeneration
from sandbox.painter import Brief

CATALOG = OxenCatalog()


def brief_of(model: str, **parameters: Any) -> Brief:
    account, found = ApiAccount(key="key", credit_usd=Decimal(1)), CATALOG.find(model)
    assert found is not None
    request = GenerationRequest(account=account, model=found, body={"model": model, **parameters})
    return brief(OxenGeneration(request=request, seed=1, in_queue=True), dict.fromkeys(images_in(request.parameters), (b"",)))


@pytest.mark.parametrize(
    ("model", "parameters", "ratio", "resolution"),
    [
        ("bytedance-seedream-5-pro", {"size": "1K"}, "1:1", "1.0 MP"),
        ("bytedance-seedream-4-5", {"size": "4K"}, "1:1", "4.0 MP"),
        ("nano-banana-2", {"resolution": "512", "aspect_ratio": "1:8"}, "1:8", "0.5 MP"),
        ("google-nano-banana-pro", {"aspect_ratio": "auto"}, "match_input_image", "2.0 MP"),
        ("qwen-image-2", {"match_input_image": True}, "match_input_image", "1.0 MP"),
        ("qwen-image-2", {"match_input_image": False}, "16:9", "1.0 MP"),
        ("flux-2-pro", {"aspect_ratio": "match_input_image", "resolution": "0.5 MP"}, "match_input_image", "0.5 MP"),
        ("gpt-image-1-5", {"size": "portrait"}, "2:3", "1.0 MP"),
        ("ideogram-v4", {"image_size": "portrait_16_9"}, "9:16", "1.0 MP"),
        ("ideogram-v4", {"image_size": "landscape_4_3"}, "4:3", "1.0 MP"),
        ("ideogram-v4", {"image_size": "square"}, "1:1", "0.5 MP"),
        ("qwen-image", {"image_size": "optimize_for_speed"}, "16:9", "0.5 MP"),
        ("xai-grok-imagine-image", {"aspect_ratio": "19.5:9", "resolution": "1k"}, "19.5:9", "1.0 MP"),
        ("krea-v2-large-text-to-image", {"aspect_ratio": "2.35:1"}, "2.35:1", "1.0 MP"),
    ],
)
def test_shape_and_size(model: str, parameters: dict[str, Any], ratio: str, resolution: str) -> None:
    made = brief_of(model, **parameters)
    assert (made.aspect_ratio, made.resolution) == (ratio, resolution)


@pytest.mark.parametrize(
    ("model", "parameters", "quality"),
    [
        ("gpt-image-2", {"quality": "medium"}, "medium"),
        ("flux-2-dev", {"output_quality": 0}, 0),
        ("ideogram-v4", {"rendering_speed": "TURBO", "image_size": "square"}, "low"),
        ("flux-1-dev", {"image_size": "optimize_for_speed", "output_quality": 7}, 7),
        ("nano-banana", {}, "standard"),
    ],
)
def test_quality(model: str, parameters: dict[str, Any], quality: int | str) -> None:
    assert brief_of(model, **parameters).quality == quality


@pytest.mark.parametrize(
    ("model", "parameters", "factor"),
    [
        ("topazlabs-image-upscale", {}, 2),
        ("topazlabs-image-upscale", {"upscale_factor": "4x"}, 4),
        ("topazlabs-wonder-3-image", {"scale": "6x"}, 6),
        ("topazlabs-bloom-2-image", {}, 1),
        ("flux-kontext-dev", {}, None),
    ],
)
def test_enlargement(model: str, parameters: dict[str, Any], factor: float | None) -> None:
    assert brief_of(model, input_image="data:image/png;base64,", **parameters).enlarged == factor


def test_images_are_found_under_every_name() -> None:
    styles = [{"image_url": "https://one.test/a.png", "strength": 0.5}, {"image_url": "https://one.test/b.png"}]
    parameters = {"input_image": ["a", "b"], "mask_url": "c", "image_style_references": styles, "seed": 7}
    assert images_in(parameters) == {
        "input_image": ["a", "b"],
        "mask_url": ["c"],
        "image_style_references": ["https://one.test/a.png", "https://one.test/b.png"],
    }


def test_what_cannot_be_drawn_is_written_unless_it_is_the_default() -> None:
    made = brief_of("nano-banana-2", google_search=True, thinking_level="minimal", resolution="4K")
    assert made.notes == ("google_search=True",)
