"""Perceptual hashes: copies of an image are similar, other images are not."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from bot.core.errors import ImageError
from bot.media.likeness import ALIKE, distance, fingerprint
from sandbox.painter import Brief, paint

PROMPTS = ("a fox in the snow", "city at night", "red hills", "a blue ocean", "watercolor forest")
STORED = {  # by earlier versions, in the lists of servers
    "a fox in the snow": 0x29C27E31924B6DB6,
    "city at night": 0x23328DCC3323339C,
    "red hills": 0x889C637637429F99,
    "a blue ocean": 0xC7C6C74439393939,
    "watercolor forest": 0x11F6458D51AB3C04,
}


def painted(prompt: str) -> bytes:
    """A scene with a line at the bottom, like those whose fingerprints are stored."""
    image = Image.open(io.BytesIO(paint(Brief(prompt=prompt, seed=1, resolution="0.5 MP", has_caption=False)).data))
    draw, top = ImageDraw.Draw(image, "RGBA"), image.height - 24
    draw.rectangle((0, top, image.width, image.height), fill=(12, 14, 22, 190))
    line = f"sandbox image · {prompt} · seed 1"
    draw.text((12, top + 12), line, font=ImageFont.load_default(12), fill=(255, 255, 255, 235), anchor="lm")
    return saved(image, "PNG")


def saved(image: Image.Image, format_: str, **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


PAINTED = {prompt: painted(prompt) for prompt in PROMPTS}


def opened(prompt: str) -> Image.Image:
    return Image.open(io.BytesIO(PAINTED[prompt])).convert("RGB")


def cropped(image: Image.Image) -> Image.Image:
    """Cropped by 2 %."""
    return image.crop((image.width // 100, image.height // 100, image.width * 99 // 100, image.height * 99 // 100))


def with_alpha(image: Image.Image) -> Image.Image:
    image.putalpha(255)
    return image


def of_16_bits(image: Image.Image) -> Image.Image:
    samples = b"".join(bytes([value, value]) for value in image.convert("L").tobytes())
    return Image.frombytes("I;16", image.size, samples)


CHANGES: dict[str, Callable[[Image.Image], bytes]] = {
    "poor JPEG": lambda image: saved(image, "JPEG", quality=30),
    "poor WebP": lambda image: saved(image, "WEBP", quality=20),
    "GIF": lambda image: saved(image.convert("P"), "GIF"),
    "a third": lambda image: saved(image.resize((image.width // 3, image.height // 3)), "PNG"),
    "twice the size": lambda image: saved(image.resize((image.width * 2, image.height * 2)), "JPEG"),
    "squashed": lambda image: saved(image.resize((image.width, image.height // 2)), "PNG"),
    "cropped": lambda image: saved(cropped(image), "PNG"),
    "grey of 16 bits": lambda image: saved(of_16_bits(image), "PNG"),
    "AVIF": lambda image: saved(image, "AVIF"),
    "grey": lambda image: saved(image.convert("L"), "PNG"),
    "paler": lambda image: saved(ImageEnhance.Contrast(image).enhance(0.7), "PNG"),
    "with an alpha channel": lambda image: saved(with_alpha(image), "PNG"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_copy_is_similar(name: str) -> None:
    distances = [distance(fingerprint(PAINTED[prompt]), fingerprint(CHANGES[name](opened(prompt)))) for prompt in PROMPTS]
    assert max(distances) <= ALIKE


@pytest.mark.parametrize("prompt", PROMPTS)
def test_stored_fingerprints_keep_matching(prompt: str) -> None:
    assert distance(fingerprint(PAINTED[prompt]), STORED[prompt]) <= 2


def test_different_images_are_not_similar() -> None:
    prints = [fingerprint(content) for content in PAINTED.values()]
    assert min(distance(a, b) for a, b in itertools.combinations(prints, 2)) > 2 * ALIKE


def test_a_file_gives_the_same_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(PAINTED["red hills"])
    assert fingerprint(path) == fingerprint(PAINTED["red hills"])


def test_a_plain_image_has_the_fingerprint_zero_in_every_format() -> None:
    plain = Image.new("RGB", (300, 200), "teal")
    assert {fingerprint(saved(plain, "PNG")), fingerprint(saved(plain, "JPEG", quality=40))} == {0}


def test_the_smallest_image_has_a_fingerprint() -> None:
    assert 0 <= fingerprint(saved(Image.new("L", (1, 1)), "PNG")) < 2**64


@pytest.mark.parametrize("content", [b"", b"no image", PAINTED["red hills"][:2000]])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ImageError):
        fingerprint(content)


def test_an_image_with_too_many_pixels_is_not_decoded() -> None:
    with pytest.raises(ImageError, match="megapixels"):
        fingerprint(PAINTED["red hills"], max_pixels=1000)
