"""A server's rules for prompts, as they are written down."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.guild.fields import Section
from bot.domain.guild.validation import sentences
from bot.domain.prompts.normalize import read
from bot.domain.prompts.patterns import TOTAL_SIZE_MAX, compile_pattern

WORDS_MAX: Final = 1000  # in one list, as in Discord's AutoMod
PATTERNS_MAX: Final = 100
WORD_MAX: Final = 60  # characters


class ListName(StrEnum):
    """The three lists. A member's prompt is judged by all of them."""

    ALLOW = "allow"  # exactly what these match is taken out before the others look
    FLAG = "flag"  # the image is made, behind a spoiler, and told to the moderators
    BLOCK = "block"  # nothing is made


def checked_word(word: str) -> str:
    """A word or phrase with `*` at its ends at most. Raise `ValueError` with a sentence where nothing of it could ever match."""
    core = word.removeprefix("*").removesuffix("*")
    if not any(map(str.isalnum, read(core).folded)):
        raise ValueError(_("{word} holds no letter or digit.").format(word=word or "*"))
    if "*" in core:
        raise ValueError(_("{word} has a * in its middle; it may stand at the beginning and at the end.").format(word=word))
    return word


def checked_pattern(pattern: str) -> str:
    """A pattern that RE2 takes. Raise `InvalidRequest`, which is a `ValueError`, with its words."""
    compile_pattern(pattern)
    return pattern


Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WORD_MAX), AfterValidator(checked_word)]
PatternText = Annotated[str, StringConstraints(min_length=1), AfterValidator(checked_pattern)]


class WordList(Section):
    """What one list is made of. Words match whole words, `cat*` the beginning of one, `*cat` the end, `*cat*` any part of one."""

    words: Annotated[tuple[Word, ...], Field(max_length=WORDS_MAX)] = ()
    patterns: Annotated[tuple[PatternText, ...], Field(max_length=PATTERNS_MAX)] = ()  # RE2, case ignored

    def plus(self, other: WordList) -> WordList:
        """Both, each entry once. Raise pydantic's `ValidationError` where that is more than a list may hold."""
        return WordList(words=tuple(dict.fromkeys(self.words + other.words)), patterns=tuple(dict.fromkeys(self.patterns + other.patterns)))


class PromptRules(Section):
    """The three lists; empty ones judge nothing."""

    allow: WordList = WordList()
    flag: WordList = WordList()
    block: WordList = WordList()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        """All patterns together bound the time that one prompt takes."""
        size = sum(compile_pattern(text).programsize for name in ListName for text in self.list(name).patterns)
        if size > TOTAL_SIZE_MAX:
            raise ValueError(_("All patterns together are too large; take some away or make them simpler."))
        return self

    def list(self, name: ListName) -> WordList:
        """One of the lists, by its name."""
        found: WordList = getattr(self, name)
        return found

    def plus(self, other: PromptRules) -> PromptRules:
        """Both, each entry once. Raise `InvalidRequest` where that is more than rules may hold."""
        try:
            return self._plus(other)
        except ValidationError as error:
            raise InvalidRequest("\n".join(sentences(error, PromptRules))) from error

    def _plus(self, other: PromptRules) -> PromptRules:
        return PromptRules(allow=self.allow.plus(other.allow), flag=self.flag.plus(other.flag), block=self.block.plus(other.block))
