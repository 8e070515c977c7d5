"""Regular expressions from untrusted people, run by RE2, whose time is linear in the text's length and the pattern's size.

Source: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Protocol

from bot.core.errors import InvalidRequest
from bot.core.i18n import _

PATTERN_MAX: Final = 260  # characters, as in Discord's AutoMod
SIZE_MAX: Final = 1_500  # RE2's instructions in one pattern; one class of all letters has 1,200
TOTAL_SIZE_MAX: Final = 12_000  # RE2's instructions in all patterns of a guild: limits the time for one prompt
MATCHES_MAX: Final = 100  # of one pattern in one text: each match may cost as much time as searching the whole text
_MEMORY: Final = 512 * 1024  # bytes for a pattern and its automaton

Span = tuple[int, int]


class Pattern(Protocol):
    """The used part of RE2's compiled pattern."""

    @property
    def programsize(self) -> int: ...
    def search(self, text: str) -> object | None: ...
    def finditer(self, text: str) -> Iterator[Match]: ...


class Match(Protocol):
    def span(self) -> Span: ...


def compile_pattern(text: str) -> Pattern:
    """Compile a pattern that ignores case. Raises `InvalidRequest` if RE2 refuses it, if it is too large or matches everything."""
    import re2  # type: ignore[import-untyped]  # imported here because only few servers have patterns

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
    """The spans of its first `MATCHES_MAX` matches, from left to right, without empty ones."""
    found = (match.span() for match in islice(pattern.finditer(text), MATCHES_MAX))
    return (span for span in found if span[0] < span[1])


def _options() -> object:
    import re2

    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False  # RE2 would write to stderr
    options.max_mem = _MEMORY
    return options


def _reason(error: Exception) -> str:
    """RE2's message, which is bytes."""
    first = error.args[0] if error.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(error)
