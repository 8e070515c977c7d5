"""The chart of spending: correct areas, and colours that everybody can distinguish."""

from __future__ import annotations

import io
import itertools
import math
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor

from bot.domain.money.quota import MICRO
from bot.media import chart
from bot.media.chart import CARD, COLOURS, OTHERS_COLOUR, SERIES_MAX, Chart, Series, drawable

# Machado, Oliveira and Fernandes (2009): full protanopia, deuteranopia and tritanopia, in linear RGB. First: full colour vision.
SIGHTS = (
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
)
Sight = tuple[tuple[float, ...], ...]


def linear(colour: str) -> list[float]:
    """sRGB without its gamma (IEC 61966-2-1), 0 to 1."""
    parts = [each / 255 for each in ImageColor.getrgb(colour)]
    return [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]


def luminance(colour: str) -> float:
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def lab(colour: str, sight: Sight) -> tuple[float, float, float]:
    """CIE 1976 L*a*b* of a colour with this kind of vision."""
    red, green, blue = (min(max(sum(a * b for a, b in zip(row, linear(colour), strict=True)), 0), 1) for row in sight)
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
    )
    x, y, z = (each ** (1 / 3) if each > 0.008856 else 7.787 * each + 16 / 116 for each in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def drawn(series: dict[str, tuple[int, ...]], **more: object) -> Image.Image:
    columns = tuple(f"Nov {number}" for number in range(1, len(next(iter(series.values()), ())) + 1))
    rows = tuple(Series(name=name, values=values) for name, values in series.items())
    return Image.open(io.BytesIO(chart.draw(Chart(title="Spent", columns=columns, series=rows, **more))))  # type: ignore[arg-type]


def pixels(image: Image.Image, colour: str, *, below: int = 650) -> int:
    """How many pixels have exactly this colour, above the legend."""
    part = image.convert("RGB").crop((0, 0, image.width, below))
    found = {tuple(each): count for count, each in part.getcolors(part.width * part.height) or [] if isinstance(each, tuple)}
    return found.get(ImageColor.getrgb(colour), 0)


def test_it_is_a_png_of_the_expected_size() -> None:
    image = drawn({"A": (MICRO, 2 * MICRO)}, usd_per_credit=Decimal("0.01"))
    assert (image.format, image.size) == ("PNG", (1280, 720))


def test_the_card_is_opaque_inside_its_round_corners() -> None:
    alpha = drawn({"A": (MICRO,)}).getchannel("A")
    assert (alpha.getpixel((0, 0)), alpha.getpixel((640, 2)), alpha.getpixel((640, 360))) == (0, 255, 255)


def test_areas_are_proportional_to_the_amounts() -> None:
    image = drawn({"large": (30 * MICRO, 30 * MICRO), "small": (10 * MICRO, 10 * MICRO)})
    assert pixels(image, COLOURS[0]) / pixels(image, COLOURS[1]) == pytest.approx(3, rel=0.05)


def test_the_largest_eight_have_colours_and_the_rest_is_one_series() -> None:
    image = drawn({f"model {number}": (number * MICRO,) for number in range(1, SERIES_MAX + 4)})
    assert all(pixels(image, colour) > 100 for colour in (*COLOURS, OTHERS_COLOUR))


def test_a_series_without_spending_is_not_drawn() -> None:
    image = drawn({"A": (MICRO, MICRO), "nobody": (0, 0)})
    assert pixels(image, COLOURS[1], below=720) == 0


def test_without_spending_there_is_still_an_image() -> None:
    assert pixels(drawn({}), COLOURS[0], below=720) == 0
    assert drawn({"A": (0,)}).tobytes() == drawn({}).tobytes()


def test_columns_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="62 columns"):
        drawn({"A": (1,) * 63})
    with pytest.raises(ValueError, match="each series"):
        drawn({"A": (1, 2), "B": (1,)})


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=62))
def test_every_amount_can_be_drawn(values: list[int]) -> None:
    assert drawn({"A": tuple(values)}, usd_per_credit=Decimal("0.0123")).size == (1280, 720)


@given(st.integers(1, 10**18))
@example(2 * 10**17 + 1)  # beyond a float's precision
def test_the_axis_contains_the_highest_bar_in_at_most_ten_steps(highest: int) -> None:
    scale = chart._scale(highest)
    assert highest <= scale.top
    assert scale.count <= 10
    assert str(scale.step).rstrip("0") in {"1", "2", "5"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Größe  M", "Grosse M"), ("Łódź – Zoë", "Lodz - Zoe"), ("日本語", ""), ("🎨 Ann 🎨", "Ann"), ("a\nb\x00", "a b"), ("½", "1⁄2")],
)
def test_names_are_written_in_available_characters(text: str, shown: str) -> None:
    assert drawable(text) == shown


@given(st.text())
def test_any_name_can_be_drawn(name: str) -> None:
    missing = chart._font(25).getmask("\uffff")
    assert all(bytes(chart._font(25).getmask(letter)) != bytes(missing) for letter in set(drawable(name)) - {" "})


def test_every_colour_stands_out_from_the_card() -> None:
    contrasts = [(luminance(colour) + 0.05) / (luminance(CARD) + 0.05) for colour in (*COLOURS, OTHERS_COLOUR)]
    assert min(contrasts) >= 3  # WCAG 2.2, success criterion 1.4.11


@pytest.mark.parametrize("sight", SIGHTS, ids=["usual", "protanopia", "deuteranopia", "tritanopia"])
def test_neighbours_differ_for_every_kind_of_vision(sight: Sight) -> None:
    neighbours = itertools.pairwise((*COLOURS, OTHERS_COLOUR))
    assert min(math.dist(lab(one, sight), lab(other, sight)) for one, other in neighbours) > 25
