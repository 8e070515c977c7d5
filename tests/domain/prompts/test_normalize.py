"""Normalization of prompts against disguised spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.prompts.normalize import GAP, NormalizedText, normalize

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u202e\u3164\ufe0f\u0301"


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Two   Cats\n\tand\u00a0one", "two cats and one"),
        ("ｃａｔ", "cat"),
        ("𝓬𝓪𝓽", "cat"),
        ("c\u200ba\u00adt", "cat"),
        ("c\u0336a\u0336t\u0336", "cat"),
        ("cạ̈t", "cat"),
        ("сат", "cat"),  # Cyrillic
        ("CΑT", "cat"),  # a Greek capital
        ("STRASSE straße", "strasse strasse"),
        ("हिन्दी が", "हिन्दी が"),  # vowel signs are kept
        ("\ud800a", "a"),
        ("🅖🅞🅡🅔 🇬🇴🇷🇪 ⓖⓞⓡⓔ", "gore gore gore"),  # filled circles, flags, circles
        ("ɢᴏʀᴇ ꓖꓳꓣꓰ ցօրҽ goЯe", "gore gore gore gore"),  # small capitals, Lisu, Armenian, Cyrillic
        ("c\u05bcat", "cat"),  # a Hebrew mark on a Latin letter
        ("c\x07at", "cat"),
    ],
)
def test_folded(written: str, folded: str) -> None:
    assert normalize(written).folded == folded


def test_accents_and_alphabets_stay_in_the_cleaned_form() -> None:
    assert normalize("Café КОТ").cleaned == "café кот"


@pytest.mark.parametrize(("written", "unmasked"), [("c4t $e7", "cat set"), ("50 4", "50 4"), ("h3ll0!", "hello!")])
def test_digits_within_words_are_unmasked(written: str, unmasked: str) -> None:
    assert normalize(written).unmasked == unmasked


@given(st.text(st.characters()))
def test_all_forms_have_equal_length(text: str) -> None:
    normalized = normalize(text)
    assert len(normalized.cleaned) == len(normalized.folded) == len(normalized.unmasked)
    assert normalized.cleaned.encode().decode() == normalized.cleaned  # valid Unicode


@given(st.text("abc XYZ09", max_size=30), st.lists(st.tuples(st.integers(0, 30), st.sampled_from(INVISIBLE))))
def test_invisible_characters_are_ignored(text: str, insertions: list[tuple[int, str]]) -> None:
    hidden = text
    for place, sign in insertions:
        hidden = hidden[:place] + sign + hidden[place:]
    assert normalize(hidden).folded == normalize(text).folded


@given(st.text("abc ", max_size=20), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted).map(tuple)))
def test_removed_text_leaves_gaps_of_equal_length(text: str, spans: list[tuple[int, int]]) -> None:
    inside = [(start, end) for start, end in spans if end <= len(text)]
    gone = {place for start, end in inside for place in range(start, end)}
    left = NormalizedText(cleaned=text, folded=text, unmasked=text).without(inside)
    assert left.cleaned == "".join(GAP if place in gone else sign for place, sign in enumerate(text))
