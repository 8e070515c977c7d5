"""Charts of spending: stacked bars on a card that is readable in Discord's light and dark themes.

Takes some tenths of a second: call it in a thread.
Colours: Paul Tol's light scheme (https://sronpersonalpages.nl/~pault/, technical note SRON/EPS/TN/09-002), which is distinguishable
with the common kinds of colour blindness. Gaps between the parts and the order of the legend help without colours.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bot.core import numbers
from bot.domain.money.quota import MICRO, in_credits

if TYPE_CHECKING:  # as in `codec`
    from PIL import ImageDraw, ImageFont

SERIES_MAX: Final = 8  # the rest is drawn as one series
COLUMNS_MAX: Final = 62  # days of two months

# Ordered so that neighbours differ as much as possible for all kinds of colour vision.
COLOURS: Final = ("#77AADD", "#EE8866", "#99DDFF", "#BBCC33", "#FFAABB", "#AAAA00", "#44BB99", "#EEDD88")
OTHERS_COLOUR: Final = "#7A7E88"
CARD: Final = "#1E2027"
_EDGE, _LINE, _TEXT, _QUIET = "#5C606B", "#3A3D47", "#F4F5F7", "#C3C6CE"

_WIDTH, _HEIGHT = 1280, 720  # px; Discord shows it at about half this size
_LEFT, _RIGHT, _TOP, _BOTTOM = 120, 130, 138, 84  # px around the bars, without the legend
_LEGEND_LINE, _LEGEND_COLUMNS = 40, 3
_GAP: Final = 3  # px between the parts of a bar
_TITLE_PX, _LABEL_PX = 38, 25

_SIGNS: Final = "·⁄‘’“”"  # characters of the font besides ASCII
_SPELT_OUT: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l", "Æ": "Ae", "Ø": "O", "Œ": "Oe", "Ł": "L", "–": "-", "—": "-"}
)

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Series:
    """One model or member: microcredits for each column."""

    name: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.values)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The content of a chart. Characters that the font lacks are left out, see `drawable`."""

    title: str
    columns: tuple[str, ...]  # labels below the bars, such as days; at most `COLUMNS_MAX`
    series: tuple[Series, ...]
    others: tuple[int, ...] = ()  # the sums of `others_count` more series
    others_count: int = 0
    usd_per_credit: Decimal | None = None  # None: no axis in US dollars
    credits_name: str = "credits"
    others_name: str = "others"
    empty: str = "nothing spent"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One series as it is drawn."""

    name: str
    colour: str
    values: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """The axis: `count` steps of `step` microcredits."""

    step: int
    count: int

    @property
    def top(self) -> int:
        return self.step * self.count


def draw(chart: Chart) -> bytes:
    """A PNG of 1280 × 720 px. Raises ValueError for more than `COLUMNS_MAX` columns, or a series of another length."""
    if len(chart.columns) > COLUMNS_MAX or any(len(series.values) != len(chart.columns) for series in chart.series):
        raise ValueError("a chart has at most 62 columns, and each series one value per column")
    parts = _parts(chart)
    from PIL import Image, ImageDraw

    image = Image.new("RGBA", (_WIDTH, _HEIGHT))
    canvas = ImageDraw.Draw(image)
    canvas.rounded_rectangle((0, 0, _WIDTH - 1, _HEIGHT - 1), 28, fill=CARD, outline=_EDGE, width=3)
    canvas.text((_LEFT - 76, 40), drawable(chart.title), font=_font(_TITLE_PX), fill=_TEXT)
    legend_lines = math.ceil(len(parts) / _LEGEND_COLUMNS)
    plot = (_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM - legend_lines * _LEGEND_LINE)
    if parts:
        scale = _scale(max(map(sum, zip(*(part.values for part in parts), strict=True))))
        _draw_axis(canvas, plot, scale, chart)
        _draw_bars(canvas, plot, scale, parts)
        _draw_columns(canvas, plot, chart.columns)
        _draw_legend(canvas, parts)
    else:
        canvas.text((_WIDTH / 2, _HEIGHT / 2), drawable(chart.empty), font=_font(_TITLE_PX), fill=_QUIET, anchor="mm")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def drawable(text: str) -> str:
    """The text in characters of Pillow's built-in font, on one line: without accents and other scripts. May be empty."""
    letters = unicodedata.normalize("NFKD", " ".join(text.split()).translate(_SPELT_OUT))
    return " ".join("".join(letter for letter in letters if " " <= letter <= "~" or letter in _SIGNS).split())


# --- drawing ---------------------------------------------------------------------------------------------------------


def _parts(chart: Chart) -> tuple[_Part, ...]:
    """The series, largest first, those beyond `SERIES_MAX` as one. A name that cannot be drawn is replaced by its rank: "#3"."""
    ranked = sorted((series for series in chart.series if series.total > 0), key=lambda series: -series.total)
    shown, rest = ranked[:SERIES_MAX], ranked[SERIES_MAX:]
    named = [replace(series, name=drawable(series.name) or f"#{rank}") for rank, series in enumerate(shown, 1)]
    parts = [_Part(name=series.name, colour=colour, values=series.values) for series, colour in zip(named, COLOURS, strict=False)]
    if count := len(rest) + chart.others_count:
        values = tuple(map(sum, zip(*filter(None, (*(series.values for series in rest), chart.others)), strict=True)))
        parts.append(_Part(name=f"{drawable(chart.others_name)} ({count})".strip(), colour=OTHERS_COLOUR, values=values))
    return tuple(parts)


