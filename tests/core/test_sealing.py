"""Sealed texts are of no use without the secret, elsewhere, or after a change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.core.sealing import Sealer

TEXT, SEALER = "aW50ZXJhY3Rpb246MTIz", Sealer("the secret")
WORDS = st.text(st.characters(codec="utf-8"))


@given(text=WORDS, about=WORDS)
def test_what_is_sealed_is_opened(text: str, about: str) -> None:
    sealed = SEALER.seal(text, about=about)
    assert (SEALER.open(sealed, about=about), sealed == SEALER.seal(text, about=about)) == (text, False)


@given(at=st.integers(min_value=0, max_value=200))
def test_nothing_else_opens_it(at: int) -> None:
    sealed = SEALER.seal(TEXT, about="job1")
    at = len("v1:") + at % (len(sealed) - len("v1:"))
    changed = f"{sealed[:at]}{'B' if sealed[at] == 'A' else 'A'}{sealed[at + 1 :]}"
    assert TEXT not in sealed
    assert [Sealer("another secret").open(sealed, about="job1"), SEALER.open(sealed, about="job2")] == [None, None]
    assert [SEALER.open(each, about="job1") for each in (changed, sealed[:at], f"{sealed}A")] == [None, None, None]


def test_a_text_of_the_version_before_is_used() -> None:
    assert SEALER.open(TEXT, about="job1") == TEXT
