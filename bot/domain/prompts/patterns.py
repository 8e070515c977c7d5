"""Regular expressions from untrusted people, run by RE2, whose time is linear in the text's length and the pattern's size.

Source: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

from bot.core.errors import InvalidRequest
from bot.core.i18n import N_, _
from bot.domain.catalog.options import show

PATTERN_MAX: Final = 260  # characters, as in Discord's AutoMod
SIZE_MAX: Final = 1_500  # RE2's instructions in one pattern; one class of all letters has 1,200
TOTAL_SIZE_MAX: Final = 12_000  # RE2's instructions in all patterns of a guild: limits the time for one prompt
MATCHES_MAX: Final = 100  # of one pattern in one text: each match may cost as much time as searching the whole text
_MEMORY: Final = 512 * 1024  # bytes for a pattern and its automaton

# By RE2's kind of error. Source: https://github.com/google/re2/blob/main/re2/regexp.cc (kErrorStrings)
_REASONS: Final[Mapping[str, str]] = {
    "missing )": N_("That pattern doesn't work: a closing ) is missing in {part}."),
    "missing ]": N_("That pattern doesn't work: a closing ] is missing in {part}."),
    "unexpected )": N_("That pattern doesn't work: an opening ( is missing in {part}."),
    "trailing \\": N_("That pattern doesn't work: a character is missing after the \\ at the end."),
    "no argument for repetition operator": N_("That pattern doesn't work: {part} has nothing to repeat."),
    "bad repetition operator": N_("That pattern doesn't work: {part} repeats a repetition. Use only one."),
    "invalid repetition size": N_("That pattern doesn't work: {part} isn't a valid number of repetitions. The most is 1000."),
    "invalid perl operator": N_("That pattern doesn't work: {part} isn't supported."),
    "invalid escape sequence": N_("That pattern doesn't work: {part} has no meaning here."),
    "invalid character class": N_("That pattern doesn't work: {part} isn't a known group of characters."),
    "invalid character class range": N_("That pattern doesn't work: {part} isn't a valid range of characters."),
    "invalid named capture group": N_("That pattern doesn't work: the name in {part} isn't valid."),
    "pattern too large - compile failed": N_("That pattern doesn't work: {pattern} is too complex. Use fewer repetitions."),
}
_OTHER_REASON: Final = N_("That pattern doesn't work: check {pattern} for typos.")

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

    shown = show(text)
    if len(text) > PATTERN_MAX:
        raise InvalidRequest(
            _("That pattern doesn't work: it has {length} characters, and at most {limit} are allowed.").format(
                length=len(text), limit=PATTERN_MAX
            )
        )
    try:
        pattern: Pattern = re2.compile(text, _options())
    except (re2.error, UnicodeEncodeError) as error:
        raise InvalidRequest(_reason(error, shown)) from error
    if pattern.programsize > SIZE_MAX:
        raise InvalidRequest(_("That pattern doesn't work: {pattern} is too complex. Use fewer repetitions.").format(pattern=shown))
    if pattern.search("") is not None:
        raise InvalidRequest(_("That pattern doesn't work: {pattern} would match every prompt.").format(pattern=shown))
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


def _reason(error: Exception, pattern: str) -> str:
    """Our sentence for RE2's message, which is bytes: its kind, and after a colon the part of the pattern."""
    message = error.args[0] if error.args else ""
    kind, _colon, part = message.decode("utf-8", "replace").partition(": ") if isinstance(message, bytes) else ("", "", "")
    sentence = _REASONS.get(kind, _OTHER_REASON)
    return _(sentence).format(part=show(part), pattern=pattern)