def _scale(highest: int) -> _Scale:
    """Steps of 1, 2 or 5 times a power of ten, at least 0.01 credits; at most ten steps."""
    smallest = MICRO // 100
    power = max(10 ** (len(str(max(highest, 1) // 5)) - 1), smallest)
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * 5 >= highest)
    return _Scale(step=step, count=max(-(-highest // step), 1))


def _draw_axis(canvas: ImageDraw.ImageDraw, plot: Box, scale: _Scale, chart: Chart) -> None:
    """Horizontal lines, labelled in credits on the left and US dollars on the right."""
    left, top, right, bottom = plot
    font = _font(_LABEL_PX)
    canvas.text((left - 76, top - 46), drawable(chart.credits_name), font=font, fill=_QUIET)
    if chart.usd_per_credit is not None:
        canvas.text((_WIDTH - 34, top - 46), "US$", font=font, fill=_QUIET, anchor="ra")
    for number in range(scale.count + 1):
        amount, y = scale.step * number, bottom - (bottom - top) * number / scale.count
        canvas.line((left, y, right, y), fill=_LINE if number else _EDGE, width=2)
        canvas.text((left - 16, y), in_credits(amount), font=font, fill=_QUIET, anchor="rm")
        if chart.usd_per_credit is not None:
            canvas.text((right + 16, y), _money(amount, chart.usd_per_credit, scale.step), font=font, fill=_QUIET, anchor="lm")


def _money(amount: int, usd_per_credit: Decimal, step: int) -> str:
    """US dollars, with as many decimals as the steps need."""
    usd = usd_per_credit * amount / MICRO
    decimals = next((places for places in (0, 2, 3, 4) if usd_per_credit * step / MICRO * 10**places % 1 == 0), 4)
    return numbers.number(usd, decimals=decimals, fixed=True)


def _draw_bars(canvas: ImageDraw.ImageDraw, plot: Box, scale: _Scale, parts: Sequence[_Part]) -> None:
    left, top, right, bottom = plot
    for column, (x0, x1) in enumerate(_bar_edges(left, right, len(parts[0].values))):
        y = bottom - 1
        for part in parts:
            height = (bottom - top) * part.values[column] / scale.top
            if height >= 1:  # less than a pixel is not visible
                canvas.rectangle((x0, y - max(height - _GAP, 1) + 1, x1, y), fill=part.colour)
            y -= height


def _bar_edges(left: float, right: float, count: int) -> Iterator[tuple[float, float]]:
    """The left and right edge of each bar."""
    pitch = (right - left) / count
    width = min(pitch * 0.72, 96)
    for number in range(count):
        middle = left + pitch * (number + 0.5)
        yield round(middle - width / 2), round(middle + width / 2)


def _draw_columns(canvas: ImageDraw.ImageDraw, plot: Box, columns: Sequence[str]) -> None:
    """As many labels as fit, at equal distances."""
    left, _top, right, bottom = plot
    font, names = _font(_LABEL_PX), [drawable(column) for column in columns]
    pitch = (right - left) / len(names)
    every = max(1, math.ceil((max(map(font.getlength, names)) + 18) / pitch))
    for number, name in enumerate(names):
        if (len(names) - 1 - number) % every == 0:  # the last column, today, always has a label
            canvas.text((left + pitch * (number + 0.5), bottom + 14), name, font=font, fill=_QUIET, anchor="ma")


def _draw_legend(canvas: ImageDraw.ImageDraw, parts: Sequence[_Part]) -> None:
    """The series in the order of the bars from below, each with its total."""
    lines = math.ceil(len(parts) / _LEGEND_COLUMNS)
    entry_px = (_WIDTH - 2 * 44) / _LEGEND_COLUMNS
    font = _font(_LABEL_PX)
    for number, part in enumerate(parts):
        line, column = divmod(number, _LEGEND_COLUMNS)
        x, y = 44 + column * entry_px, _HEIGHT - 26 - (lines - line) * _LEGEND_LINE + _LEGEND_LINE / 2
        canvas.rounded_rectangle((x, y - 11, x + 22, y + 11), 5, fill=part.colour)
        total = in_credits(sum(part.values))
        name = _shortened(part.name, font, entry_px - 34 - 34 - font.getlength(total))
        canvas.text((x + 34, y), name, font=font, fill=_TEXT, anchor="lm")
        canvas.text((x + 34 + font.getlength(name) + 12, y), total, font=font, fill=_QUIET, anchor="lm")


def _shortened(text: str, font: ImageFont.FreeTypeFont, width_px: float) -> str:
    if font.getlength(text) <= width_px:
        return text
    kept = next((text[:end] for end in range(len(text) - 1, 0, -1) if font.getlength(text[:end] + "…") <= width_px), "")
    return f"{kept.rstrip()}…"


@lru_cache(maxsize=8)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """Pillow's built-in font, which is the same on every machine."""
    from PIL import ImageFont

    font = ImageFont.load_default(size_px)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("this Pillow was built without FreeType")
    return font
