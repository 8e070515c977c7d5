"""Prices by quality and resolution tier, and which of them a request may have.

A choice that is not surely one row or tier counts as every one that it may be: "auto", a size between two tiers, a model that names its
options otherwise than its prices.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, Final

from bot.domain.catalog.ideas import IDEA_NAMES, Idea
from bot.domain.catalog.options import factor_of
from bot.domain.catalog.shapes.aspect_ratios import pixels_of


@dataclass(frozen=True, kw_only=True)
class Given:
    """The values of one option in a request, or its default. None: the image API chooses."""

    values: Sequence[Any]
    listed: frozenset[str] = frozenset()  # all that the option allows, folded; empty: others too


Values = Mapping[str, Given]  # by option name
ReadAmount = Callable[[object], Decimal | None]  # converts a raw amount; None: it cannot be read

_MAX_CELLS: Final = 500
_K: Final = 1024  # px: the side of a square of tier "1K"
_TIER: Final = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,4})?)(k|mp|megapixels?|px)?")
_BLANKS: Final = re.compile(r"[\s_-]+")
_TIER_NAMES: Final = ("resolution", "size", "megapixel", "dimension", "tier")
_QUALITY_NAMES: Final = ("quality",)
_ONLY_QUALITY: Final = frozenset({None, "default"})  # of a model whose price depends on other options


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One price. Labels are folded by `fold`; None: any."""

    quality: str | None
    tier: str | None
    amount: Decimal | None  # None: it could not be read

    @property
    def is_labelled(self) -> bool:
        return self.quality is not None or self.tier is not None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """All prices of one model."""

    cells: tuple[Cell, ...]

    def amounts(self, values: Values) -> set[Decimal | None]:
        """The prices that a request may have: of its cell, or of the whole row of each possible quality if a cell is missing."""
        return {cell.amount for cell in self._possible(values)[0]}

    def is_certain(self, values: Values) -> bool:
        """Whether the request's quality and tier are known, and have a price."""
        cells, is_known = self._possible(values)
        return is_known and len(cells) == 1 and cells[0].is_labelled

    def _possible(self, values: Values) -> tuple[list[Cell], bool]:
        """The cells, and whether the values name each of them."""
        qualities, knows_quality = self._qualities_of(values)
        tiers, knows_tier = self._tiers_of(values)
        cells = [cell for cell in self.cells if cell.quality in qualities and cell.tier in tiers]
        if len({(cell.quality, cell.tier) for cell in cells}) == len(qualities) * len(tiers):
            return cells, knows_quality and knows_tier
        return [cell for cell in self.cells if cell.quality in qualities], False

    def _qualities_of(self, values: Values) -> tuple[frozenset[str | None], bool]:
        if self._qualities <= _ONLY_QUALITY:
            return self._qualities, True
        named = {fold(value) for name, given in values.items() if _is_named(name, _QUALITY_NAMES) for value in given.values}
        if any(text not in self._qualities and not text.isdecimal() for text in named):  # a number is the file's compression
            return self._qualities, False
        found = self._qualities & (named & self._qualities or _listing(self._qualities, values))
        return (found, True) if found else (self._qualities, False)

    def _tiers_of(self, values: Values) -> tuple[frozenset[str | None], bool]:
        if self._tiers == {None}:
            return self._tiers, True
        sizes = list(_sizes(values))
        found = self._tiers & ({fold(value) for _name, value in sizes} | _listing(self._tiers, values))
        others = [_sides(value, in_megapixels="megapixel" in name.casefold()) for name, value in sizes if fold(value) not in found]
        between = [self._tiers_between(sides) for sides in (*others, *_given_sides(values))]
        found = found.union(*(tiers for tiers, _is_exact in between))
        return (found, all(is_exact for _tiers, is_exact in between)) if found else (self._tiers, False)

    def _tiers_between(self, sides: tuple[float, float] | None) -> tuple[frozenset[str | None], bool]:
        """The tiers of an image between a square of `sides[0]` px and one of `sides[1]` px, and whether it is exactly of one tier."""
        known = sorted(self._sides_of_tiers.values())
        high = None if sides is None else min((side for side in known if side >= sides[1]), default=None)
        if sides is None or high is None or len(self._sides_of_tiers) < len(self._tiers):
            return self._tiers, False
        low = max((side for side in known if side <= sides[0]), default=known[0])
        return frozenset(tier for tier, side in self._sides_of_tiers.items() if low <= side <= high), low == high == sides[0]

    @cached_property
    def _qualities(self) -> frozenset[str | None]:
        return frozenset(cell.quality for cell in self.cells)

    @cached_property
    def _tiers(self) -> frozenset[str | None]:
        return frozenset(cell.tier for cell in self.cells)

    @cached_property
    def _sides_of_tiers(self) -> Mapping[str, float]:
        return {tier: sides[0] for tier in self._tiers if tier is not None and (sides := _sides(tier))}


