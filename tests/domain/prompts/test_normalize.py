"""A prompt is read the plain way, however it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.prompts.normalize import GAP, Reading, read

UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u202e\u3164\ufe0f\u0301"


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
        ("हिन्दी が", "हिन्दी が"),  # signs that make other words are kept
        ("\ud800a", "a"),
    ],
)
def test_folded(written: str, folded: str) -> None:
    assert read(written).folded == folded


def test_accents_and_alphabets_stay_in_one_reading() -> None:
    assert read("Café КОТ").kept == "café кот"


@pytest.mark.parametrize(("written", "unmasked"), [("c4t $e7", "cat set"), ("50 4", "50 4"), ("h3ll0!", "hello!")])
def test_digits_within_words_are_unmasked(written: str, unmasked: str) -> None:
    assert read(written).unmasked == unmasked


@given(st.text(st.characters()))
def test_the_readings_of_any_text_are_equally_long(text: str) -> None:
    reading = read(text)
    assert len(reading.kept) == len(reading.folded) == len(reading.unmasked)
    assert reading.kept.encode().decode() == reading.kept  # good Unicode


@given(st.text("abc XYZ09", max_size=30), st.lists(st.tuples(st.integers(0, 30), st.sampled_from(UNSEEN))))
def test_what_is_not_seen_changes_nothing(text: str, insertions: list[tuple[int, str]]) -> None:
    hidden = text
    for place, sign in insertions:
        hidden = hidden[:place] + sign + hidden[place:]
    assert read(hidden).folded == read(text).folded


@given(st.text("abc ", max_size=20), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted).map(tuple)))
def test_what_is_taken_out_leaves_gaps_of_its_length(text: str, spans: list[tuple[int, int]]) -> None:
    inside = [(start, end) for start, end in spans if end <= len(text)]
    gone = {place for start, end in inside for place in range(start, end)}
    left = Reading(kept=text, folded=text, unmasked=text).without(inside)
    assert left.kept == "".join(GAP if place in gone else sign for place, sign in enumerate(text))
