"""Reactions: what the bot hears, and what it can do with them."""

from __future__ import annotations

import asyncio

import discord
import pytest

from sandbox.discord import DiscordServer
from sandbox.person import Message, NotDoneError, Person

from .conftest import logged_in
from .parrot import Parrot


async def _reactable(bot: Parrot, person: Person, channel: str = "studio") -> tuple[discord.Message, Message]:
    sent = await bot.place(person.channel(channel)).send("react!")
    return sent, await person.message(lambda m: m.content == "react!", channel)


async def _hearing(bot: Parrot, event: str) -> asyncio.Task[discord.RawReactionActionEvent]:
    task = asyncio.create_task(bot.wait_for(event, timeout=5))
    await asyncio.sleep(0)  # let the task begin to wait
    return task


@pytest.mark.parametrize("channel", ["studio", "dm"])
async def test_a_reaction_tells_who_reacted_to_whose_message(bot: Parrot, ada: Person, channel: str) -> None:
    sent, seen = await _reactable(bot, ada, channel)
    hearing = await _hearing(bot, "raw_reaction_add")
    await ada.react(seen, "✏️")
    event = await hearing
    assert (event.user_id, event.message_author_id, str(event.emoji)) == (int(ada.id), sent.author.id, "✏️")
    assert (event.burst, event.type) == (False, discord.ReactionType.normal)
    assert (event.member.name if event.member else None) == ("Ada" if channel == "studio" else None)


async def test_a_reaction_taken_back_is_heard(bot: Parrot, ada: Person) -> None:
    _, seen = await _reactable(bot, ada)
    await ada.react(seen, "⭐")
    hearing = await _hearing(bot, "raw_reaction_remove")
    await ada.unreact(seen, "⭐")
    assert str((await hearing).emoji) == "⭐"


async def test_people_see_who_reacted_and_which_is_their_own(bot: Parrot, ada: Person, ben: Person) -> None:
    sent, seen = await _reactable(bot, ada)
    await sent.add_reaction("⏳")
    await ada.react(seen, "⏳")
    shown = await ben.message(lambda m: m.reactions == {"⏳": 2})
    assert shown.reacted == {"⏳": [str(sent.author.id), ada.id]}
    assert not shown.raw["reactions"][0]["me"]
    assert ada.messages()[-1].raw["reactions"][0]["me"]


async def test_the_bot_lists_who_reacted_a_page_at_a_time(bot: Parrot, ada: Person, ben: Person, mo: Person) -> None:
    sent, seen = await _reactable(bot, ada)
    for person in (mo, ada, ben):
        await person.react(seen, "🚩")
    again = await sent.channel.fetch_message(sent.id)
    # The library turns each page round.
    assert [user.name async for user in again.reactions[0].users()] == ["Mo", "Ben", "Ada"]
    assert [user.name async for user in again.reactions[0].users(limit=2)] == ["Ben", "Ada"]
    assert [user.name async for user in again.reactions[0].users(after=discord.Object(int(ben.id)))] == ["Mo"]


async def test_the_bots_own_reaction_comes_and_goes_and_is_marked_as_its_own(bot: Parrot, ada: Person) -> None:
    sent, _ = await _reactable(bot, ada)
    await sent.add_reaction("✅")
    assert (await sent.channel.fetch_message(sent.id)).reactions[0].me
    assert bot.user is not None
    await sent.remove_reaction("✅", bot.user)
    await sent.remove_reaction("✅", bot.user)  # taking away what is not there is no error
    await ada.until(lambda: not ada.messages()[-1].reactions)


async def test_somebody_elses_reaction_is_taken_away_with_manage_messages(bot: Parrot, ada: Person, mo: Person) -> None:
    sent, seen = await _reactable(bot, ada)
    await ada.react(seen, "🎨")
    with pytest.raises(discord.Forbidden) as refused:
        await sent.remove_reaction("🎨", discord.Object(int(ada.id)))
    assert refused.value.code == 50013
    await mo.permit("studio", "manage_messages", on=True)
    await sent.remove_reaction("🎨", discord.Object(int(ada.id)))
    await ada.until(lambda: not ada.messages()[-1].reactions)


