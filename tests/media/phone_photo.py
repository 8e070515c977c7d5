"""A photo as a phone takes it, for the demo: HEIC, stored on its side, with the date and the place where it was taken; and a mask for it.

`python -m tests.media.phone_photo` writes both anew.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Final

import pillow_heif
from PIL import Image, ImageDraw

from tests.media.cases import exif

PATH: Final = Path(__file__).parents[2] / "sandbox/discord/page/phone-photo.heic"
MASK: Final = PATH.with_name("phone-mask.png")
SIZE: Final = (900, 1200)  # upright
EXIF: Final = exif.photo(6)
_SKY, _HAZE, _SUN, _WATER = (70, 130, 200), (250, 215, 170), (255, 245, 215), (35, 85, 110)
_HILLS: Final = ((150, 160, 185), (100, 125, 140), (55, 95, 85), (30, 65, 45))  # from the farthest to the nearest
_SHORE: Final = 860  # px from the top


def drawn() -> Image.Image:
    """Hills behind a lake."""
    image = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(image)
    for y in range(_SHORE):
        draw.line((0, y, SIZE[0], y), fill=_between(_SKY, _HAZE, y / _SHORE))
    draw.ellipse((590, 300, 700, 410), fill=_SUN)
    for number, colour in enumerate(_HILLS):
        ridge = [(x, 480 + 95 * number - _height(x, number)) for x in range(0, SIZE[0] + 15, 15)]
        draw.polygon([(0, _SHORE), *ridge, (SIZE[0], _SHORE)], fill=colour)
    for y in range(_SHORE, SIZE[1]):
        draw.line((0, y, SIZE[0], y), fill=_between(_HAZE, _WATER, min(1, (y - _SHORE) / 120)))
    draw.ellipse((600, 880, 690, 905), fill=_SUN)
    return image


def _between(one: tuple[int, ...], other: tuple[int, ...], share: float) -> tuple[int, ...]:
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


def _height(x: int, number: int) -> float:
    """Of a hill, in px."""
    return 70 * math.sin(x / (190 - 30 * number) + 2 * number) + 25 * math.sin(x / 41 + number)


def encoded() -> bytes:
    """At most 40 KB."""
    file = io.BytesIO()
    stored = drawn().transpose(Image.Transpose.ROTATE_90)
    pillow_heif.from_pillow(stored).save(file, quality=55, exif=b"Exif\0\0" + EXIF)
    return file.getvalue()


def mask() -> Image.Image:
    """Its lake is white."""
    image = Image.new("1", SIZE)
    ImageDraw.Draw(image).rectangle((0, _SHORE, *SIZE), fill=1)
    return image


if __name__ == "__main__":
    PATH.write_bytes(encoded())
    mask().save(MASK, optimize=True)
