"""A prompt as rules read it: written the plain way, however it came.

Three readings of one length, so that a place in one is the same place in the others. Sources: Unicode Standard Annex 15 (normal
forms) and Technical Standard 39 (confusables), of which the small table here takes the letters that pass for Latin ones.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


def _pairs(text: str) -> dict[int, str]:
    return {ord(pair[0]): pair[1] for pair in text.split()}


GAP: Final = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands where an allowed word was taken out; it is part of no word

# Each look-alike before the Latin letter it passes for: Cyrillic, Greek, and letters whose stroke is no accent to Unicode. In one case.
_TWINS: Final = _pairs("аa вb еe кk мm нh оo рp сc тt уy хx іi јj ѕs ԁd һh ӏl ԛq ԝw αa βb εe ιi κk νv οo ρp τt υu χx ωw γy ɡg ıi øo łl đd")
_MASKS: Final = _pairs("0o 1i 3e 4a 5s 7t 8b @a $s €e")  # digits and signs that stand for letters
_MASKED: Final = re.compile(r"[\w@$€]+")
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters by name, invisible by nature
_MARKS: Final = (
    (0x0300, 0x036F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
    (0xE0100, 0xE01EF),
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One text in three readings of equal length."""

    kept: str  # one case, one space, nothing invisible; accents and alphabets as they are
    folded: str  # without accents, look-alike letters as Latin ones
    unmasked: str  # digits and signs within words as the letters that they stand for

    @property
    def all(self) -> tuple[str, ...]:
        """Those that differ."""
        return tuple(dict.fromkeys((self.kept, self.folded, self.unmasked)))

    def without(self, spans: list[tuple[int, int]]) -> Reading:
        """Gaps where the spans were."""
        return Reading(kept=_gapped(self.kept, spans), folded=_gapped(self.folded, spans), unmasked=_gapped(self.unmasked, spans))


def read(text: str) -> Reading:
    """Any text, also one that is no good Unicode."""
    kept = _kept(text)
    folded = "".join(map(_base, kept)).translate(_TWINS)
    return Reading(kept=kept, folded=folded, unmasked=_MASKED.sub(_without_mask, folded))


def is_word(sign: str) -> bool:
    """Whether a sign is part of a word: a letter, a digit, or a mark on one."""
    return sign == "_" or unicodedata.category(sign)[0] in "LNM"


def _kept(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    seen = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in folded if not _is_unseen(sign))
    return " ".join(seen.split())


@lru_cache(maxsize=4096)
def _is_unseen(sign: str) -> bool:
    """Nothing that is seen: joiners and other format signs, halves of pairs, fillers, marks that found no letter to go with."""
    return unicodedata.category(sign) in {"Cf", "Cs"} or sign in _FILLERS or _is_mark(sign)


def _is_mark(sign: str) -> bool:
    """Accents and the like. The vowel signs of other scripts are not among them: without these, words become other words."""
    return any(first <= ord(sign) <= last for first, last in _MARKS)


@lru_cache(maxsize=4096)
def _base(sign: str) -> str:
    """A letter without its accents; anything else as it is. Always one sign."""
    parts = unicodedata.normalize("NFD", sign)
    return parts[0] if all(map(_is_mark, parts[1:])) else sign


def _without_mask(match: re.Match[str]) -> str:
    token = match.group()
    return token.translate(_MASKS) if any(map(str.isalpha, token)) else token


def _gapped(text: str, spans: list[tuple[int, int]]) -> str:
    pieces: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if end > done:
            start = max(start, done)  # spans may overlap
            pieces += (text[done:start], GAP * (end - start))
            done = end
    return "".join((*pieces, text[done:]))
