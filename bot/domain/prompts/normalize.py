"""Normalization of prompts before rules are applied, against disguised spellings.

There are three forms of equal length, so an index into one is valid for the others. Sources: Unicode Standard Annex 15 (normal forms)
and `bot.domain.prompts.letters`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from bot.domain.prompts.disguises import View, views
from bot.domain.prompts.letters import ALIKE, ALIKE_AS_CAPITALS, OTHER_SUBSTITUTES, SUBSTITUTES

GAP: Final = "\N{OBJECT REPLACEMENT CHARACTER}"  # replaces removed text; not a word character

_TOKEN: Final = re.compile(r"(?:[\w@$€¢£¥§]|[!|+](?=\w))+")
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

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """The distinct forms in which words are searched: for some look-alikes there are two letters."""
        other = "".join(map(_without_accents, self.cleaned)).translate(ALIKE_AS_CAPITALS)
        return tuple(dict.fromkeys((self.folded, self.unmasked, _TOKEN.sub(_unmasked_otherwise, other))))

    @cached_property
    def views(self) -> list[View]:
        """Where words that are taken apart or drawn out are searched."""
        return views(self.folded, _spellings, GAP)

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
    folded = "".join(map(_without_accents, cleaned)).translate(ALIKE)
    return NormalizedText(cleaned=cleaned, folded=folded, unmasked=_TOKEN.sub(_unmasked, folded))


def _cleaned(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(_visible(folded)).split())


def _visible(text: str) -> Iterator[str]:
    """The characters that are seen. Marks of other scripts on Latin letters are left out: in no language do they belong there."""
    base = ""
    for each in text:
        if _is_invisible(each) or (base.isascii() and base.isalnum() and unicodedata.category(each)[0] == "M"):
            continue
        base = " " if each.isspace() else each
        yield base


@lru_cache(maxsize=4096)
def _is_invisible(character: str) -> bool:
    """Control and format characters such as joiners, unpaired surrogates, fillers, and accents without a letter."""
    is_control = unicodedata.category(character) == "Cc" and not character.isspace()
    return is_control or unicodedata.category(character) in {"Cf", "Cs"} or character in _FILLERS or _is_accent(character)


def _is_accent(character: str) -> bool:
    """Accents and similar marks. Vowel signs of other scripts are excluded: without them, words become other words."""
    return any(first <= ord(character) <= last for first, last in _ACCENT_RANGES)


@lru_cache(maxsize=4096)
def _without_accents(character: str) -> str:
    """The base letter; other characters unchanged. Always one character."""
    parts = unicodedata.normalize("NFD", character)
    return parts[0] if all(map(_is_accent, parts[1:])) else character


def _spellings(folded: str) -> tuple[str, str]:
    return _TOKEN.sub(_unmasked, folded), _TOKEN.sub(_unmasked_otherwise, folded)


def _unmasked(match: re.Match[str], substitutes: dict[int, str] = SUBSTITUTES) -> str:
    token = match.group()
    return token.translate(substitutes) if any(map(str.isalpha, token)) else token


def _unmasked_otherwise(match: re.Match[str]) -> str:
    return _unmasked(match, OTHER_SUBSTITUTES)


def _with_gaps(text: str, spans: list[tuple[int, int]]) -> str:
    pieces: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if end > done:
            start = max(start, done)  # spans may overlap
            pieces += (text[done:start], GAP * (end - start))
            done = end
    return "".join((*pieces, text[done:]))
