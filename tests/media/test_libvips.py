"""libvips: what it says of one file doesn't concern another, and if it cannot be loaded, no file is to blame."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator

import pytest

from bot.core.errors import ImageError, MachineTrouble
from bot.media import libvips
from bot.media.codec import clean_reference, inspect
from tests.env.images import png
from tests.media.cases.heif import UNNAMED
from tests.media.cases.jpeg import JFIF, jpeg, profile
from tests.media.cases.profiles import BROKEN


def test_an_error_that_quotes_other_bytes_than_text_spoils_no_later_image(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageError):
        inspect(UNNAMED, max_pixels=10_000, verify=True)
    assert clean_reference(jpeg(head=JFIF + profile(BROKEN["without curves"])), max_pixels=10_000).width == 64
    assert capfd.readouterr().err == ""


@pytest.fixture
def unloaded() -> Iterator[None]:
    """As in a bot that has had no image yet."""
    libvips._set_up.cache_clear()
    yield
    libvips._set_up.cache_clear()


UNLOADABLE = [ImportError("libvips.so.42: failed to map segment"), OSError(errno.EMFILE, os.strerror(errno.EMFILE))]


@pytest.mark.parametrize("error", UNLOADABLE)
def test_a_library_that_cannot_be_loaded_now_is_no_damage(unloaded: None, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """pyvips would go on without it, and say that there is no libvips."""

    class Unloadable:
        def find_spec(self, name: str, *_where: object) -> None:
            if name == "_libvips":
                raise error

    with monkeypatch.context() as patched:
        patched.delitem(sys.modules, "_libvips", raising=False)
        patched.setattr(sys, "meta_path", [Unloadable(), *sys.meta_path])
        with pytest.raises(MachineTrouble):
            inspect(png(8, 8), max_pixels=100)
    assert inspect(png(8, 8), max_pixels=100).width == 8
