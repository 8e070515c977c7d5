"""What libvips says of one file doesn't concern another."""

from __future__ import annotations

import pytest

from bot.core.errors import ImageError
from bot.media.codec import clean_reference, inspect
from tests.media.cases.heif import UNNAMED
from tests.media.cases.jpeg import JFIF, jpeg, profile
from tests.media.cases.profiles import BROKEN


def test_an_error_that_quotes_other_bytes_than_text_spoils_no_later_image(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageError):
        inspect(UNNAMED, max_pixels=10_000, verify=True)
    assert clean_reference(jpeg(head=JFIF + profile(BROKEN["without curves"])), max_pixels=10_000).width == 64
    assert capfd.readouterr().err == ""
