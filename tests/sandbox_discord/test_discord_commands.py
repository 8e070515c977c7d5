"""Commands, options, suggestions and menus, through a real discord.py client."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import discord
import pytest

from sandbox.person import NotDoneError, Person

from .parrot import Parrot, png


async def _both(bot: Parrot, asking: Coroutine[Any, Any, str]) -> tuple[discord.Interaction[Any], str]:
    """Run a command that is held, defer it, and return the interaction."""
    task = asyncio.create_task(asking)
    held = await bot.held.get()
    await held.response.defer(thinking=True)
    return held, await task


async def test_a_bot_logs_in_and_its_commands_are_offered(bot: Parrot, ada: Person) -> None:
    assert bot.user is not None
    assert (bot.user.name, ada.bot_online) == ("Easel", True)
    assert {"echo", "paint", "Inspect"} <= set(ada.commands)


async def test_the_bot_is_shown_offline_once_it_has_left(bot: Parrot, ada: Person) -> None:
    await bot.close()
    await ada.until(lambda: not ada.bot_online)


async def test_a_slash_command_is_answered_with_a_message(bot: Parrot, ada: Person) -> None:
    await ada.slash("echo", text="hello")
    message = await ada.message(lambda m: m.content == "hello")
    assert (message.author, message.raw["interaction_metadata"]["name"]) == ("Easel", "echo")


async def test_a_deferred_answer_is_edited_and_carries_its_picture(bot: Parrot, ada: Person) -> None:
    await ada.slash("paint", colour="blue", style="ink", count=2, reference=ada.upload("reference.png", png(64, 48)))
    message = await ada.message(lambda m: bool(m.attachments))
    assert message.content == f"blue ink 2 64x48 {len(png(64, 48))}"
    assert not message.waiting
    assert message.raw["edited_timestamp"] is None
    attachment = message.attachments[0]
    assert (attachment["width"], attachment["height"], attachment["description"]) == (40, 30, "a blue picture")
    assert await ada.fetch(attachment["url"]) == png(colour="blue")


async def test_a_deferred_answer_waits_visibly(bot: Parrot, ada: Person) -> None:
    asking = ada.slash("hold")
    held, _ = await _both(bot, asking)
    waiting = await ada.message(lambda m: m.waiting)
    await held.edit_original_response(content="done")
    done = await ada.message(lambda m: m.content == "done")
    assert (done.id, done.waiting) == (waiting.id, False)


@pytest.mark.parametrize(
    ("command", "values", "sentence"),
    [
        ("nonsense", {}, "There is no command /nonsense here."),
        ("paint", {}, "The option colour is required."),
        ("paint", {"colour": "red", "count": 5}, "count must be 4 or less."),
        ("paint", {"colour": "red", "count": "2"}, "count must be a whole number."),
        ("paint", {"colour": "red", "style": "chalk"}, "style must be one of: oil, ink."),
        ("paint", {"colour": "red", "frame": "gold"}, "There is no option called frame."),
        ("paint", {"colour": "red", "reference": {"upload": "none"}}, "That upload is not known."),
        ("admin", {}, "There is no command /admin here."),
    ],
)
async def test_what_the_client_would_not_send_is_refused(
    bot: Parrot, ada: Person, command: str, values: dict[str, object], sentence: str
) -> None:
    with pytest.raises(NotDoneError) as refused:
        await ada.slash(command, **values)
    assert str(refused.value) == sentence


async def test_suggestions_come_from_the_bot(bot: Parrot, ada: Person) -> None:
    assert await ada.autocomplete("paint", "colour", colour="re", count=99) == [
        {"name": "red!", "value": "red"},
        {"name": "green!", "value": "green"},
    ]


async def test_a_subcommand_for_moderators_is_offered_to_them_alone(bot: Parrot, ada: Person, mo: Person) -> None:
    await mo.slash("admin pause", member=ada.id)
    assert (await mo.message(lambda m: "paused" in m.content)).content == "paused Ada"
    assert (ada.commands["admin"]["kinds"], mo.commands["admin"]["kinds"]) == (["dm"], ["text", "dm"])
    with pytest.raises(NotDoneError):
        await ada.slash("admin pause", member=mo.id)


async def test_a_message_menu_gets_the_message_with_its_content(bot: Parrot, ada: Person) -> None:
    await ada.say("look at this", files=(ada.upload("a.png", png()),))
    theirs = await ada.message(lambda m: bool(m.attachments))
    await ada.menu("Inspect", theirs)
    answer = await ada.message(lambda m: m.author == "Easel")
    assert answer.content == "look at this 1"
    assert answer.raw["interaction_metadata"]["target_message_id"] == theirs.id


async def test_an_ephemeral_answer_is_seen_by_its_person_alone(bot: Parrot, ada: Person, ben: Person) -> None:
    await ada.slash("echo", text="for Ada", quietly=True)
    await ada.slash("echo", text="for all")
    await ben.message(lambda m: m.content == "for all")
    assert (await ada.message(lambda m: m.content == "for Ada")).ephemeral
    assert [m.content for m in ben.messages()] == ["for all"]


async def test_an_ephemeral_answer_is_still_there_for_a_second_page(bot: Parrot, ada: Person, server: object) -> None:
    await ada.slash("echo", text="for Ada", quietly=True)
    async with Person.connect(ada.url, ada.id) as again:
        assert [m.content for m in again.messages()] == ["for Ada"]


async def test_a_command_works_in_the_direct_messages(bot: Parrot, ada: Person, ben: Person) -> None:
    held, _ = await _both(bot, ada.slash("hold", "dm"))
    await held.edit_original_response(content="just us")
    await ada.message(lambda m: m.content == "just us", "dm")
    assert (held.context.dm_channel, held.guild, isinstance(held.channel, discord.DMChannel)) == (True, None, True)
    assert ben.messages("dm") == []


async def test_follow_ups_can_be_edited_and_deleted(bot: Parrot, ada: Person) -> None:
    held, _ = await _both(bot, ada.slash("hold"))
    await held.edit_original_response(content="first")
    second = await held.followup.send("second", wait=True)
    await second.edit(content="second, better")
    await ada.message(lambda m: m.content == "second, better")
    await second.delete()
    await held.delete_original_response()
    await ada.until(lambda: not ada.messages())


async def test_a_new_member_is_offered_commands_and_the_others_hear_of_them(bot: Parrot, ada: Person) -> None:
    person = await ada.join("Zoe")
    await ada.until(lambda: person in ada.hello["people"])
    async with Person.connect(ada.url, "Zoe") as zoe:
        await zoe.slash("echo", text="new here")
        await ada.message(lambda m: m.content == "new here")


async def test_single_commands_can_be_added_changed_and_taken_away(bot: Parrot, ada: Person) -> None:
    assert bot.application_id is not None
    guild_id = int(ada.hello["guild"]["id"])
    made = await bot.http.upsert_guild_command(bot.application_id, guild_id, {"name": "extra", "description": "one more", "type": 1})
    await ada.until(lambda: "extra" in ada.commands)
    await bot.http.edit_guild_command(bot.application_id, guild_id, int(made["id"]), {"description": "changed"})
    await ada.until(lambda: ada.commands["extra"]["description"] == "changed")
    await bot.http.delete_guild_command(bot.application_id, guild_id, int(made["id"]))
    await ada.until(lambda: "extra" not in ada.commands)


async def test_a_definition_that_discord_refuses_is_refused(bot: Parrot) -> None:
    assert bot.application_id is not None
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.upsert_global_command(bot.application_id, {"name": "Loud", "description": "x", "type": 1})  # type: ignore[arg-type]
    assert (refused.value.status, refused.value.code) == (400, 50035)
