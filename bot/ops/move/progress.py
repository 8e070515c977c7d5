"""How far a move is, and what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bot.store.moving.survey import Survey

Show = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class ProgressShow:
    show: Show
    every_s: float


@dataclass(kw_only=True)
class MoveProgress:
    """Shows a line now and then while `total` rows are handled."""

    what: str  # copied or compared
    total: int
    lines: ProgressShow
    done: int = 0
    began: float = field(default_factory=time.monotonic)
    shown: float = field(default_factory=time.monotonic)

    def add(self, table: str, rows: int) -> None:
        self.done += rows
        now = time.monotonic()
        if now - self.shown >= self.lines.every_s:
            self.shown = now
            self.lines.show(self._line(table, now - self.began))

    def _line(self, table: str, took_s: float) -> str:
        rate = self.done / took_s
        left_s = (self.total - self.done) / rate
        return f"{self.done:,} of {self.total:,} rows {self.what}, now {table}; {rate:,.0f} rows/s, {_duration(left_s)} left"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What both databases hold after the move: checksums by table, before and after."""

    before: Survey
    after: Survey
    sums: Mapping[str, tuple[int, int]]

    @property
    def agree(self) -> bool:
        return not self.differing and self.before.proof == self.after.proof

    @property
    def differing(self) -> list[str]:
        """Tables."""
        counts = self.before.counts, self.after.counts
        return [name for name, (one, other) in self.sums.items() if one != other or counts[0][name] != counts[1][name]]

    def lines(self) -> Iterator[str]:
        """A table of what was compared."""
        yield f"{'table':<16} {'rows':>12}  checksum"
        for name, (one, other) in self.sums.items():
            counts = self.before.counts[name], self.after.counts[name]
            same = f"{counts[0]:>12,}  {_short(one)}"
            differs = f", but {counts[1]:,} and {_short(other)} in the copy"
            yield f"{name:<16} {same}{differs if name in self.differing else ''}"
        yield from self._of_books()

    def _of_books(self) -> Iterator[str]:
        books = self.after.proof
        if self.before.proof == books:
            counted = f"{books.accounts:,} accounts, {books.lines:,} lines and {books.images:,} images"
            yield f"Books: {counted}; they add up on both sides."
        else:
            yield f"Books: those of the copy differ{': ' if books.wrong else '.'}{'; '.join(books.wrong[:3])}"


def _short(checksum: int) -> str:
    return f"{checksum:032x}"[:12]
