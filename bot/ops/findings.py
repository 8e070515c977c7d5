"""What the doctor says: one line for each thing it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    OK = "ok"  # as it should be
    WARN = "warn"  # it works, but there is something to know
    BAD = "bad"  # the bot cannot do its work


Found = tuple[Mark, str]  # what one check found; the sentence says what to do


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report."""

    mark: Mark
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.mark:<4}  {self.what}: {self.text}"


def some(names: list[str], *, most: int = 6) -> str:
    """The first of many names, for the middle of a sentence."""
    return ", ".join(names[:most]) + (" and more" if len(names) > most else "")
