"""Normalization of prompts before rules are applied, against disguised spellings.

There are three forms of equal length, so an index into one is valid for the others. Sources: Unicode Standard Annex 15 (normal forms)
and Technical Standard 39 (confusables; the table here has only letters that look like Latin ones).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


def _pairs(text: str) -> dict[int, str]:
    return {ord(pair[0]): pair[1] for pair in text.split()}


GAP: Final = "\N{OBJECT REPLACEMENT CHARACTER}"  # replaces removed text; not a word character

# Each look-alike and its Latin letter, in lower case: Cyrillic, Greek, and letters with a stroke, which Unicode does not decompose.
_ALIKE: Final = _pairs("аa вb еe кk мm нh оo рp сc тt уy хx іi јj ѕs ԁd һh ӏl ԛq ԝw αa βb εe ιi κk νv οo ρp τt υu χx ωw γy ɡg ıi øo łl đd")
_SUBSTITUTES: Final = _pairs("0o 1i 3e 4a 5s 7t 8b @a $s €e")  # digits and symbols used as letters
_TOKEN: Final = re.compile(r"[\w@$€]+")
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # invisible, though not in an invisible category
_ACCENT_RANGES: Final = (
    (0x0300, 0x036F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
    (0xE0100, 0xE01EF),
)


@dataclass(frozen=True, kw_only=True)
class NormalizedText:
    """One text in three forms of equal length."""

    cleaned: str  # casefolded, single spaces, nothing invisible; accents and alphabets unchanged
    folded: str  # also without accents, and with Latin letters for look-alikes
    unmasked: str  # also with letters for digits and symbols within words

    @property
    def all(self) -> tuple[str, ...]:
        """The distinct forms."""
        return tuple(dict.fromkeys((self.cleaned, self.folded, self.unmasked)))

    def without(self, spans: list[tuple[int, int]]) -> NormalizedText:
        """The text with each span replaced by a gap of its length."""
        return NormalizedText(
            cleaned=_with_gaps(self.cleaned, spans), folded=_with_gaps(self.folded, spans), unmasked=_with_gaps(self.unmasked, spans)
        )


def normalize(text: str) -> NormalizedText:
    """Accepts any text, also invalid Unicode."""
    cleaned = _cleaned(text)
    folded = "".join(map(_without_accents, cleaned)).translate(_ALIKE)
    return NormalizedText(cleaned=cleaned, folded=folded, unmasked=_TOKEN.sub(_unmasked, folded))


def is_word_character(character: str) -> bool:
    """Whether this is a letter, a digit, a combining mark or an underscore."""
    return character == "_" or unicodedata.category(character)[0] in "LNM"


def _cleaned(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    visible = "".join(" " if unicodedata.category(each) == "Cc" else each for each in folded if not _is_invisible(each))
    return " ".join(visible.split())


@lru_cache(maxsize=4096)
def _is_invisible(character: str) -> bool:
    """Format characters such as joiners, unpaired surrogates, fillers, and accents without a letter."""
    return unicodedata.category(character) in {"Cf", "Cs"} or character in _FILLERS or _is_accent(character)


def _is_accent(character: str) -> bool:
    """Accents and similar marks. Vowel signs of other scripts are excluded: without them, words become other words."""
    return any(first <= ord(character) <= last for first, last in _ACCENT_RANGES)


@lru_cache(maxsize=4096)
def _without_accents(character: str) -> str:
    """The base letter; other characters unchanged. Always one character."""
    parts = unicodedata.normalize("NFD", character)
    return parts[0] if all(map(_is_accent, parts[1:])) else character


def _unmasked(match: re.Match[str]) -> str:
    token = match.group()
    return token.translate(_SUBSTITUTES) if any(map(str.isalpha, token)) else token


def _with_gaps(text: str, spans: list[tuple[int, int]]) -> str:
    pieces: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if end > done:
            start = max(start, done)  # spans may overlap
            pieces += (text[done:start], GAP * (end - start))
            done = end
    return "".join((*pieces, text[done:]))
