"""The painter draws the same image from the same prompt and seed, in the requested shape."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

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
        ("2.35:1", "1 MP", (768, 326)),
        ("9:19.5", "1 MP", (354, 768)),
        ("8:1", "1 MP", (768, 96)),
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


@pytest.mark.parametrize("is_draft", [True, False])
@pytest.mark.parametrize(("factor", "size"), [(1, (30, 20)), (2, (60, 40)), (6, (180, 120)), (1000, (7746, 5164))])
def test_an_enlargement_has_the_source_s_size_times_the_factor(factor: float, size: tuple[int, int], is_draft: bool) -> None:
    if factor < 1000 or is_draft:
        assert opened(Brief(seed=1, enlarged=factor, references=(png(30, 20),), is_draft=is_draft)).size == size


def test_only_what_is_white_in_the_mask_is_new() -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (32, 0, 64, 64))
    out = io.BytesIO()
    mask.save(out, "PNG")
    made = opened(replace(FOX, references=(png(64, 64, "red"),), mask=out.getvalue()))
    assert made.getpixel((100, 300)) == (255, 0, 0)
    assert made.getpixel((600, 300)) != (255, 0, 0)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(UnreadableReference, match="64x64, not 32x64"):
        paint(replace(FOX, references=(png(64, 64),), mask=png(32, 64)))


def test_a_cutout_is_on_black_or_a_mask() -> None:
    part, mask = (opened(replace(FOX, references=(png(64, 64, "red"),), cutout=shows_part)) for shows_part in (True, False))
    assert (part.getpixel((0, 0)), mask.getpixel((0, 0))) == ((0, 0, 0),) * 2
    assert {(255, 0, 0), (0, 0, 0)} <= {colour for _count, colour in part.getcolors(10**6) or ()}
    assert (255, 255, 255) in {colour for _count, colour in mask.getcolors(10**6) or ()}


@pytest.mark.parametrize(
    "changed", [{"styles": (png(8, 8, "blue"),)}, {"negative_prompt": "red"}, {"notes": ("creativity=9",)}, {"quality": "low"}]
)
def test_what_a_request_asks_for_is_seen(changed: dict[str, Any]) -> None:
    brief = replace(FOX, prompt="a red fox, hills")
    assert difference(opened(brief), opened(replace(brief, **changed))) > 0.01


def band(brief: Brief, *, at_top: bool = False) -> tuple[float, float]:
    """The brightest point, and the share of light points, in the third of the image that has the caption."""
    image = opened(brief).convert("L")
    third = image.crop((0, 0, image.width, image.height // 3) if at_top else (0, image.height * 2 // 3, image.width, image.height))
    histogram = third.histogram()
    return float(max(level for level, count in enumerate(histogram) if count)), sum(histogram[200:]) / sum(histogram)


@pytest.mark.parametrize("prompt", ["white snow, minimal", "a city at night"])
def test_the_prompt_is_written_large_and_light_on_dark_whatever_is_behind_it(prompt: str) -> None:
    brightest, light = band(Brief(prompt=prompt, seed=2))
    without = band(Brief(prompt="", seed=2))[1]
    assert brightest == 255
    assert 0.03 < light < 0.25
    assert without < 0.75  # a note alone leaves the scene free


def test_an_edit_says_at_the_top_what_was_changed_and_keeps_the_words_at_the_bottom() -> None:
    first = paint(FOX).data
    for brief in (replace(FOX, prompt="in winter", references=(first,), strength=0.2), Brief(seed=1, enlarged=2, references=(first,))):
        assert band(brief, at_top=True)[0] == 255
        assert band(brief)[0] > 230
    bare = replace(FOX, has_caption=False)
    assert difference(opened(FOX).crop((0, 0, 768, 384)), opened(bare).crop((0, 0, 768, 384))) == 0


@pytest.mark.parametrize("size_px", [(1, 1), (3, 900), (900, 3), (33, 33), (2000, 40)])
def test_the_smallest_and_oddest_shapes_can_be_drawn(size_px: tuple[int, int]) -> None:
    assert opened(replace(FOX, size_px=size_px, output_format="webp")).size == size_px


def test_a_long_prompt_covers_at_most_half_of_the_image() -> None:
    bare, written = (opened(Brief(prompt="long words " * 400, seed=1, has_caption=each)) for each in (False, True))
    assert difference(bare.crop((0, 0, 768, 384)), written.crop((0, 0, 768, 384))) == 0
