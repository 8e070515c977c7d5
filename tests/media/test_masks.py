"""Masks: what every kind of image becomes, and what is refused."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from bot.core.errors import ImageError
from bot.media import masks
from bot.media.codec import clean_reference

SIZE = (64, 48)
HALF = Image.new("L", SIZE)
HALF.paste(255, (0, 0, 32, 48))  # the left half is white
WHITE = Image.new("L", SIZE, 255)


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def turned(image: Image.Image) -> bytes:
    """The same image as a camera that was held upright stores it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)


def cleaned(content: bytes, size: tuple[int, int] = SIZE) -> bytes:
    return masks.clean_mask(clean_reference(content, max_pixels=10_000_000).content, *size)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        encoded(HALF),
        encoded(HALF.convert("1")),
        encoded(HALF.convert("P")),
        encoded(HALF.convert("RGB"), "JPEG", quality=20),
        encoded(HALF.convert("RGB"), "WEBP", quality=30),
        encoded(HALF.convert("I").point(lambda value: value * 257).convert("I;16")),
        encoded(HALF.point(lambda value: 140 if value else 110)),  # greys on both sides of the half
        encoded(Image.composite(Image.new("RGB", SIZE, "yellow"), Image.new("RGB", SIZE, "navy"), HALF)),
        encoded(Image.merge("LA", (WHITE, HALF))),  # transparent on the right
        encoded(Image.merge("RGBA", (WHITE, WHITE, WHITE, HALF))),
        encoded(HALF.resize((640, 480))),
        encoded(HALF.resize((32, 24), Image.Resampling.NEAREST)),
        encoded(HALF.convert("P"), "GIF"),
        turned(HALF.convert("RGB")),
    ],
)
def test_a_mask_becomes_black_and_white_in_the_image_s_size(content: bytes) -> None:
    mask = opened(cleaned(content))
    assert (mask.format, mask.mode, mask.size) == ("PNG", "L", SIZE)
    assert (mask.getextrema(), mask.getpixel((8, 8)), mask.getpixel((56, 8))) == ((0, 255), 255, 0)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (encoded(Image.new("L", SIZE)), "The mask is all black, so nothing would change. Make white what should change."),
        (encoded(Image.new("L", SIZE, 9), "JPEG"), "The mask is all black, so nothing would change. Make white what should change."),
        (encoded(Image.new("LA", SIZE)), "The mask is all black, so nothing would change. Make white what should change."),
        (encoded(HALF.resize((48, 64))), "The mask is 48×64 pixels and the image 64×48. Use a mask of the image's size."),
        (encoded(HALF.resize((64, 50))), "The mask is 64×50 pixels and the image 64×48. Use a mask of the image's size."),
    ],
)
def test_a_mask_that_cannot_be_used_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(ImageError) as caught:
        cleaned(content)
    assert caught.value.sentence == sentence


def test_all_white_changes_everything() -> None:
    assert opened(cleaned(encoded(WHITE))).getextrema() == (255, 255)


def test_a_mask_follows_an_image_that_was_made_smaller() -> None:
    mask, small = cleaned(encoded(HALF)), base64.b64encode(encoded(HALF.resize((32, 24)))).decode()
    smaller = f"data:image/png;base64,{small}"
    assert opened(masks.for_image(mask, smaller)).size == (32, 24)
    assert masks.for_image(mask, "https://cdn.test/a.png") == mask


def test_openai_s_mask_is_transparent_where_the_image_is_changed() -> None:
    mask = opened(masks.with_transparency(cleaned(encoded(HALF))))
    assert (mask.format, mask.mode, mask.size) == ("PNG", "RGBA", SIZE)
    assert (mask.getpixel((8, 8)), mask.getpixel((56, 8))) == ((0, 0, 0, 0), (0, 0, 0, 255))
