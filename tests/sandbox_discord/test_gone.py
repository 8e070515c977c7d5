"""What is deleted in the guild, archived threads, and a guild that removes the bot and invites it again."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
import pytest

from sandbox.person import Person

from .echo_bot import EchoBot


async def heard(bot: EchoBot, event: str, act: Any) -> Any:
    """What the bot is told while `act` runs."""
    hearing = asyncio.create_task(bot.wait_for(event, timeout=5))
    await asyncio.sleep(0)  # let the task begin to wait
    await act
    return await hearing


async def test_a_channel_is_deleted_with_its_threads(bot: EchoBot, mo: Person) -> None:
    await bot.wait_until_ready()
    channel, thread = mo.channel("gallery"), await mo.thread("a thread", "gallery")
    gone = await heard(bot, "guild_channel_delete", mo.delete_channel("gallery"))
    assert str(gone.id) == channel
    for each in (channel, thread):
        with pytest.raises(discord.NotFound) as refused:
            await bot.fetch_channel(int(each))
        assert refused.value.code == 10003
    assert "gallery" not in [each["name"] for each in mo.hello["channels"]]


async def test_a_role_is_deleted(bot: EchoBot, mo: Person) -> None:
    await bot.wait_until_ready()
    gone = await heard(bot, "guild_role_delete", mo.delete_role("Artists"))
    assert (gone.name, "Artists" in mo.roles, mo.people["Ada"]["roles"]) == ("Artists", False, [])


async def test_nothing_in_an_archived_thread_changes_until_it_is_reopened(bot: EchoBot, mo: Person) -> None:
    place = bot.place(await mo.thread("a thread"))
    sent = await place.send("before")
    await mo.archive(str(place.id))
    for change in (sent.edit(content="after"), sent.delete(), sent.add_reaction("⭐")):
        with pytest.raises(discord.HTTPException) as refused:
            await change
        assert refused.value.code == 50083
    await bot.http.edit_channel(place.id, archived=False)
    await sent.edit(content="after")
    await mo.archive(str(place.id))
    await place.send("a message reopens it")
    await sent.delete()


async def test_a_locked_thread_is_not_reopened(bot: EchoBot, mo: Person) -> None:
    place = bot.place(await mo.thread("a thread"))
    await mo.archive(str(place.id), locked=True)
    with pytest.raises(discord.HTTPException) as refused:
        await place.send("no")
    assert refused.value.code == 50083
    with pytest.raises(discord.Forbidden):
        await bot.http.edit_channel(place.id, archived=False)


async def test_a_guild_removes_the_bot_and_invites_it_again(bot: EchoBot, mo: Person) -> None:
    await bot.wait_until_ready()
    left = await heard(bot, "guild_remove", mo.bot_member(on=False))
    with pytest.raises(discord.Forbidden) as refused:
        await bot.place(mo.channel("studio")).send("nobody hears this")
    assert (refused.value.code, bot.get_guild(left.id)) == (50001, None)
    joined = await heard(bot, "guild_join", mo.bot_member(on=True))
    await bot.place(mo.channel("studio")).send("back again")
    assert joined.id == left.id
