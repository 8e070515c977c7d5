"""The painter draws the same image from the same prompt and seed, in the requested shape."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image, ImageChops, ImageStat

from sandbox.painter import Brief, UnreadableReference, paint

FOX = Brief(prompt="a fox in the hills", seed=42)


def opened(brief: Brief) -> Image.Image:
    return Image.open(io.BytesIO(paint(brief).data)).convert("RGB")


def png(width: int, height: int, colour: str = "green") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference per channel, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def test_the_same_brief_gives_the_same_bytes() -> None:
    brief = replace(FOX, references=(png(30, 20),), output_format="webp")
    assert paint(brief).data == paint(brief).data


@pytest.mark.parametrize("other", [replace(FOX, seed=43), replace(FOX, prompt="a fox in the hills!")])
def test_another_seed_or_prompt_gives_another_image(other: Brief) -> None:
    assert difference(opened(FOX), opened(other)) > 5


@pytest.mark.parametrize(
    ("aspect_ratio", "resolution", "size"),
    [
        ("1:1", "1 MP", (768, 768)),
        ("16:9", "1 MP", (768, 432)),
        ("9:16", "1 MP", (432, 768)),
        ("4:3", "0.5 MP", (544, 408)),
        ("2:3", "2 MP", (724, 1086)),
        ("match_input_image", "1 MP", (768, 512)),
    ],
)
def test_the_size_follows_aspect_ratio_and_resolution(aspect_ratio: str, resolution: str, size: tuple[int, int]) -> None:
    brief = replace(FOX, aspect_ratio=aspect_ratio, resolution=resolution, references=(png(300, 200),))
    assert opened(brief).size == size


def test_a_draft_is_small_and_has_the_exact_size_if_one_is_given() -> None:
    draft = replace(FOX, is_draft=True)
    assert [opened(each).size for each in (draft, replace(draft, size_px=(321, 200)))] == [(96, 96), (321, 200)]


@pytest.mark.parametrize("prompt", ["", "日本の狐 🦊", "a\nb\tc", "x" * 4000, "a watercolor of a city at night"])
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert opened(Brief(prompt=prompt, seed=-(2**40))).size == (768, 768)


@pytest.mark.parametrize("data", [b"", b"<html>", png(20, 20)[:40]])
def test_bytes_that_are_no_image_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableReference):
        paint(replace(FOX, references=(data,)))
