"""Quotes that are cut."""

from __future__ import annotations

import pytest

from bot.core.markdown import escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a red fox in snow", "a red fox in snow"),
        ("a red fox in the deep snow", "a red fox in the…"),
        ("a red fox **bold** snow", r"a red fox…"),
        ("赤い狐が雪の中を走っている夜の森の絵です", "赤い狐が雪の中を走っている夜の森の絵…"[:17] + "…"),
    ],
)
def test_a_quote_is_cut_between_words_where_there_are_any(text: str, shown: str) -> None:
    cut = escaped(text, 18, at_word=True)
    assert (cut, len(cut) <= 18) == (shown, True)
