"""Judges prompts by a guild's words and patterns.

Allowed text is removed first; the rest is searched for blocked and then for flagged entries. An allowed entry exempts exactly the text
that it matches: "Scunthorpe" on the allow list must not exempt the rest of the prompt.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.core.errors import NotAllowed
from bot.core.i18n import _
from bot.domain.prompts.disguises import DisguisedWord, disguised_word, spans_of
from bot.domain.prompts.letters import is_word_character
from bot.domain.prompts.normalize import NormalizedText, normalize
from bot.domain.prompts.patterns import Pattern, Span, compile_pattern, spans
from bot.domain.prompts.rules import ListName, PromptRules

_LIMIT_S: Final = 0.5  # of processor time for one prompt; the longest lists need a tenth of it


class RulesTooSlow(NotAllowed):
    """The rules cannot be applied to this prompt within their time."""


class Level(StrEnum):
    """The result for a prompt, mildest first."""

    NONE = "none"  # no rule matched
    ALLOW = "allow"  # only allowed entries matched
    FLAG = "flag"  # the image is made behind a spoiler and reported to the moderators
    BLOCK = "block"  # no image is made


class RuleKind(StrEnum):
    WORD = "word"
    PATTERN = "pattern"


@dataclass(frozen=True, kw_only=True)
class CompiledRule:
    """One entry of a list, as it was written."""

    list: ListName
    kind: RuleKind
    text: str


@dataclass(frozen=True, kw_only=True)
class PromptVerdict:
    """A level, and the rule that decided it."""

    level: Level
    rule: CompiledRule | None = None


@dataclass(frozen=True, kw_only=True)
class _Word:
    """A word in folded form, without its stars."""

    core: str
    open_left: bool  # may be preceded by other letters: `*cat`
    open_right: bool
    disguised: DisguisedWord | None  # to find it taken apart and drawn out; None: only as it is written

    def spans_in(self, normalized: NormalizedText) -> Iterator[Span]:
        for text in normalized.spellings:
            yield from self._spans(text)
        if self.disguised is not None:
            for view in normalized.views:
                yield from spans_of(self.disguised, view)

    def _spans(self, text: str) -> Iterator[Span]:
        start = text.find(self.core)
        while start >= 0:
            end = start + len(self.core)
            fits = (self.open_left or _is_word_start(text, start)) and (self.open_right or _is_word_end(text, end))
            if fits:
                yield start, end
            start = text.find(self.core, end if fits else start + 1)


@dataclass(frozen=True, kw_only=True)
class _Expression:
    pattern: Pattern

    def spans_in(self, normalized: NormalizedText) -> Iterator[Span]:
        for text in normalized.all:
            yield from spans(self.pattern, text)


class _Deadline:
    """The end of this thread's processor time for one prompt, so that it does not depend on what else runs."""

    def __init__(self) -> None:
        self._end_s = time.thread_time() + _LIMIT_S

    def check(self) -> None:
        if time.thread_time() > self._end_s:
            raise RulesTooSlow(_("Checking this prompt took too long. Shorten it and try again."))


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Compiled rules. Judging takes milliseconds, at worst half a second: call it in a thread. Raises `RulesTooSlow`."""

    entries: Mapping[ListName, tuple[tuple[CompiledRule, _Word | _Expression], ...]]

    def judge(self, prompt: str) -> PromptVerdict:
        """The first rule of the strictest list that matches."""
        level, hit = Level.NONE, None
        for hit in self.hits(prompt):  # allowed first, then blocked, then flagged
            level = Level(hit.list)
            if level is not Level.ALLOW:
                break
        return PromptVerdict(level=level, rule=hit)

    def hits(self, prompt: str) -> Iterator[CompiledRule]:
        """Every matching rule: allowed entries, then blocked and flagged ones in the text that is left."""
        deadline, normalized = _Deadline(), normalize(prompt)
        allowed: list[Span] = []
        for rule, matcher in self.entries[ListName.ALLOW]:
            found = list(_spans(matcher, normalized, deadline))
            allowed += found
            if found:
                yield rule
        rest = normalized.without(allowed) if allowed else normalized
        for name in (ListName.BLOCK, ListName.FLAG):
            yield from (rule for rule, matcher in self.entries[name] if any(_spans(matcher, rest, deadline)))


def _spans(matcher: _Word | _Expression, normalized: NormalizedText, deadline: _Deadline) -> Iterator[Span]:
    """Raises `RulesTooSlow`."""
    deadline.check()
    for span in matcher.spans_in(normalized):
        yield span
        deadline.check()


def compile_rules(rules: PromptRules) -> Judge:
    """Compile the lists; takes milliseconds for long ones, so cache the result. Raises `InvalidRequest` with RE2's message."""
    return Judge(entries={name: tuple(_entries(rules, name)) for name in ListName})


def _entries(rules: PromptRules, name: ListName) -> Iterator[tuple[CompiledRule, _Word | _Expression]]:
    for word in rules.list(name).words:
        yield CompiledRule(list=name, kind=RuleKind.WORD, text=word), _word(word, is_exact=name is ListName.ALLOW)
    for word in rules.list(name).exact_words:
        yield CompiledRule(list=name, kind=RuleKind.WORD, text=word), _word(word, is_exact=True)
    for text in rules.list(name).patterns:
        yield CompiledRule(list=name, kind=RuleKind.PATTERN, text=text), _Expression(pattern=compile_pattern(text))


def _word(text: str, *, is_exact: bool) -> _Word:
    """Allowed words are exact: a disguise must not exempt anything."""
    core = normalize(text.removeprefix("*").removesuffix("*")).folded
    open_left, open_right = text.startswith("*"), text.endswith("*")
    disguised = None if is_exact else disguised_word(core, open_left=open_left, open_right=open_right)
    return _Word(core=core, open_left=open_left, open_right=open_right, disguised=disguised)


def _is_word_start(text: str, start: int) -> bool:
    """Whether there is a word boundary before `start`."""
    return start == 0 or not is_word_character(text[start - 1]) or not is_word_character(text[start])


def _is_word_end(text: str, end: int) -> bool:
    return end == len(text) or not is_word_character(text[end]) or not is_word_character(text[end - 1])
