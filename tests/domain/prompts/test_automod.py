"""Import of AutoMod rules: what is imported, and why the rest is skipped."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.prompts.automod import Skipped, from_automod
from bot.domain.prompts.judge import Level, compile_rules
from bot.domain.prompts.rules import WORDS_MAX, PromptRules, WordList

BLOCK, ALERT = {"type": 1, "metadata": {}}, {"type": 2, "metadata": {"channel_id": "1"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["trigger_type", "trigger_metadata", "keyword_filter", "actions", "name"]), inner, max_size=4)
    ),
)


def rule(**more: Any) -> dict[str, Any]:
    return {"id": "5", "name": "Words", "enabled": True, "trigger_type": 1, "actions": [BLOCK], **more}


def keywords(*words: str, patterns: tuple[str, ...] = (), allow: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"keyword_filter": list(words), "regex_patterns": list(patterns), "allow_list": list(allow)}


def test_a_blocking_rule_becomes_a_block_list() -> None:
    result = from_automod([rule(trigger_metadata=keywords("cat*", " dog ", patterns=(r"b[a4]d",), allow=("catalog",)))])
    assert result.skipped == ()
    assert result.rules == PromptRules(allow=WordList(words=("catalog",)), block=WordList(words=("cat*", "dog"), patterns=(r"b[a4]d",)))
    assert compile_rules(result.rules).judge("a catalog").level is Level.ALLOW


def test_a_rule_that_only_alerts_becomes_a_flag_list() -> None:
    assert from_automod([rule(actions=[ALERT], trigger_metadata=keywords("cat"))]).rules == PromptRules(flag=WordList(words=("cat",)))


def test_skipped_rules_have_a_reason() -> None:
    rules = [
        rule(name="Preset", trigger_type=4),
        rule(name="Spam", trigger_type=3),
        rule(name="Off", enabled=False),
        rule(name="Odd", trigger_metadata=keywords("*", patterns=("(?=a)",)), exempt_roles=["1"]),
    ]
    assert from_automod(rules).skipped == (
        Skipped(name="Preset", reason="This rule uses Discord's own word lists, which bots can't read."),
        Skipped(name="Spam", reason="This rule doesn't look for words, so it doesn't apply to prompts."),
        Skipped(name="Off", reason="This rule is turned off in AutoMod."),
        Skipped(name="Odd", reason="* needs at least one letter or digit."),
        Skipped(name="Odd", reason="That pattern doesn't work: (?= isn't supported."),
        Skipped(name="Odd", reason="This rule's exempt roles and channels were skipped, because prompt rules apply to everyone."),
    )


def test_entries_beyond_the_limits_are_skipped() -> None:
    many = [rule(name=str(number), trigger_metadata=keywords(*(f"w{number}x{n}" for n in range(600)))) for number in range(2)]
    large = rule(name="Large", trigger_metadata=keywords(patterns=tuple(f"(a?){{130}}a{{130}}{number}" for number in range(30))))
    result = from_automod([*many, large])
    assert len(result.rules.block.words) == 1000
    assert result.skipped[0] == Skipped(name="1", reason="The list is full. w1x400 and everything after it was skipped.")
    assert 0 < len(result.rules.block.patterns) < 30


@example([{"trigger_type": True, "actions": True}])
@given(st.lists(JSON))
def test_any_json_is_accepted(rules: list[Any]) -> None:
    assert from_automod(rules).rules is not None


def test_a_list_beyond_discord_s_limits_is_cut() -> None:
    entries = [f"*{n}" for n in range(100_000)]
    rules = [rule(trigger_metadata={"keyword_filter": entries, "regex_patterns": entries, "allow_list": entries}) for _ in range(1000)]
    begun = time.process_time()
    found = from_automod(rules)
    assert time.process_time() - begun < 5
    assert len(found.rules.block.words) <= WORDS_MAX
