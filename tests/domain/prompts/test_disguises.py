"""Words that are taken apart or drawn out, and ordinary prompts in which nothing may be found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.prompts.disguises import disguised_word, spans_of
from bot.domain.prompts.judge import Level, compile_rules
from bot.domain.prompts.normalize import normalize
from bot.domain.prompts.rules import PromptRules, WordList

BLOCKED = ("gore", "kill", "hell", "god", "loli*", "*cat*", "the mat", "黒猫", "чудо")
JUDGE = compile_rules(PromptRules(block=WordList(words=BLOCKED)))


@pytest.mark.parametrize(
    "prompt",
    [
        *("g.o.r.e", "g o r e", "g-o-r-e", "G_O_R_E", "g/o/r/e", "g * o * r * e", "g, o, r, e", "g🔥o🔥r🔥e", "g'o'r'e", "g...o...r...e"),
        *("a g.o.r.e film", "with g o r e here", "go-re", "(go*re)!", "**g**ore", "ｇ．ｏ．ｒ．ｅ", "⒢⒪⒭⒠", "g\no\nr\ne"),
        *("gooore", "gggoreee", "ggoorree", "g.o.o.o.r.e", "g.0.r.3", "6ore", "90re", "g0ооre"),
        *("g\u200bo\u200br\u200be", "g\u0336o\u0336re", "góré", "ｇｏｒｅ", "gоrе", "gοrε", "𝔤𝔬𝔯𝔢", "🅶🅾🆁🅴", "🇬🇴🇷🇪"),
        *("ki11", "k!ll", "k|ll", "k.1.l.l", "l-o-l-i", "loooolicon", "the-mat", "t h e m a t", "黒.猫", "ч.у.д.о", "чуууудо"),
    ],
)
def test_a_disguised_word_is_found(prompt: str) -> None:
    assert JUDGE.judge(prompt).level is Level.BLOCK


@pytest.mark.parametrize(
    "prompt",
    [
        *("go re-make", "the go-remake", "go r.e. film", "a g o", "gor e", "go, re", "oregon", "a. g. orwell"),
        *("he'll be good", "a shell", "I'll", "good", "G.O.O.D.", "magic-atlas", "c at", "ca t-shirt"),
        *("the mattress", "breathe mat", "k-pop, ill", "vitamin B, C, D and E", "U.S.A. in the 80s", "a = b + c", "🇩🇪 🇺🇸"),
        *("lol I saw", "a llama in bookkeeping", "1 + 1 = 2", "16:9, 4k, f/1.8, 35mm", "50 cents", "Wait!!! Stop...", "ооо чудеса"),
    ],
)
def test_an_ordinary_prompt_is_not_found(prompt: str) -> None:
    assert JUDGE.judge(prompt).level is Level.NONE


def test_an_exact_word_is_found_only_as_it_is_written() -> None:
    judge = compile_rules(PromptRules(block=WordList(exact_words=("gore",))))
    assert [judge.judge(prompt).level for prompt in ("GORE", "g.o.r.e", "gooore")] == [Level.BLOCK, Level.NONE, Level.NONE]


def test_a_disguise_exempts_nothing() -> None:
    judge = compile_rules(PromptRules(allow=WordList(words=("ago",)), block=WordList(words=("*g*",))))
    assert [judge.judge(prompt).level for prompt in ("ago", "a.g.o")] == [Level.ALLOW, Level.BLOCK]


def test_allowed_text_is_not_part_of_a_disguise() -> None:
    judge = compile_rules(PromptRules(allow=WordList(words=("toy",)), block=WordList(words=("gore",))))
    assert judge.judge("g o toy r e").level is Level.ALLOW


@pytest.mark.parametrize("word", ["gore", "loli", "чудо"])
@given(separator=st.sampled_from([".", " ", "-", "_", " / ", "🔥", "..", "\u200b.", "’"]), before=st.text("ab, ", max_size=8))
def test_letters_are_joined_across_any_separator(word: str, separator: str, before: str) -> None:
    assert JUDGE.judge(f"{before} {separator.join(word)} end").level is Level.BLOCK


def test_where_a_disguise_stands_is_exact() -> None:
    word = disguised_word("gore", open_left=False, open_right=False)
    assert word is not None
    for prompt, found in (("a g.o.r.e film", "g.o.r.e"), ("some go-re!", "go-re"), ("so gooore here", "gooore")):
        normalized = normalize(prompt)
        assert {normalized.folded[start:end] for view in normalized.views for start, end in spans_of(word, view)} == {found}
