"""Judging prompts: word boundaries, patterns in linear time, and the precedence of the lists."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import InvalidRequest
from bot.domain.prompts.judge import CompiledRule, Level, PromptVerdict, RuleKind, RulesTooSlow, compile_rules
from bot.domain.prompts.patterns import PATTERN_MAX
from bot.domain.prompts.rules import ListName, PromptRules, WordList, checked_pattern


def entries(*texts: str) -> WordList:
    """Words, and patterns in slashes."""
    patterns = tuple(text.strip("/") for text in texts if text.startswith("/"))
    return WordList(words=tuple(text for text in texts if not text.startswith("/")), patterns=patterns)


def level(prompt: str, *, allow: tuple[str, ...] = (), flag: tuple[str, ...] = (), block: tuple[str, ...] = ()) -> Level:
    return compile_rules(PromptRules(allow=entries(*allow), flag=entries(*flag), block=entries(*block))).judge(prompt).level


@pytest.mark.parametrize(
    ("word", "matches", "passes"),
    [
        ("cat", ["a cat", "CAT!", "cat", "the-cat-sat", "c\u200bat", "çàt", "сат", "c4t", "ｃａｔ"], ["catalog", "bobcat", "c at", "cat5"]),
        ("cat*", ["catalog", "a cat"], ["bobcat", "concatenate"]),
        ("*cat", ["bobcat", "a cat"], ["catalog"]),
        ("*cat*", ["concatenate", "cat"], ["dog"]),
        ("the mat", ["on the   mat.", "The\nMat"], ["the mattress", "breathe mat"]),
        ("кот", ["чёрный КОТ"], ["который"]),
        ("straße", ["STRASSE", "eine Straße"], ["strassen"]),
        ("*猫*", ["黒猫が"], ["犬"]),
        ("4k", ["in 4K"], ["ak"]),
    ],
)
def test_words_match_at_word_boundaries(word: str, matches: list[str], passes: list[str]) -> None:
    assert [text for text in matches if level(text, block=(word,)) is not Level.BLOCK] == []
    assert [text for text in passes if level(text, block=(word,)) is not Level.NONE] == []


@pytest.mark.parametrize(
    ("pattern", "matches", "passes"),
    [
        (r"/\bb[a4]d\b/", ["So BAD", "b4d", "bаd"], ["badge"]),  # the last match has a Cyrillic letter
        (r"/^a fox$/", ["a fox", " A  Fox "], ["a fox runs"]),
        ("/café/", ["Café", "cafe\u0301"], ["cafe"]),
        ("/[а-я]{4}/", ["кошка"], ["horse"]),
    ],
)
def test_patterns_search_every_form(pattern: str, matches: list[str], passes: list[str]) -> None:
    assert [text for text in matches if level(text, block=(pattern,)) is not Level.BLOCK] == []
    assert [text for text in passes if level(text, block=(pattern,)) is not Level.NONE] == []


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a fox", Level.NONE),
        ("Scunthorpe", Level.ALLOW),
        ("Scunthorpe and a thorp", Level.BLOCK),  # exempts only itself
        ("a sword", Level.FLAG),
        ("a sword in Scunthorpe", Level.FLAG),
        ("a sword and a thorp", Level.BLOCK),
        ("a toy sword", Level.ALLOW),
        ("a toy sword, a sword", Level.FLAG),
    ],
)
def test_an_allowed_entry_exempts_exactly_what_it_matches(prompt: str, expected: Level) -> None:
    found = level(prompt, allow=("Scunthorpe", "/toy sword/"), flag=("sword",), block=("*thorp*",))
    assert found is expected


def test_the_verdict_names_the_rule_as_it_was_written() -> None:
    judge = compile_rules(PromptRules(flag=entries("Sword"), block=entries("/Th[o0]rp/")))
    assert judge.judge("a sword") == PromptVerdict(
        level=Level.FLAG, rule=CompiledRule(list=ListName.FLAG, kind=RuleKind.WORD, text="Sword")
    )
    assert judge.judge("thorp").rule == CompiledRule(list=ListName.BLOCK, kind=RuleKind.PATTERN, text="Th[o0]rp")


def test_every_matching_rule_can_be_listed() -> None:
    judge = compile_rules(PromptRules(allow=entries("toy"), flag=entries("sword", "shield"), block=entries("bow")))
    assert [rule.text for rule in judge.hits("a toy bow, a sword and a shield")] == ["toy", "bow", "sword", "shield"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(unclosed", "a closing ) is missing in (unclosed."),
        ("[abc", "a closing ] is missing in [abc."),
        ("a)", "an opening ( is missing in a)."),
        ("a\\", "a character is missing after the \\ at the end."),
        ("*a", "* has nothing to repeat."),
        ("a**", "** repeats a repetition. Use only one."),
        ("(?=a)", "(?= isn't supported."),
        (r"(a)\1", r"\1 has no meaning here."),
        ("[z-a]", "z-a isn't a valid range of characters."),
        ("(?P<n", "the name in (?P<n isn't valid."),
        ("a{1001}", "{1001} isn't a valid number of repetitions. The most is 1000."),
        ("((((a{100}){100}){100}))", "{100} isn't a valid number of repetitions. The most is 1000."),
        ("a\ud800", "check a  for typos."),
        ("x*", "x* would match every prompt."),
        (r"\pL{9}", r"\pL{9} is too complex. Use fewer repetitions."),
        ("a" * (PATTERN_MAX + 1), "it has 261 characters, and at most 260 are allowed."),
    ],
)
def test_a_bad_pattern_is_refused_with_its_error(pattern: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked_pattern(pattern)
    assert caught.value.sentence == f"That pattern doesn't work: {words}"


def test_the_size_of_all_patterns_is_limited() -> None:
    large = tuple(f"(a?){{130}}a{{130}}{number}" for number in range(30))
    with pytest.raises(ValueError, match="All patterns together are too large"):
        PromptRules(block=WordList(patterns=large[:15]), flag=WordList(patterns=large[15:]))


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|a)*b", r"(x+x+)+y", r"(.*a){25}b", r"([a-z]+)*\d", r"(a?){200}a{200}b", r"^(([a-z])+.)+[A-Z]([a-z])+$"]
)
@pytest.mark.parametrize("prompt", ["a" * 100_000 + "!", "x" * 100_000, "aA1é " * 20_000])
def test_no_pattern_hangs(pattern: str, prompt: str) -> None:
    judge = compile_rules(PromptRules(block=WordList(patterns=(pattern,))))
    began = time.process_time()
    judge.judge(prompt)
    assert time.process_time() - began < 5  # s, on a very slow machine; with backtracking these would practically never end


@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize("name", list(ListName))
def test_matches_that_each_cost_a_search_are_bounded(name: ListName, count: int) -> None:
    slow = WordList(patterns=tuple(f"(a?){{200}}a{{200}}b{number}|a|\\b" for number in range(count)))
    began = time.process_time()
    with contextlib.suppress(RulesTooSlow):
        compile_rules(PromptRules(**{name: slow})).judge("a" * 2000)
    assert time.process_time() - began < 2


def test_rules_that_take_too_long_decide_nothing() -> None:
    slow = tuple(f"(a?){{200}}a{{200}}b{number}|a" for number in range(8))
    judge = compile_rules(PromptRules(allow=WordList(patterns=slow), block=entries("sword")))
    with pytest.raises(RulesTooSlow, match="Checking this prompt took too long"):
        judge.judge("a" * 2000)
    assert judge.judge("sword").level is Level.BLOCK


def test_full_lists_take_milliseconds() -> None:
    words = tuple(f"*a{'b' * (number % 50)}{number}*" for number in range(1000))
    judge = compile_rules(PromptRules(allow=WordList(words=words), flag=WordList(words=words), block=WordList(words=words)))
    began = time.process_time()
    judge.judge("ab" * 1000)
    assert time.process_time() - began < 1


def test_two_sets_of_rules_are_joined_without_duplicates() -> None:
    joined = PromptRules(block=entries("a", "b")).plus(PromptRules(block=entries("b", "c"), flag=entries("/d/")))
    assert joined == PromptRules(block=entries("a", "b", "c"), flag=entries("/d/"))


def test_joining_beyond_a_list_s_limit_is_refused() -> None:
    full = [PromptRules(block=WordList(words=tuple(f"w{first + n}" for n in range(600)))) for first in (0, 600)]
    with pytest.raises(InvalidRequest, match=r"^Blocked words can have at most 1000 entries\.$"):
        full[0].plus(full[1])


@given(st.text(st.characters()))
def test_any_prompt_is_judged(prompt: str) -> None:
    assert level(prompt, allow=("toy", "/b+/"), flag=("*a*",), block=(r"/\d\d/", "c*")) in Level


@given(st.text("cat ", max_size=20), st.text("cat ", max_size=20))
def test_a_blocked_word_is_found_anywhere(before: str, after: str) -> None:
    assert level(f"{before} sword {after}", block=("sword",)) is Level.BLOCK
