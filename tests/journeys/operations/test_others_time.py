"""Nobody takes the time of other servers: while one is kept busy on purpose, a command elsewhere is acknowledged within a second."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from bot.app import App
from sandbox.person import Person
from tests.env.app import has_image
from tests.env.guild_rules import change_rules
from tests.env.images import tiny_webp
from tests.journeys.manager_steps import guild_of

SLOW = tuple(f"(a?){{200}}a{{200}}b{n}|a" for n in range(8))  # each match costs as much as a whole search
MEGABYTE = 1024 * 1024


async def acknowledged_during(attack: Coroutine[Any, Any, object], person: Person) -> None:
    """Until the attack ends, every command in another server is answered within a second."""
    attacking = asyncio.create_task(attack)
    while not attacking.done():
        begun = time.monotonic()
        await person.slash("generate", "elsewhere", prompt="a red fox")
        assert time.monotonic() - begun < 1
    await attacking


async def test_huge_references_of_a_few_bytes(app: App, ada: Person, ben: Person) -> None:
    names = ("image", "image2", "image3", "image4")

    async def attack() -> None:
        edits = ({name: ada.upload(f"{name}.webp", tiny_webp(8000, 5000)) for name in names} for _ in range(3))
        await asyncio.gather(*(ada.slash("edit", prompt="at night", **images) for images in edits))
        await ada.until(lambda: len([m for m in ada.messages() if has_image(m)]) == 3 or None, timeout_s=90)

    await acknowledged_during(attack(), ben)


async def test_patterns_that_are_slow_over_their_matches(app: App, ada: Person, ben: Person) -> None:
    await change_rules(app.services.guilds, guild_of(ada), prompts={"allow": {"patterns": SLOW}})

    async def attack() -> None:
        await asyncio.gather(*(ada.slash("generate", prompt="a" * 2000) for _ in range(3)))
        await ada.until(lambda: len([m for m in ada.messages() if "take too long" in m.content]) == 3 or None, timeout_s=30)

    await acknowledged_during(attack(), ben)


@pytest.mark.parametrize(
    "document",
    [
        {f"k{n}": 1 for n in range(80_000)},
        {"channels": {"allowed": ["x"] * 200_000}},
        {"prompts": {"block": {"words": ["*"] * 200_000}}},
        {"roles": {f"1{n}": {"models": [n]} for n in range(35_000)}},
    ],
    ids=["unknown names", "ids", "words", "roles"],
)
async def test_a_settings_file_full_of_errors(app: App, mo: Person, ben: Person, document: dict[str, Any]) -> None:
    content = json.dumps(document, separators=(",", ":")).encode()
    assert MEGABYTE // 2 < len(content) < MEGABYTE

    async def attack() -> None:
        for _ in range(4):
            await mo.slash("imageadmin import", file=mo.upload("settings.json", content))
        await mo.until(lambda: len([m for m in mo.messages() if "more than settings can" in m.text]) == 4 or None, timeout_s=30)

    await acknowledged_during(attack(), ben)
