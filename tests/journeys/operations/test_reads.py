"""A command or press reads the guild's settings and the member's preferences only if they are not cached."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.domain.guild.settings import GuildSettings
from bot.services.guilds import Guilds
from sandbox.person import Person
from tests.journeys.conftest import PRESSED, Traffic
from tests.journeys.manager_steps import admin, private_reply, updated

PREFERENCES = ("preferences", "preferences_of")


@pytest.fixture
def settings_reads(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Guild ids whose settings a press asked for."""
    asked: list[int | None] = []
    settings = Guilds.settings

    async def counted(self: Guilds, guild_id: int | None) -> GuildSettings:
        task = asyncio.current_task()
        if task is not None and task.get_name().startswith(PRESSED):
            asked.append(guild_id)
        return await settings(self, guild_id)

    monkeypatch.setattr(Guilds, "settings", counted)
    return asked


def of_preferences(traffic: Traffic) -> list[str]:
    return [each for each in traffic.so_far()[0] if each in PREFERENCES]


async def test_a_press_of_settings_reads_each_thing_once(ada: Person, traffic: Traffic, settings_reads: list[int | None]) -> None:
    await ada.slash("settings")
    panel = await private_reply(ada, "Your settings")
    assert traffic.so_far() == ([], [])
    await ada.click(panel, "Private: off")
    await ada.message(lambda m: m.id == panel.id and "Private: on" in m.buttons)
    assert traffic.so_far() == ([], ["change_preferences"])
    assert len(settings_reads) == 2


@pytest.mark.parametrize(
    ("command", "values", "words"),
    [
        ("pause", {}, "Image creation is paused"),
        ("flags", {"needed": 5}, "5 flags hide an image"),
        ("members", {}, "leaderboard"),
        ("panel", {}, "Easel on"),
        ("rules test", {"prompt": "a red fox"}, "a red fox"),
    ],
)
async def test_a_command_of_imageadmin_reads_each_thing_once(
    mo: Person, traffic: Traffic, settings_reads: list[int | None], command: str, values: dict[str, Any], words: str
) -> None:
    await admin(mo, command, words, **values)
    assert (of_preferences(traffic), len(settings_reads)) == (["preferences"], 1)


async def test_a_press_of_the_imageadmin_panel_reads_each_thing_once(
    mo: Person, traffic: Traffic, settings_reads: list[int | None]
) -> None:
    panel = await admin(mo, "panel", "Easel on")
    traffic.so_far()
    await mo.click(panel, "Pause")
    await updated(mo, panel, "Image creation is paused")
    assert (of_preferences(traffic), len(settings_reads)) == ([], 2)
