"""Originals with nothing to clean, and all others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.media.codec import clean_reference
from tests.env.originals import BARE, TO_CLEAN, TURNED, remains

LIMIT = 40_000_000


@pytest.mark.parametrize("name", BARE)
def test_an_original_with_nothing_to_clean_is_bare(name: str) -> None:
    original = BARE[name]()
    assert remains(original) == []
    assert clean_reference(original, max_pixels=LIMIT).was_bare


@pytest.mark.parametrize("name", TO_CLEAN)
def test_an_original_with_something_to_clean_is_not_bare_and_is_cleaned(name: str) -> None:
    cleaned = clean_reference(TO_CLEAN[name](), max_pixels=LIMIT)
    assert (cleaned.was_bare, remains(cleaned.content)) == (False, [])
    assert (cleaned.width < cleaned.height) is (name in TURNED)


@settings(deadline=None)
@given(name=st.sampled_from(sorted(BARE)), byte=st.integers(0, 255))
def test_no_byte_follows_the_end_of_a_bare_original(name: str, byte: int) -> None:
    assert not clean_reference(BARE[name]() + bytes([byte]), max_pixels=LIMIT).was_bare
