"""Every file of `tests.media.cases` is shown as browsers show it, or refused with a sentence, whatever is done with it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from PIL import Image

from bot.core.errors import ImageError
from bot.media.codec import AnimationTooLarge, clean_reference, cost, fit, inspect, is_whole, shrink, still, thumbnail
from bot.media.formats import Format
from bot.media.likeness import ALIKE, distance, fingerprint
from tests.media.cases import gif, png
from tests.media.cases.everything import REFUSED, SAMPLES
from tests.media.cases.sample import Quarters, Sample, Size
from tests.media.cases.webp import drawn

MAX_PIXELS: Final = 100_000_000
SMALL_BYTES, LARGE_BYTES = 20_000, 10_000_000
AS_THEY_ARE: Final = frozenset({Format.PNG, Format.JPEG, Format.WEBP, Format.GIF})
PRIVATE: Final = (b"serial number", b"written at home", b"a fox in the snow", b"tiff:Orientation", b"ftypmp42", b"whatever")
GREY: Final = (128, 128, 128, 255)


def assert_shown(content: bytes, sample: Sample, *, more: int, size: Size | None) -> None:
    """It has this size, and in the middle of each quarter the sample's colour, within the tolerances. Transparent pixels have none."""
    image = Image.open(io.BytesIO(content)).convert("RGBA")
    assert size in (None, image.size)
    for at, expected in enumerate(sample.quarters or ()):
        got = image.getpixel((int(image.width * (0.25 + at % 2 / 2)), int(image.height * (0.25 + at // 2 / 2))))
        assert isinstance(got, tuple)
        differences = [abs(a - b) for a, b in zip(got, expected, strict=True)]
        assert max(differences if expected[3] else differences[3:]) <= sample.tolerance + more, (at, got, expected)


def on_grey(quarters: Quarters, size: Size) -> bytes:
    file, ground = io.BytesIO(), Image.new("RGBA", size, GREY)
    ground.alpha_composite(drawn(quarters, size))
    ground.save(file, "PNG")
    return file.getvalue()


def its_type_size_and_cost_are_known(sample: Sample) -> None:
    info = inspect(sample.content, max_pixels=MAX_PIXELS, verify=True)
    assert info.format == sample.format
    assert sample.size is None or sorted((info.width, info.height)) == sorted(sample.size)
    assert sample.frames in (None, info.frames)
    assert cost(sample.content, max_pixels=MAX_PIXELS).memory_bytes > 0


def its_reference_shows_the_same_and_holds_nothing_else(sample: Sample) -> None:
    cleaned = clean_reference(sample.content, max_pixels=MAX_PIXELS)
    assert cleaned.content_type in {"image/png", "image/jpeg", "image/webp"}
    assert_shown(cleaned.content, sample, more=3, size=(cleaned.width, cleaned.height))
    assert sample.size in (None, (cleaned.width, cleaned.height))
    assert sample.is_bare in (None, cleaned.was_bare)
    assert [word for word in PRIVATE if word in cleaned.content] == []
    assert not {"exif", "icc_profile", "comment", "xmp"} & set(Image.open(io.BytesIO(cleaned.content)).info)


def it_is_sent_as_it_is_or_converted(sample: Sample) -> None:
    try:
        fitted = fit(sample.content, LARGE_BYTES, max_pixels=MAX_PIXELS)
    except AnimationTooLarge:
        fitted = still(sample.content, LARGE_BYTES, max_pixels=MAX_PIXELS)
        assert fitted.changed
    if sample.format in AS_THEY_ARE:
        assert (fitted.content, fitted.changed) == (sample.content, None)
    else:
        assert_shown(fitted.content, sample, more=3, size=sample.size)


def it_shows_the_same_after_it_was_made_to_fit(sample: Sample) -> None:
    if len(sample.content) <= SMALL_BYTES:
        return
    with contextlib.suppress(AnimationTooLarge):
        fitted = fit(sample.content, SMALL_BYTES, max_pixels=MAX_PIXELS)
        assert len(fitted.content) <= SMALL_BYTES
        assert_shown(fitted.content, sample, more=8, size=sample.size)


def its_thumbnail_shows_the_same(sample: Sample) -> None:
    assert_shown(thumbnail(sample.content, max_pixels=MAX_PIXELS), sample, more=40, size=None)


def it_is_recognised_whatever_its_format(sample: Sample) -> None:
    """Encoded with loss, the drawing is too simple for a fingerprint."""
    if sample.quarters and sample.size and sample.tolerance <= 4:
        assert distance(fingerprint(sample.content), fingerprint(on_grey(sample.quarters, sample.size))) <= ALIKE


CHECKS: Final[tuple[Callable[[Sample], None], ...]] = (
    its_type_size_and_cost_are_known,
    its_reference_shows_the_same_and_holds_nothing_else,
    it_is_sent_as_it_is_or_converted,
    it_shows_the_same_after_it_was_made_to_fit,
    its_thumbnail_shows_the_same,
    it_is_recognised_whatever_its_format,
)


@pytest.mark.parametrize("format_", Format)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_file(check: Callable[[Sample], None], format_: Format) -> None:
    wrong = {}
    for sample in SAMPLES.values():
        if sample.format == format_:
            try:
                check(sample)
            except (AssertionError, ImageError, OSError, ValueError) as error:
                wrong[sample.name] = repr(error)
    assert wrong == {}


def test_a_gif_that_leaves_some_of_the_screen_free_costs_as_much_as_a_transparent_one() -> None:
    free = gif.gif(gif.frame((8, 8)), screen=(500, 500))
    transparent = gif.gif(gif.control(transparent=1), gif.frame((8, 8)), screen=(500, 500))
    one, other = (cost(content, max_pixels=MAX_PIXELS, work=thumbnail).memory_bytes for content in (free, transparent))
    assert abs(one - other) < 1000


def test_a_file_is_as_bare_as_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(png.png())
    assert clean_reference(tmp_path / "a", max_pixels=MAX_PIXELS).was_bare


USES: Final[dict[str, Callable[[bytes], object]]] = {
    "inspect": lambda content: inspect(content, max_pixels=MAX_PIXELS, verify=True),
    "clean_reference": lambda content: clean_reference(content, max_pixels=MAX_PIXELS),
    "fit": lambda content: fit(content, 1, max_pixels=MAX_PIXELS),
    "still": lambda content: still(content, SMALL_BYTES, max_pixels=MAX_PIXELS),
    "shrink": lambda content: shrink(content, "image/png", len(content) - 1),
    "thumbnail": lambda content: thumbnail(content, max_pixels=MAX_PIXELS),
    "fingerprint": lambda content: fingerprint(content, max_pixels=MAX_PIXELS),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_with_a_sentence(name: str) -> None:
    file = REFUSED[name]
    for use in USES.values():
        with contextlib.suppress(ImageError) if file.says is None else pytest.raises(ImageError, match=file.says):
            use(file.content)
    with contextlib.suppress(ImageError):
        assert cost(file.content, max_pixels=MAX_PIXELS)
    assert is_whole(file.content) in (True, False)