def read_grid(raw: object, read_amount: ReadAmount) -> Grid | None:
    """A map of quality to tier to amount; also a map of only one of them, or one amount. None if it is empty."""
    if raw is None:
        return None
    rows = raw.items() if isinstance(raw, Mapping) else ()
    found = (cell for key, inner in rows for cell in _row(fold(key), inner, read_amount))
    cells = list(islice(found, _MAX_CELLS + 1)) if isinstance(raw, Mapping) else [Cell(quality=None, tier=None, amount=read_amount(raw))]
    if len(cells) > _MAX_CELLS:
        cells = [Cell(quality=None, tier=None, amount=None)]
    return Grid(cells=tuple(cells)) if cells else None


def fold(value: object) -> str:
    """A label or value in one spelling: "4 K" and "4k" alike."""
    return _fold_text(str(int(value)) if isinstance(value, float) and value.is_integer() else str(value))


@lru_cache(maxsize=4096)
def _fold_text(text: str) -> str:
    return _BLANKS.sub("", text.casefold()).replace("×", "x").replace("*", "x")


def _row(label: str, inner: object, read_amount: ReadAmount) -> Iterator[Cell]:
    if not isinstance(inner, Mapping):
        is_tier = _sides(label) is not None
        yield Cell(quality=None if is_tier else label, tier=label if is_tier else None, amount=read_amount(inner))
        return
    for name, amount in inner.items():
        quality, tier = label, fold(name)
        if _sides(quality) is not None and _sides(tier) is None:
            quality, tier = tier, quality
        yield Cell(quality=quality, tier=tier, amount=read_amount(amount))


def _is_named(name: str, parts: Iterable[str]) -> bool:
    return any(part in name.casefold() for part in parts)


def _sides(value: object, *, in_megapixels: bool = False) -> tuple[float, float] | None:
    """Sides in px of a square with the value's area, and of a square around it: "2K" is 2048 for both. None: no size."""
    text = fold(value)
    pixels = pixels_of(text)
    if pixels is not None:
        return math.sqrt(pixels[0] * pixels[1]), float(max(pixels))
    found = _TIER.fullmatch(text)
    if found is None or isinstance(value, bool):
        return None
    amount, unit = float(found[1]), found[2] or ("mp" if in_megapixels else "px")
    side = amount * _K if unit == "k" else math.sqrt(amount * 1_000_000) if unit.startswith("m") else amount
    return side, side


def _listing(labels: frozenset[str | None], values: Values) -> set[str]:
    """The values of options that list all of these labels, under any name; and labels such as "2x" for the scale 2."""
    factors = {factor_of(value) for name in IDEA_NAMES[Idea.SCALE] if name in values for value in values[name].values}
    scales = {label for label in labels if label is not None and "x" in label and factor_of(label) in factors - {None}}
    return {fold(value) for given in values.values() if labels <= given.listed for value in given.values} | scales


def _sizes(values: Values) -> Iterator[tuple[str, Any]]:
    """The values of options that are named like a size."""
    return ((name, value) for name, given in values.items() if _is_named(name, _TIER_NAMES) for value in given.values)


def _given_sides(values: Values) -> list[tuple[float, float] | None]:
    """The same as `_sides` for separate widths and heights."""
    widths, heights = (
        [value for name, given in values.items() if name.casefold().endswith(side) for value in given.values if value is not None]
        for side in ("width", "height")
    )
    return [_sides(f"{fold(width)}x{fold(height)}") for width in widths for height in heights]
