"""The painter draws the same picture from the same words and seed, in the shape that was asked for."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image, ImageChops, ImageStat

from sandbox.painter import Brief, UnreadableReference, paint, placeholder

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
def test_another_seed_or_prompt_gives_another_picture(other: Brief) -> None:
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


def test_an_exact_size_overrules_both() -> None:
    assert opened(replace(FOX, size_px=(321, 200), aspect_ratio="1:1")).size == (321, 200)


@pytest.mark.parametrize(
    ("output_format", "media_type"),
    [("png", "image/png"), ("jpg", "image/jpeg"), ("jpeg", "image/jpeg"), ("webp", "image/webp")],
)
def test_the_format_is_honoured(output_format: str, media_type: str) -> None:
    picture = paint(replace(FOX, output_format=output_format))
    assert (picture.media_type, Image.open(io.BytesIO(picture.data)).get_format_mimetype()) == (media_type, media_type)


@pytest.mark.parametrize(("low", "high"), [(20, 95), ("standard", "high")])
def test_more_quality_costs_more_bytes(low: int | str, high: int | str) -> None:
    sizes = [len(paint(replace(FOX, output_format="jpg", quality=each)).data) for each in (low, high)]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("other", [replace(FOX, steps=4), replace(FOX, guidance=9.0)])
def test_steps_and_guidance_show(other: Brief) -> None:
    assert 0.3 < difference(opened(FOX), opened(other)) < 40


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_reference_shows_and_is_transformed(count: int) -> None:
    references = tuple(png(64, 64, colour) for colour in ("red", "lime", "blue", "yellow")[:count])
    whole, without_the_last = (opened(replace(FOX, references=each)) for each in (references, references[:-1]))
    assert difference(whole, without_the_last) > 5
    colours = {colour for _, colour in whole.getcolors(maxcolors=2**20) or []}
    assert colours.isdisjoint({(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)})


def test_the_label_lies_at_the_bottom_and_names_the_seed() -> None:
    one, other = opened(FOX), opened(FOX)
    assert ImageStat.Stat(one.crop((0, 737, 768, 768))).mean < ImageStat.Stat(other.crop((0, 600, 768, 700))).mean


@pytest.mark.parametrize("prompt", ["", "日本の狐 🦊", "a\nb\tc", "x" * 4000, "a watercolor of a city at night"])
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert opened(Brief(prompt=prompt, seed=-(2**40))).size == (768, 768)


@pytest.mark.parametrize("data", [b"", b"<html>", png(20, 20)[:40]])
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableReference):
        paint(replace(FOX, references=(data,)))


def test_a_reference_lies_as_its_camera_was_held() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (300, 200)).save(out, "JPEG", exif=exif)
    assert opened(replace(FOX, aspect_ratio="match_input_image", references=(out.getvalue(),))).size == (512, 768)


def test_a_placeholder_is_a_png_that_differs_by_name() -> None:
    one, other = placeholder("https://hub.oxen.ai/one.png"), placeholder("https://hub.oxen.ai/two.png")
    assert one.startswith(b"\x89PNG")
    assert one != other
