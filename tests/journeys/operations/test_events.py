"""Events of the gateway that cannot be read, or that come late."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.app import App
from cogs.kit import answers
from cogs.kit.request import request_of
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import NotDoneError, Person
from tests.env.app import Env, person_in, statement_of
from tests.journeys.conftest import Ask
from tests.journeys.manager_steps import guild_of
from tests.journeys.moderator_steps import gone
from tests.journeys.reaction_steps import answer_to, seen, unmarked
from tests.services.conftest import eventually

UNREADABLE = "event-unreadable"


@pytest.mark.faults(UNREADABLE)
async def test_events_that_cannot_be_read_are_logged_and_skipped(env: Env, app: App, ada: Person, mo: Person, asked: Ask) -> None:
    """The server has a channel that cannot be read since the start; the rest of it is used."""
    guild = app.client.state.known_guild(guild_of(ada))
    assert guild is not None
    assert int(ada.channel("studio")) in {channel.id for channel in guild.channels}
    first = await asked()
    with structlog.testing.capture_logs() as logs:
        await ada.react(first, "🎨")
        await mo.permit("gallery", "add_reactions", on=False)
        await ada.thread("late")
        await ada.slash("ping")
    assert {log["on"] for log in logs if log["event"] == "event not readable"} == {
        "MESSAGE_REACTION_ADD",
        "CHANNEL_UPDATE",
        "THREAD_CREATE",
    }
    env.switchboard.turn_off(UNREADABLE)
    await ada.react(first, "🌙")
    edit = await answer_to(ada, first)
    await unmarked(ada, first)
    await mo.react(await seen(mo, edit), "❌")  # the server is not known exactly any more, so Discord is asked for Mo's rights
    await gone(ada, edit)


@pytest.fixture
async def hasty(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    """An environment in which Discord waits a moment only for the first answer."""
    monkeypatch.setattr(answers, "LATE", timedelta(seconds=0.4))
    board = Switchboard()
    async with (
        images.serve(switchboard=board, timing=images.FAST, draft=True) as image_server,
        discord.serve(switchboard=board, first_answer_s=0.5) as chat,
    ):
        yield Env(switchboard=board, images=image_server, discord=chat, folder=tmp_path, empty_database=sqlite_template)


async def test_what_came_too_late_to_be_answered_costs_nothing(hasty: Env) -> None:
    async with hasty.app() as app, person_in(hasty, "Ada") as ada:
        hasty.switchboard.turn_on("gateway-late")
        with pytest.raises(NotDoneError):
            await ada.slash("generate", prompt="a red fox")
        with structlog.testing.capture_logs() as logs:
            hasty.switchboard.turn_off("gateway-late")
            await eventually(lambda: _said(logs, "interaction expired before its answer"))
        assert (await statement_of(app, int(ada.id))).spent == 0
        assert (await hasty.generations(), ada.messages()) == ([], [])


async def _said(logs: Sequence[Mapping[str, Any]], event: str) -> bool | None:
    return any(log["event"] == event for log in logs) or None


@pytest.mark.parametrize("channel", [{"type": 99}, {"type": 2, "name": "lounge"}])
async def test_a_command_in_a_channel_that_cannot_be_read_knows_the_channel(app: App, ada: Person, channel: dict[str, Any]) -> None:
    place = {"id": "1000", "nsfw": True, "parent_id": "1001", **channel}
    user = {"id": "5", "username": "Ada", "discriminator": "0", "avatar": None}
    member = {"user": user, "roles": [], "flags": 0, "joined_at": None, "permissions": "0"}
    event = {"id": "1", "application_id": "2", "token": "-", "version": 1, "type": 2, "guild_id": str(guild_of(ada)), "member": member}
    interaction = app.client.state.read_interaction({**event, "channel": place, "attachment_size_limit": 1})
    known = (await request_of(interaction)).channel
    assert (known.ids, known.age_restricted) == ((1000, 1001), True)
