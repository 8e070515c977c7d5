"""The lines that the doctor prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    OK = "ok"  # as it should be
    WARN = "warn"  # it works, but the operator should know this
    BAD = "bad"  # the bot cannot do its work
    SKIP = "skip"  # it cannot be checked, for a reason that another line tells


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report."""

    severity: Severity
    text: str  # what was found and, where something is wrong, what to do
    check: str = ""  # the name of the check; filled in by the doctor

    def __str__(self) -> str:
        return f"{self.severity:<4}  {self.check}: {self.text}"


class NotCheckedError(Exception):
    """A check cannot be made; the text says why."""


def ok(text: str) -> Finding:
    return Finding(severity=Severity.OK, text=text)


def warn(text: str) -> Finding:
    return Finding(severity=Severity.WARN, text=text)


def bad(text: str) -> Finding:
    return Finding(severity=Severity.BAD, text=text)


def skip(text: str) -> Finding:
    return Finding(severity=Severity.SKIP, text=text)


def some(names: Sequence[str], *, most: int = 6) -> str:
    """The first of many names, for the middle of a sentence."""
    return ", ".join(names[:most]) + (" and more" if len(names) > most else "")
