"""The words of a message behind spoilers, and without them again."""

from __future__ import annotations

import pytest

from bot.domain.moderation.cases import HiddenBy
from cogs.kit.spoilers import hidden, unhidden

FACTS = "-# <@7> · FLUX.2"
PLAIN = f"**a fox**\n{FACTS}\n🔗 Image 1: Open it here: <https://a.test/?a=b|c>"
HIDDEN = f"**||a fox||**\n{FACTS}\n||🔗 Image 1: Open it here: <https://a.test/?a=b|c>||"


@pytest.mark.parametrize("times", [1, 2])
def test_prompt_and_links_are_hidden_once_and_shown_again(times: int) -> None:
    content = PLAIN
    for _ in range(times):
        content = hidden(content)
    assert content == HIDDEN
    for _ in range(times):
        content = unhidden(content)
    assert content == PLAIN


def test_who_hid_it_stands_below_the_prompt_until_it_is_shown_again() -> None:
    content = hidden(hidden(hidden(PLAIN, HiddenBy.REPORTS), HiddenBy.MODERATOR))
    assert content.split("\n") == ["**||a fox||**", "-# 🙈 Hidden by a moderator.", *HIDDEN.split("\n")[1:]]
    assert unhidden(content) == PLAIN
