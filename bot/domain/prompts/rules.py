"""The prompt rules in a guild's settings."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.guild.fields import Section
from bot.domain.guild.validation import sentences
from bot.domain.prompts.normalize import normalize
from bot.domain.prompts.patterns import TOTAL_SIZE_MAX, compile_pattern

WORDS_MAX: Final = 1000  # per list, as in Discord's AutoMod
PATTERNS_MAX: Final = 100
WORD_MAX: Final = 60  # characters


class ListName(StrEnum):
    """The three lists. Every prompt is judged by all of them."""

    ALLOW = "allow"  # text that these match is removed before the other lists are applied
    FLAG = "flag"  # the image is made behind a spoiler and reported to the moderators
    BLOCK = "block"  # no image is made


def checked_word(word: str) -> str:
    """Validate a word or phrase, with `*` only at its ends. Raises ValueError, with a sentence, if it could never match."""
    core = word.removeprefix("*").removesuffix("*")
    if not any(map(str.isalnum, normalize(core).folded)):
        raise ValueError(_("{word} needs at least one letter or digit.").format(word=word or "*"))
    if "*" in core:
        raise ValueError(_("{word} has a * in the middle. Put it at the start or the end.").format(word=word))
    return word


def checked_pattern(pattern: str) -> str:
    """Validate a pattern. Raises `InvalidRequest`, which is a ValueError, with RE2's message."""
    compile_pattern(pattern)
    return pattern


Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WORD_MAX), AfterValidator(checked_word)]
PatternText = Annotated[str, StringConstraints(min_length=1), AfterValidator(checked_pattern)]


class WordList(Section):
    """The entries of one list. `cat` matches a whole word, `cat*` its beginning, `*cat` its end, `*cat*` any part of it.

    Words that are blocked or flagged are also found taken apart and drawn out: "c.a.t" and "caaat". Exact words are not.
    """

    words: Annotated[tuple[Word, ...], Field(max_length=WORDS_MAX)] = ()
    exact_words: Annotated[tuple[Word, ...], Field(max_length=WORDS_MAX)] = ()
    patterns: Annotated[tuple[PatternText, ...], Field(max_length=PATTERNS_MAX)] = ()  # RE2, case ignored

    @property
    def entries(self) -> tuple[str, ...]:
        """Words, exact words and patterns."""
        return (*self.words, *self.exact_words, *self.patterns)

    def joined(self, other: WordList) -> dict[str, tuple[str, ...]]:
        """The entries of both lists by kind, each once; they may be too many."""
        return {kind: tuple(dict.fromkeys((*getattr(self, kind), *getattr(other, kind)))) for kind in WordList.model_fields}


class PromptRules(Section):
    """The three lists, and what becomes of a prompt for which they take too long.

    It is refused by default: otherwise a prompt that is written to be slow would evade the block list.
    """

    allow: WordList = WordList()
    flag: WordList = WordList()
    block: WordList = WordList()
    too_slow: Literal["block", "flag"] = "block"

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        """Limit the size of all patterns together, and so the time for one prompt."""
        size = sum(compile_pattern(text).programsize for name in ListName for text in self.list(name).patterns)
        if size > TOTAL_SIZE_MAX:
            raise ValueError(_("All patterns together are too large. Remove some, or make them simpler."))
        return self

    def list(self, name: ListName) -> WordList:
        """The list with this name."""
        found: WordList = getattr(self, name)
        return found

    def plus(self, other: PromptRules) -> PromptRules:
        """The union of both rules. Raises `InvalidRequest` if a list becomes too long."""
        lists = {name: self.list(name).joined(other.list(name)) for name in ListName}
        try:
            return PromptRules.model_validate({**lists, "too_slow": self.too_slow})
        except ValidationError as error:
            raise InvalidRequest("\n".join(sentences(error, PromptRules, within=("prompts",), in_file=False))) from error
