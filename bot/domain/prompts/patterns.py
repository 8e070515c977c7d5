"""Patterns that strangers write, run by RE2: time grows with the text's length and the pattern's size, never beyond.

Source: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

import re2  # type: ignore[import-untyped]

from bot.core.errors import InvalidRequest
from bot.core.i18n import _

PATTERN_MAX: Final = 260  # characters, as in Discord's AutoMod
SIZE_MAX: Final = 1_500  # RE2's instructions in one pattern; one class of all letters has 1,200
TOTAL_SIZE_MAX: Final = 12_000  # in all patterns of a server: what bounds the time of one prompt
_MEMORY: Final = 512 * 1024  # bytes a pattern may use, its automaton included

Span = tuple[int, int]


class Pattern(Protocol):
    """What is used of a compiled pattern."""

    @property
    def programsize(self) -> int: ...
    def search(self, text: str) -> object | None: ...
    def finditer(self, text: str) -> Iterator[Match]: ...


class Match(Protocol):
    def span(self) -> Span: ...


def compile_pattern(text: str) -> Pattern:
    """A pattern that ignores case. Raise `InvalidRequest` with RE2's own words, and for one that is too large or matches everything."""
    shown = text if len(text) <= 60 else f"{text[:59]}…"
    if len(text) > PATTERN_MAX:
        raise InvalidRequest(
            _("The pattern {pattern} has {length} characters; at most {limit} are allowed.").format(
                pattern=shown, length=len(text), limit=PATTERN_MAX
            )
        )
    try:
        pattern: Pattern = re2.compile(text, _options())
    except (re2.error, UnicodeEncodeError) as error:
        raise InvalidRequest(_("The pattern {pattern} cannot be used: {reason}.").format(pattern=shown, reason=_reason(error))) from error
    if pattern.programsize > SIZE_MAX:
        raise InvalidRequest(
            _("The pattern {pattern} is too large when its repetitions and classes are written out; make it simpler.").format(pattern=shown)
        )
    if pattern.search("") is not None:
        raise InvalidRequest(_("The pattern {pattern} matches even an empty prompt, and so every prompt.").format(pattern=shown))
    return pattern


def spans(pattern: Pattern, text: str) -> Iterator[Span]:
    """Where it matches, from left to right, without empty matches."""
    found = (match.span() for match in pattern.finditer(text))
    return (span for span in found if span[0] < span[1])


def _options() -> object:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False  # RE2 would write to the process's own stderr
    options.max_mem = _MEMORY
    return options


def _reason(error: Exception) -> str:
    """RE2's words, which come as bytes."""
    first = error.args[0] if error.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(error)
