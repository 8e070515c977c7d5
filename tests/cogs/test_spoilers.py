"""The words of a message behind spoilers, and without them again."""

from __future__ import annotations

import pytest

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
