"""What members and Discord already hold: the ids of all buttons, menus and forms ever posted, and the commands."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import cogs
from bot import client

GOLDEN = Path(__file__).parent / "golden"
CUSTOM_IDS: Mapping[str, list[str]] = json.loads((GOLDEN / "custom_ids.json").read_text("utf-8"))


def patterns() -> Iterator[re.Pattern[str]]:
    """Everything in the cogs that reads a custom id."""
    for found in pkgutil.walk_packages(cogs.__path__, "cogs."):
        for value in vars(importlib.import_module(found.name)).values():
            for each in value if isinstance(value, Mapping) else (value,):
                if isinstance(each, str) and each.startswith("v1:"):
                    yield re.compile(re.escape(each))
                elif isinstance(each, re.Pattern) and str(each.pattern).startswith("v1:"):
                    yield each


@pytest.mark.parametrize("family", CUSTOM_IDS)
def test_every_custom_id_is_read(family: str) -> None:
    reading = list(patterns())
    assert [each for each in CUSTOM_IDS[family] if not any(pattern.fullmatch(each) for pattern in reading)] == []


def test_every_family_has_an_example() -> None:
    examples = [each for family in CUSTOM_IDS.values() for each in family]
    assert [pattern.pattern for pattern in patterns() if not any(map(pattern.fullmatch, examples))] == []


def test_an_id_has_at_most_the_characters_that_discord_takes() -> None:
    assert [each for family in CUSTOM_IDS.values() for each in family if len(each) > 100] == []


async def commands_as_registered() -> list[dict[str, Any]]:
    """Every command and menu with its options, choices, ranges, contexts and permissions, in English."""
    tree = await client.commands_alone()
    return sorted((command.to_dict(tree) for command in tree.get_commands()), key=lambda command: (command["type"], command["name"]))


async def test_the_commands_are_those_that_members_know() -> None:
    """After a change that is meant, print `commands_as_registered()` into the file as JSON."""
    assert await commands_as_registered() == json.loads((GOLDEN / "commands.json").read_text("utf-8"))
