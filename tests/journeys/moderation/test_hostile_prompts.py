"""A hostile prompt is dead in every message that a running bot shows it in."""

from __future__ import annotations

import re

import pytest

from bot.app import App
from sandbox.person import Message, Person
from tests.env.app import has_image
from tests.journeys.conftest import Ask
from tests.journeys.moderator_steps import GALLERY, change_rules
from tests.journeys.result_steps import press

LOG = GALLERY  # nothing else is posted in this channel
PROMPTS = [
    ("fox [x](https://evil.example) <https://evil.example> discord.gg/evil", r"(?<!\\)\]\(https://evil|https://evil|discord\.gg/evil"),
    ("fox ||a|| **b** `c` ```d``` ~~e~~", r"(?<!\\)(\|\|a|\*\*b|`c|`d|~~e)"),
    ("fox @everyone <@777> <@&777> <#777> <t:777> </cmd:777>", r"@everyone|<@&?777|<#777|<t:777|</cmd:777"),
    ("# fox\n-# small\n> quote \u202etxt", r"^(# fox|-# small|> quote)|\u202e"),
]


@pytest.mark.parametrize(("prompt", "living"), PROMPTS)
async def test_a_hostile_prompt_is_dead_everywhere(app: App, ada: Person, mo: Person, asked: Ask, prompt: str, living: str) -> None:
    await change_rules(app, ada, log_channel_id=ada.channel(LOG))
    await ada.slash("style save", name=prompt[:20], prefix=prompt[:100])
    await ada.message(lambda m: "Saved" in m.content)
    made = await asked(prompt=prompt)
    await press(ada, made, "Details")
    await ada.message(lambda m: "**Prompt**" in m.text)
    await ada.slash("history")
    await ada.message(lambda m: "Your history" in m.text)
    await ada.slash("style list")
    await ada.message(lambda m: "fox" in m.text and m.ephemeral and not m.content)
    await ada.react(made, "✉️")
    await mo.message(lambda m: "fox" in m.content, LOG)
    shown = [*ada.messages(), *mo.messages(LOG), *await ada.until(lambda: list(filter(has_image, ada.messages("dm"))) or None)]
    assert [found.group() for message in shown for found in re.finditer(living, text_of(message), re.MULTILINE)] == []
    assert [message.pings for message in shown if message.pings] == []


def text_of(message: Message) -> str:
    """Everything in it that Discord formats, without inline code."""
    return re.sub(r"(?<!\\)`[^`\n]*`", "", f"{message.content}\n{message.text}")
