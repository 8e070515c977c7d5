"""What is left out of a message that Discord refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.client.fallbacks import Fallbacks, MessageBody
from bot.core import markdown


def refusal(code: int, **errors: Any) -> discord.HTTPException:
    response = cast(Any, SimpleNamespace(status=400, reason="Bad Request"))
    return discord.HTTPException(response, {"code": code, "message": "refused", "errors": errors})


def body(**shown: Any) -> MessageBody:
    return MessageBody(body=shown, has_files=False)


def contents(fallbacks: Fallbacks, code: int) -> list[str]:
    """The content of each version, for as long as every one is refused."""
    return [version.body["content"] for version in iter(lambda: fallbacks.after(refusal(code)), None)]


@pytest.mark.parametrize("code", [240000, 200000])
def test_quotes_are_left_out_one_at_a_time_and_at_last_all(code: int) -> None:
    with markdown.quoting():
        text = f"**{markdown.escaped('a_fox')}** by {markdown.escaped('a long name')}"
        left_out = "[not allowed by Discord]"
        assert contents(Fallbacks(body(content=text)), code) == [
            rf"**a\_fox** by {left_out}",
            f"**{left_out}** by a long name",
            f"**{left_out}** by {left_out}",
        ]


def test_words_that_were_refused_are_left_out_first_the_next_time() -> None:
    with markdown.quoting():
        text = f"{markdown.escaped('known to be bad')} · {markdown.escaped('a much longer text of another')}"
        first = Fallbacks(body(content=text))
        first.after(refusal(240000)), first.after(refusal(240000))
        first.accepted()
        assert contents(Fallbacks(body(content=text)), 240000)[0] == "[not allowed by Discord] · a much longer text of another"


def test_all_links_are_left_out_before_other_texts() -> None:
    with markdown.quoting():
        text = " · ".join(map(markdown.escaped, ("a long description of a fox", "see one.example", "see two.example")))
        assert contents(Fallbacks(body(content=text)), 240000)[0] == "a long description of a fox" + 2 * " · [not allowed by Discord]"


def test_a_quote_is_left_out_although_its_end_was_cut_off() -> None:
    with markdown.quoting():
        label = f"1. {markdown.plain('a fox ' * 40)}"[:100]
        version = Fallbacks(body(label=label)).after(refusal(240000))
        assert version is not None
        assert version.body["label"] == "1. [not allowed by Discord]"


BUTTONS = [{"type": 2, "label": "Keep", "emoji": {"name": "x"}}, {"type": 2, "label": "Drop", "custom_id": "a"}]
INVALID = {"_errors": [{"code": "INVALID", "message": "invalid"}]}


@pytest.mark.parametrize(
    ("errors", "left"),
    [
        ({"0": {"components": {"0": {"emoji": {"name": INVALID}}}}}, [{"type": 2, "label": "Keep"}, BUTTONS[1]]),
        ({"0": {"components": {"1": {"custom_id": INVALID}}}}, BUTTONS[:1]),
        ({"0": {"components": {"1": {"label": INVALID}}}}, [BUTTONS[0], {**BUTTONS[1], "label": "…"}]),
    ],
)
def test_an_invalid_part_is_left_out_and_nothing_else(errors: dict[str, Any], left: list[dict[str, Any]]) -> None:
    version = Fallbacks(body(content="text", components=[{"type": 1, "components": BUTTONS}])).after(refusal(50035, components=errors))
    assert version is not None
    assert version.body["components"] == [{"type": 1, "components": left}]


def test_an_error_that_names_nothing_in_the_message_is_not_answered() -> None:
    assert Fallbacks(body(content="text")).after(refusal(50035, files=INVALID)) is None
