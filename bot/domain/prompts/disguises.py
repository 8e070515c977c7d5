"""Finds words that are taken apart or drawn out: "g.o.r.e", "g o r e", "go-re" and "gooore" for "gore".

A text is searched in three views, each with drawn-out letters counted as one. In ordinary prompts they must find nothing, so:

- letters count as spelled out if each stands alone: "go re-make" is not "gore";
- a word in pieces must be a whole token, without spaces: neither "he'll" nor "magic-atlas" has something to find;
- a letter counts as drawn out from three on, or if two letters are doubled: "good" is not "god".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from bot.domain.prompts.letters import is_word_character

Span = tuple[int, int]

_LETTER, _SPACE, _MARK, _APOSTROPHE, _END = "a .'#"  # the classes of characters
_SPELLED: Final = re.compile(r"(?<!a)a(?:[ .']{1,5}a(?!a)){2,}")
_IN_PIECES: Final = re.compile(r"(?<!a)a+(?:\.{1,3}a+)+")
_INSIDE, _PIECE, _TOKEN = range(3)  # what begins or ends at a letter
_DRAWN_OUT: Final = 3  # letters
_SHORTEST: Final = 3  # letters of a word that is searched for this way; 2 in other scripts


class DisguisedWord(NamedTuple):
    """A word to search for, as `disguised_word` makes it."""

    whole: tuple[str, list[int]]  # its letters without repetitions, and how often each is repeated
    letters: tuple[str, list[int]]  # the same without spaces and signs
    open_left: bool  # may be preceded by other letters
    open_right: bool


class View(NamedTuple):
    """A text as it is searched. The lists have one entry for each character of `text`."""

    text: str  # without repetitions
    lengths: list[int]  # how often the character is repeated
    spans: list[Span]  # where it is in the normalized text
    begins: list[int]  # what begins with it
    ends: list[int]
    least: int  # what must begin or end where a word is open
    has_all: bool  # has spaces and signs too


def disguised_word(core: str, *, open_left: bool, open_right: bool) -> DisguisedWord | None:
    """The word to search for; None if it is too short. `core` is in folded form."""
    letters = "".join(each for each in core if _class(each) == _LETTER)
    if len(letters) < (_SHORTEST if letters.isascii() else _SHORTEST - 1):
        return None
    return DisguisedWord(whole=_squeezed(core), letters=_squeezed(letters), open_left=open_left, open_right=open_right)


def views(folded: str, spellings: Callable[[str], Iterable[str]], end_marker: str) -> list[View]:
    """What is searched in a text. `spellings` gives a text's other spellings of equal length; nothing is joined across `end_marker`."""
    classes = "".join(_END if each == end_marker else _class(each) for each in folded)
    found: list[View] = []
    if re.search(r"(.)\1", folded):
        begins = [_TOKEN if _begins_word(folded, place) else _INSIDE for place in range(len(folded))]
        ends = [_TOKEN if place + 1 == len(folded) or begins[place + 1] else _INSIDE for place in range(len(folded))]
        found += _views(folded, range(len(folded)), begins, ends, spellings, least=_INSIDE, has_all=True)
    for pattern, least in ((_SPELLED, _TOKEN), (_IN_PIECES, _PIECE)):
        places, begins, ends = _joined(classes, pattern)
        if places:
            text = "".join("\n" if place < 0 else folded[place] for place in places)
            found += _views(text, places, begins, ends, spellings, least=least, has_all=False)
    return found


def spans_of(word: DisguisedWord, view: View) -> Iterator[Span]:
    """Where the word is in the normalized text."""
    core, repeated = word.whole if view.has_all else word.letters
    start = view.text.find(core)
    while start >= 0:
        last = start + len(core) - 1
        fits = (
            view.begins[start] >= (view.least if word.open_left else _TOKEN)
            and view.ends[last] >= (view.least if word.open_right else _TOKEN)
            and _is_drawn_out(view.lengths[start : last + 1], repeated)
        )
        if fits:
            yield view.spans[start][0], view.spans[last][1]
        start = view.text.find(core, start + 1)


def _is_drawn_out(given: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether these numbers of letters are the wanted ones, or clearly more."""
    if given == wanted:
        return True
    if any(count < least for count, least in zip(given, wanted, strict=True)):
        return False
    more = [count for count, least in zip(given, wanted, strict=True) if count > least]
    return len(more) > 1 or more[0] >= _DRAWN_OUT


def _joined(classes: str, pattern: re.Pattern[str]) -> tuple[list[int], list[int], list[int]]:
    """The letters of every match by their places, with -1 between the matches, and what begins and ends at each."""
    places: list[int] = []
    begins: list[int] = []
    ends: list[int] = []
    is_spelled = pattern is _SPELLED
    for match in pattern.finditer(classes):
        for piece in re.finditer("a+", match.group()):
            first, last = match.start() + piece.start(), match.start() + piece.end() - 1
            for place in range(first, last + 1):
                places.append(place)
                begins.append(_TOKEN if is_spelled or place == match.start() else _PIECE if place == first else _INSIDE)
                ends.append(_TOKEN if is_spelled or place == match.end() - 1 else _PIECE if place == last else _INSIDE)
        places.append(-1)
        begins.append(_TOKEN)
        ends.append(_TOKEN)
    return places, begins, ends


def _views(
    text: str,
    places: Sequence[int],
    begins: Sequence[int],
    ends: Sequence[int],
    spellings: Callable[[str], Iterable[str]],
    *,
    least: int,
    has_all: bool,
) -> Iterator[View]:
    for spelling in dict.fromkeys((text, *spellings(text))):
        squeezed, lengths = _squeezed(spelling)
        firsts = [0]
        for length in lengths:
            firsts.append(firsts[-1] + length)
        edges = [(first, after - 1) for first, after in pairwise(firsts)]
        yield View(
            text=squeezed,
            lengths=lengths,
            spans=[(places[first], places[last] + 1) for first, last in edges],
            begins=[begins[first] for first, _last in edges],
            ends=[ends[last] for _first, last in edges],
            least=least,
            has_all=has_all,
        )


def _squeezed(text: str) -> tuple[str, list[int]]:
    runs = [(character, sum(1 for _ in run)) for character, run in groupby(text)]
    return "".join(character for character, _length in runs), [length for _character, length in runs]


def _begins_word(text: str, place: int) -> bool:
    return place == 0 or not is_word_character(text[place - 1]) or not is_word_character(text[place])


@lru_cache(maxsize=4096)
def _class(character: str) -> str:
    if character == " ":
        return _SPACE
    if character in "'’ʼ`´":
        return _APOSTROPHE
    return _LETTER if character in "@$€" or (character != "_" and is_word_character(character)) else _MARK
