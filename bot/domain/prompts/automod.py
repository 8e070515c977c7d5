"""Import of Discord's AutoMod rules as prompt rules.

Source: https://docs.discord.com/developers/resources/auto-moderation
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from bot.core.i18n import _
from bot.domain.prompts.patterns import TOTAL_SIZE_MAX, compile_pattern
from bot.domain.prompts.rules import PATTERNS_MAX, WORD_MAX, WORDS_MAX, PromptRules, WordList, checked_pattern, checked_word

# Discord allows fewer; with more than these, the import would take long.
_RULES_MAX: Final = 20
_ENTRIES_MAX: Final = 1000  # of one list of a rule


class _Trigger(IntEnum):
    KEYWORD = 1  # words and patterns; the only type that is imported
    SPAM = 3
    KEYWORD_PRESET = 4  # Discord's own word lists, which are not public
    MENTION_SPAM = 5
    MEMBER_PROFILE = 6


_BLOCK_MESSAGE = 1  # action type; a rule without it only alerts the moderators


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Something that was not imported."""

    name: str  # of the AutoMod rule
    reason: str  # a sentence


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """The imported rules, to be added with `PromptRules.plus`, and what was skipped."""

    rules: PromptRules
    skipped: tuple[Skipped, ...]


class _Collector:
    """Collects entries up to the limits, and the reasons for skipped ones."""

    def __init__(self) -> None:
        self.lists: dict[str, dict[str, list[str]]] = {name: {"words": [], "patterns": []} for name in ("allow", "flag", "block")}
        self.skipped: list[Skipped] = []
        self._size = 0

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(name=name, reason=reason))

    def add_words(self, name: str, list_name: str, words: Iterable[str]) -> None:
        self._add(name, self.lists[list_name]["words"], words, checked_word, WORDS_MAX)

    def add_patterns(self, name: str, list_name: str, patterns: Iterable[str]) -> None:
        self._add(name, self.lists[list_name]["patterns"], patterns, self._fitting, PATTERNS_MAX)

    def _add(self, name: str, entries: list[str], more: Iterable[str], check: Callable[[str], str], limit: int) -> None:
        for text in more:
            if text in entries:
                continue
            if len(entries) >= limit:
                self.skip(name, _("The list is full. {entry} and everything after it was skipped.").format(entry=text))
                return
            try:
                entries.append(check(text))
            except ValueError as error:
                self.skip(name, str(error))

    def _fitting(self, text: str) -> str:
        size = compile_pattern(checked_pattern(text)).programsize
        if self._size + size > TOTAL_SIZE_MAX:
            raise ValueError(_("There are too many large patterns. {pattern} was skipped.").format(pattern=text))
        self._size += size
        return text


def from_automod(rules: Sequence[Any]) -> ImportResult:
    """Convert a guild's AutoMod rules, as Discord's API lists them (JSON). Never raises; what cannot be imported is in `skipped`.

    Rules that block messages go to the block list, rules that only alert to the flag list, their allowed words to the allow list.
    Exempt roles and channels have no counterpart and are skipped.
    """
    collector = _Collector()
    for rule in rules[:_RULES_MAX]:
        _import(collector, rule if isinstance(rule, Mapping) else {})
    return ImportResult(
        rules=PromptRules(**{name: WordList(**entries) for name, entries in collector.lists.items()}),
        skipped=tuple(collector.skipped),
    )


def _import(collector: _Collector, rule: Mapping[str, Any]) -> None:
    name = str(rule.get("name") or "AutoMod")
    if reason := _unusable(rule):
        collector.skip(name, reason)
        return
    found = rule.get("trigger_metadata")
    metadata = found if isinstance(found, Mapping) else {}
    listed = rule.get("actions")
    actions = [each.get("type") for each in listed if isinstance(each, Mapping)] if isinstance(listed, list | tuple) else []
    list_name = "block" if _BLOCK_MESSAGE in actions else "flag"
    collector.add_words(name, list_name, _texts(metadata, "keyword_filter"))
    collector.add_patterns(name, list_name, _texts(metadata, "regex_patterns"))
    collector.add_words(name, "allow", _texts(metadata, "allow_list"))
    if rule.get("exempt_roles") or rule.get("exempt_channels"):
        collector.skip(name, _("This rule's exempt roles and channels were skipped, because prompt rules apply to everyone."))


def _unusable(rule: Mapping[str, Any]) -> str | None:
    """Why a rule is skipped as a whole; None if it can be imported."""
    trigger = rule.get("trigger_type")
    if trigger == _Trigger.KEYWORD_PRESET:
        return _("This rule uses Discord's own word lists, which bots can't read.")
    if trigger != _Trigger.KEYWORD:
        return _("This rule doesn't look for words, so it doesn't apply to prompts.")
    if not rule.get("enabled", True):
        return _("This rule is turned off in AutoMod.")
    return None


def _texts(metadata: Mapping[str, Any], name: str) -> Iterator[str]:
    """The entries that are strings, stripped. AutoMod's own length limit is enforced by cutting."""
    found = metadata.get(name)
    for each in found[:_ENTRIES_MAX] if isinstance(found, list | tuple) else ():
        if isinstance(each, str) and each.strip():
            yield each if name == "regex_patterns" else each.strip()[:WORD_MAX]
