"""Discord's limits for commands, and their default permissions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import discord
from discord import app_commands

from cogs import load

# Names of the code or of the settings file, which say nothing to people.
UNCLEAR = {"picture", "words", "shapes", "ladder", "forget", "unspoilered", "unchecked", "on_down", "half_life_days", "quorum", "weight"}
CHILDREN_MAX = 25  # options, subcommands or choices of one command


def children(part: dict[str, Any]) -> list[int]:
    options = part.get("options") or []
    return [len(options), len(part.get("choices") or ()), *(count for option in options for count in children(option))]


async def test_no_command_exceeds_discords_limits() -> None:
    """Discord would refuse all commands because of one."""
    tree = await load.command_tree()
    assert [command.name for command in tree.get_commands() if max(children(command.to_dict(tree))) > CHILDREN_MAX] == []


async def test_the_managers_commands_are_hidden_from_members_by_default() -> None:
    tree = await load.command_tree()
    groups = {group.name: group for group in tree.get_commands() if isinstance(group, app_commands.Group)}
    manage_guild, manage_messages = discord.Permissions(manage_guild=True), discord.Permissions(manage_messages=True)
    expected = {"imageadmin": manage_guild, "imagemod": manage_messages, "presets": manage_guild}
    assert {name: groups[name].default_permissions for name in expected} == expected
    assert all(groups[name].guild_only for name in expected)


def choices(part: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((choice["name"], choice["value"]) for choice in part.get("choices") or ())
    for option in part.get("options") or ():
        yield from choices(option)


async def test_choices_are_shown_in_words() -> None:
    """Not as the value that is stored, and not as a name of the code."""
    tree = await load.command_tree()
    named = [each for command in tree.get_commands() for each in choices(command.to_dict(tree))]
    assert {"Deleted image", "Last 7 days", "Wait until it answers"} <= {name for name, _value in named}
    assert [name for name, value in named if name == str(value) or name != name.capitalize()] == []


def option_names(part: dict[str, Any]) -> Iterator[str]:
    for option in part.get("options") or ():
        yield option["name"]
        yield from option_names(option)


async def test_options_have_names_that_people_use() -> None:
    tree = await load.command_tree()
    names = {name for command in tree.get_commands() for name in option_names(command.to_dict(tree))}
    assert names & UNCLEAR == set()
