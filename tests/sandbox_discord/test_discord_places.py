"""Threads, age-restricted channels, and places where the bot is no member."""

from __future__ import annotations

import asyncio

import discord
import pytest

from sandbox.person import NotDoneError, Person

from .parrot import Parrot, picture, png


async def test_the_channels_are_there_with_their_kinds(ada: Person) -> None:
    kinds = {channel["name"]: (channel["kind"], channel["nsfw"]) for channel in ada.hello["channels"]}
    assert kinds == {
        "studio": ("text", False),
        "gallery": ("text", False),
        "quiet": ("text", False),
        "after-dark": ("text", True),
        "Easel": ("dm", False),
        "Ben": ("private", False),
        "elsewhere": ("elsewhere", False),
    }


async def test_an_age_restricted_channel_says_so_and_offers_what_is_meant_for_it(bot: Parrot, ada: Person) -> None:
    held = await bot.hear(ada.slash("rough", "after-dark"))
    assert isinstance(held.channel, discord.TextChannel)
    assert held.channel.nsfw
    assert (await bot.fetch_channel(held.channel.id)).nsfw  # type: ignore[union-attr]
    with pytest.raises(NotDoneError, match="There is no command /rough here"):
        await ada.slash("rough", "studio")


async def test_the_bot_hears_of_a_thread_and_writes_there(bot: Parrot, ada: Person, ben: Person) -> None:
    hearing = asyncio.create_task(bot.wait_for("thread_create", timeout=5))
    await bot.wait_until_ready()
    thread_id = await ada.thread("sketches")
    thread = await hearing
    assert (thread.id, thread.parent_id) == (int(thread_id), int(ada.channel("studio")))
    await thread.send("in the thread")
    await ben.message(lambda m: m.content == "in the thread", "sketches")
    assert next(c for c in ben.hello["channels"] if c["name"] == "sketches")["parent_id"] == ben.channel("studio")


async def test_a_thread_that_the_bot_starts_is_shown_too(bot: Parrot, ada: Person) -> None:
    message = await bot.place(ada.channel("studio")).send("a picture")
    await bot.http.start_thread_with_message(int(ada.channel("studio")), message.id, name="about it", auto_archive_duration=1440)
    await ada.until(lambda: "about it" in [channel["name"] for channel in ada.hello["channels"]])


async def test_a_command_in_a_thread_knows_its_channel(bot: Parrot, ada: Person) -> None:
    await ada.thread("after-dark sketches", "after-dark")
    held = await bot.hear(ada.slash("rough", "after-dark sketches"))
    assert isinstance(held.channel, discord.Thread)
    assert held.channel.parent_id == int(ada.channel("after-dark"))
    assert held.channel.is_nsfw()


@pytest.mark.parametrize(("channel", "name"), [("studio", " "), ("dm", "x"), ("elsewhere", "x")])
async def test_a_thread_that_cannot_be_is_refused(ada: Person, channel: str, name: str) -> None:
    with pytest.raises(NotDoneError, match="thread"):
        await ada.thread(name, channel)


@pytest.mark.parametrize(("place", "context"), [("elsewhere", "guild"), ("private", "private_channel")])
async def test_a_command_for_people_works_where_the_bot_is_not(bot: Parrot, ada: Person, ben: Person, place: str, context: str) -> None:
    held = await bot.hear(ada.slash("anywhere", place))
    assert getattr(held.context, context)
    assert held.is_user_integration()
    assert not held.is_guild_integration()
    await held.edit_original_response(content="here too", attachments=[picture()])
    message = await ben.message(lambda m: m.content == "here too", "elsewhere" if place == "elsewhere" else "private")
    assert await ben.fetch(message.attachments[0]["url"]) == png()
    assert message.raw["interaction_metadata"]["authorizing_integration_owners"] == {"1": ada.id}


async def test_a_command_says_in_which_places_it_is_offered(bot: Parrot, ada: Person, mo: Person) -> None:
    assert ada.commands["hold"]["kinds"] == ["text", "dm"]
    assert ada.commands["anywhere"]["kinds"] == ["text", "dm", "private", "elsewhere"]
    assert mo.commands["anywhere"]["kinds"] == ["text", "dm", "elsewhere"]
    with pytest.raises(NotDoneError, match="There is no command /hold here"):
        await ada.slash("hold", "elsewhere")


async def test_both_installations_are_told_where_both_hold(bot: Parrot, ada: Person) -> None:
    held = await bot.hear(ada.slash("anywhere"))
    assert held.is_guild_integration()
    assert held.is_user_integration()


async def test_a_user_menu_works_elsewhere(bot: Parrot, ada: Person) -> None:
    await ada.user_menu("Usage", "Mo", "elsewhere")
    assert (await ada.message(lambda m: m.ephemeral, "elsewhere")).content.startswith("usage of Mo")


@pytest.mark.parametrize("place", ["elsewhere", "private"])
async def test_the_bots_token_opens_nothing_where_the_bot_is_not(bot: Parrot, ada: Person, place: str) -> None:
    said = await ada.say("among us", place)
    channel = bot.place(ada.channel(place))
    for call in (channel.send("hello?"), channel.fetch_message(int(said)), bot.fetch_channel(channel.id)):
        with pytest.raises(discord.Forbidden) as refused:
            await call
        assert refused.value.code == 50001
    assert [guild.name async for guild in bot.fetch_guilds()] == ["Easel Studio"]


async def test_nothing_is_heard_from_where_the_bot_is_not(bot: Parrot, ada: Person) -> None:
    heard: asyncio.Queue[int] = asyncio.Queue()

    @bot.event
    async def on_message(message: discord.Message) -> None:
        await heard.put(message.channel.id)

    for place in ("elsewhere", "private", "studio"):
        await ada.say("among us", place)
    assert await heard.get() == int(ada.channel("studio"))
    assert [guild.name for guild in bot.guilds] == ["Easel Studio"]