@pytest.mark.parametrize("clear", ["clear_reactions", "clear_reaction"])
async def test_reactions_that_are_cleared_are_heard(bot: Parrot, ada: Person, mo: Person, clear: str) -> None:
    sent, seen = await _reactable(bot, ada)
    await ada.react(seen, "🎨")
    await mo.permit("studio", "manage_messages", on=True)
    hearing = await _hearing(bot, "raw_reaction_clear" if clear == "clear_reactions" else "raw_reaction_clear_emoji")
    await getattr(sent, clear)(*([] if clear == "clear_reactions" else ["🎨"]))
    assert (await hearing).message_id == sent.id


async def test_the_servers_own_emoji_can_be_used_by_everybody(bot: Parrot, ada: Person) -> None:
    await bot.wait_until_ready()
    sent, seen = await _reactable(bot, ada)
    emoji = bot.guilds[0].emojis[0]
    await ada.react(seen, f"<:easel:{ada.hello['emojis'][0]['id']}>")
    await sent.add_reaction(emoji)
    assert (await ada.message(lambda m: m.reactions == {"easel": 2})).id == seen.id
    assert emoji.name == "easel"


@pytest.mark.parametrize("emoji", ["<:unknown:123456789012345678>", "abc", "7", "a⭐", ":easel:"])
async def test_what_is_no_emoji_here_is_refused(bot: Parrot, ada: Person, emoji: str) -> None:
    sent, seen = await _reactable(bot, ada)
    with pytest.raises(NotDoneError, match=r"That is no emoji\."):
        await ada.react(seen, emoji)
    with pytest.raises(discord.HTTPException) as refused:
        await sent.add_reaction(emoji)
    assert (refused.value.status, refused.value.code) == (400, 10014)


@pytest.mark.parametrize("emoji", ["✏️", "🔁", "✉️", "❌", "🙈", "🚩", "⭐", "⏳", "✅", "🚫", "0️⃣", "🇬🇧", "👩🏽‍🎨", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "↔️", "ℹ️"])
async def test_every_kind_of_emoji_is_one(bot: Parrot, ada: Person, emoji: str) -> None:
    await ada.react((await _reactable(bot, ada))[1], emoji)


async def test_a_message_bears_twenty_different_reactions(bot: Parrot, ada: Person) -> None:
    sent, seen = await _reactable(bot, ada)
    for number in range(20):
        await ada.react(seen, chr(0x1F600 + number))
    await sent.add_reaction("\U0001f600")
    with pytest.raises(discord.HTTPException) as refused:
        await sent.add_reaction("⭐")
    assert (refused.value.status, refused.value.code) == (400, 30010)


@pytest.mark.parametrize("channel", ["studio", "dm"])
async def test_without_its_intents_the_bot_hears_of_no_reactions_and_messages(server: DiscordServer, ada: Person, channel: str) -> None:
    heard: list[str] = []
    intents = discord.Intents(guilds=True)
    async with logged_in(Parrot(intents), server) as bot:

        @bot.event
        async def on_socket_event_type(event: str) -> None:
            heard.append(event)

        sent, seen = await _reactable(bot, ada, channel)
        await ada.react(seen, "⭐")
        await sent.edit(content="changed")
        await sent.delete()
        await bot.hear(ada.slash("hold", channel))
    assert not [event for event in heard if event.startswith("MESSAGE_")]


async def test_doubled_events_come_twice_and_interactions_once(bot: Parrot, ada: Person) -> None:
    heard: list[str] = []

    @bot.event
    async def on_socket_event_type(event: str) -> None:
        heard.append(event)

    _, seen = await _reactable(bot, ada)
    await ada.fault("gateway-doubled")
    await ada.react(seen, "⭐")
    await bot.hear(ada.slash("hold"))
    assert (heard.count("MESSAGE_REACTION_ADD"), heard.count("INTERACTION_CREATE")) == (2, 1)
