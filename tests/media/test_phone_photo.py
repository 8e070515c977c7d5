"""The demo's photo is as a phone takes it."""

from __future__ import annotations

import pillow_heif
from PIL import Image, ImageChops, ImageStat

from tests.media import phone_photo


def test_the_photo_is_on_its_side_with_its_date_and_place() -> None:
    content = phone_photo.PATH.read_bytes()
    assert len(content) <= 40_000
    image = pillow_heif.open_heif(content)[0]
    assert image.size == phone_photo.SIZE  # upright again
    assert image.info["exif"] == b"Exif\0\0" + phone_photo.EXIF
    assert b"2026:05:17" in phone_photo.EXIF


def test_the_photo_is_the_one_that_its_script_draws() -> None:
    shown = pillow_heif.open_heif(phone_photo.PATH.read_bytes())[0].to_pillow()
    difference = ImageChops.difference(shown, phone_photo.drawn())
    assert max(ImageStat.Stat(difference).mean) < 3


def test_the_mask_is_for_the_photo() -> None:
    assert Image.open(phone_photo.MASK).tobytes() == phone_photo.mask().tobytes()
