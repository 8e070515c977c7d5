"""Judging prompts by a server's words and patterns.

The order is: take out what is allowed, then look for what is blocked, then for what is flagged. An allowed entry excuses exactly the
words that it matches, and nothing beside them: to allow "Scunthorpe" must not open the rest of the prompt. So a block outranks an
allowed word next to it, and an allowed word outranks a block that would match within it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.prompts.normalize import Reading, is_word, read
from bot.domain.prompts.patterns import Pattern, Span, compile_pattern, spans
from bot.domain.prompts.rules import ListName, PromptRules


class Level(StrEnum):
    """How a prompt was judged, mildest first."""

    NONE = "none"  # no rule speaks of it
    ALLOW = "allow"  # something in it is expressly allowed, and nothing else was found
    FLAG = "flag"  # the image is made, behind a spoiler, and told to the moderators
    BLOCK = "block"  # nothing is made


class RuleKind(StrEnum):
    WORD = "word"
    PATTERN = "pattern"


@dataclass(frozen=True, kw_only=True)
class CompiledRule:
    """One entry of a list, as its writer wrote it."""

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
    """A word without its stars, in the folded reading."""

    core: str
    open_left: bool  # may go on to the left: `*cat`
    open_right: bool

    def spans_in(self, reading: Reading) -> Iterator[Span]:
        for text in dict.fromkeys((reading.folded, reading.unmasked)):
            yield from self._spans(text)

    def _spans(self, text: str) -> Iterator[Span]:
        start = text.find(self.core)
        while start >= 0:
            end = start + len(self.core)
            fits = (self.open_left or _begins(text, start)) and (self.open_right or _ends(text, end))
            if fits:
                yield start, end
            start = text.find(self.core, end if fits else start + 1)


@dataclass(frozen=True, kw_only=True)
class _Expression:
    pattern: Pattern

    def spans_in(self, reading: Reading) -> Iterator[Span]:
        for text in reading.all:
            yield from spans(self.pattern, text)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Compiled rules. Judging takes milliseconds, and at the very worst some tenths of a second: call it in a thread."""

    entries: Mapping[ListName, tuple[tuple[CompiledRule, _Word | _Expression], ...]]

    def judge(self, prompt: str) -> PromptVerdict:
        """The first rule of the strictest list that matches."""
        level, hit = Level.NONE, None
        for hit in self.hits(prompt):  # what was allowed comes first, then blocks, then flags
            level = Level(hit.list)
            if level is not Level.ALLOW:
                break
        return PromptVerdict(level=level, rule=hit)

    def hits(self, prompt: str) -> Iterator[CompiledRule]:
        """Every rule that has a say: allowed entries, then blocks, then flags on what the allowed ones left."""
        reading = read(prompt)
        taken_out: list[Span] = []
        for rule, matcher in self.entries[ListName.ALLOW]:
            found = list(matcher.spans_in(reading))
            taken_out += found
            if found:
                yield rule
        rest = reading.without(taken_out) if taken_out else reading
        for name in (ListName.BLOCK, ListName.FLAG):
            yield from (rule for rule, matcher in self.entries[name] if any(True for _span in matcher.spans_in(rest)))


def compile_rules(rules: PromptRules) -> Judge:
    """Raise `InvalidRequest` for a pattern that RE2 refuses, with its words. Takes milliseconds for long lists; keep the result."""
    return Judge(entries={name: tuple(_entries(rules, name)) for name in ListName})


def _entries(rules: PromptRules, name: ListName) -> Iterator[tuple[CompiledRule, _Word | _Expression]]:
    for word in rules.list(name).words:
        yield CompiledRule(list=name, kind=RuleKind.WORD, text=word), _word(word)
    for text in rules.list(name).patterns:
        yield CompiledRule(list=name, kind=RuleKind.PATTERN, text=text), _Expression(pattern=compile_pattern(text))


def _word(text: str) -> _Word:
    core = read(text.removeprefix("*").removesuffix("*")).folded
    return _Word(core=core, open_left=text.startswith("*"), open_right=text.endswith("*"))


def _begins(text: str, start: int) -> bool:
    """Whether a word could begin here: at the edge of the text, beside what is no word, or itself none."""
    return start == 0 or not is_word(text[start - 1]) or not is_word(text[start])


def _ends(text: str, end: int) -> bool:
    return end == len(text) or not is_word(text[end]) or not is_word(text[end - 1])
