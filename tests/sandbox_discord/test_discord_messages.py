"""Messages, files, reactions and intents."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta

import discord
import pytest

from sandbox.discord import DiscordServer
from sandbox.person import NotDoneError, Person

from .conftest import Clock, logged_in
from .parrot import Parrot, picture, png


async def test_the_same_nonce_gives_the_same_message(bot: Parrot, ada: Person) -> None:
    place = bot.place(ada.channel("studio"))
    first = await place.send("once", nonce=1234)
    second = await place.send("once", nonce="1234")
    assert (first.id, len(ada.messages())) == (second.id, 1)


async def test_a_nonce_is_forgotten_after_a_few_minutes(bot: Parrot, ada: Person, clock: Clock) -> None:
    place = bot.place(ada.channel("studio"))
    first = await place.send("once", nonce=1)
    clock.passed += timedelta(minutes=6)
    assert (await place.send("again", nonce=1)).id != first.id


async def test_an_edit_keeps_the_files_it_names_and_adds_the_new_ones(bot: Parrot, ada: Person) -> None:
    message = await bot.place(ada.channel("studio")).send(files=[picture("a.png"), picture("b.png")])
    await message.edit(attachments=[message.attachments[1], picture("c.png", "green")])
    seen = await ada.message(lambda m: bool(m.raw["edited_timestamp"]))
    assert [(a["filename"], a["description"]) for a in seen.attachments] == [("b.png", "a red picture"), ("c.png", "a green picture")]
    assert await ada.fetch(seen.attachments[1]["url"]) == png(colour="green")


async def test_the_bot_reads_its_own_message_back(bot: Parrot, ada: Person) -> None:
    place = bot.place(ada.channel("studio"))
    sent = await place.send("here", file=picture())
    read = await place.fetch_message(sent.id)
    assert (read.content, await read.attachments[0].read()) == ("here", png())


async def test_a_link_of_yesterday_has_expired_and_reading_again_gives_a_fresh_one(bot: Parrot, ada: Person, clock: Clock) -> None:
    place = bot.place(ada.channel("studio"))
    sent = await place.send(file=picture())
    clock.passed += timedelta(days=2)
    with pytest.raises(discord.NotFound):
        await sent.attachments[0].read()
    assert await (await place.fetch_message(sent.id)).attachments[0].read() == png()


async def test_a_link_without_its_signature_is_not_served(bot: Parrot, ada: Person) -> None:
    sent = await bot.place(ada.channel("studio")).send(file=picture())
    with pytest.raises(NotDoneError, match="404"):
        await ada.fetch(sent.attachments[0].url.split("?")[0])


async def test_a_file_over_the_limit_is_refused(bot: Parrot, ada: Person) -> None:
    big = discord.File(io.BytesIO(bytes(10 * 1024 * 1024 + 1)), "big.bin")
    with pytest.raises(discord.HTTPException) as refused:
        await bot.place(ada.channel("studio")).send(file=big)
    assert (refused.value.status, refused.value.code) == (413, 40005)


async def test_the_bot_may_not_send_in_the_quiet_channel(bot: Parrot, ada: Person) -> None:
    with pytest.raises(discord.Forbidden) as refused:
        await bot.place(ada.channel("quiet")).send("hello?")
    assert refused.value.code == 50013


async def test_the_bot_can_write_to_a_person_directly(bot: Parrot, ada: Person, ben: Person) -> None:
    user = await bot.fetch_user(int(ada.id))
    await user.send("psst")
    assert (await ada.message(lambda m: m.content == "psst", "dm")).author == "Easel"
    assert ben.messages("dm") == []


async def test_reactions_come_and_go(bot: Parrot, ada: Person) -> None:
    message = await bot.place(ada.channel("studio")).send("react!")
    seen = await ada.message(lambda m: m.content == "react!")
    coming = asyncio.create_task(bot.wait_for("raw_reaction_add", timeout=5))
    await asyncio.sleep(0)  # let the task begin to wait
    await ada.react(seen, "🎨")
    event = await coming
    assert (event.message_id, event.user_id, str(event.emoji)) == (message.id, int(ada.id), "🎨")
    assert event.message_author_id == message.author.id
    await message.add_reaction("🎨")
    await ada.until(lambda: ada.messages()[-1].reactions == {"🎨": 2})
    await ada.react(seen, "🎨", on=False)
    await ada.until(lambda: ada.messages()[-1].reactions == {"🎨": 1})


async def test_the_bot_hears_that_its_message_was_deleted_by_a_moderator(bot: Parrot, ada: Person, mo: Person) -> None:
    message = await bot.place(ada.channel("studio")).send("bad")
    going = asyncio.create_task(bot.wait_for("raw_message_delete", timeout=5))
    await asyncio.sleep(0)  # let the task begin to wait
    seen = await mo.message(lambda m: m.content == "bad")
    with pytest.raises(NotDoneError, match=r"That message is not yours to delete\."):
        await ada.delete(seen)
    await mo.delete(seen)
    assert (await going).message_id == message.id
    await ada.until(lambda: not ada.messages())


async def test_an_ephemeral_message_is_dismissed_by_its_person(bot: Parrot, ada: Person) -> None:
    await ada.slash("echo", text="secret", quietly=True)
    await ada.delete(await ada.message(lambda m: m.ephemeral))
    await ada.until(lambda: not ada.messages())


async def test_without_the_intent_the_bot_reads_only_what_is_meant_for_it(bot: Parrot, ada: Person) -> None:
    assert bot.user is not None
    heard: asyncio.Queue[str] = asyncio.Queue()

    @bot.event
    async def on_message(message: discord.Message) -> None:
        await heard.put(message.content)

    await ada.say("not for the bot")
    await ada.say(f"<@{bot.user.id}> look")
    await ada.say("between us", "dm")
    assert [await heard.get() for _ in range(3)] == ["", f"<@{bot.user.id}> look", "between us"]


async def test_typing_and_presence_are_accepted(bot: Parrot, ada: Person) -> None:
    await bot.place(ada.channel("studio")).typing()
    await bot.change_presence(activity=discord.Game("painting"))
    await ada.slash("echo", text="still here")


async def test_an_application_without_the_privilege_cannot_ask_for_message_content(server: DiscordServer) -> None:
    intents = discord.Intents.default()
    intents.message_content = True
    async with Parrot(intents) as greedy:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await greedy.start(server.token)


class TestWithPrivileges:
    @pytest.fixture
    def privileged(self) -> frozenset[str]:
        return frozenset({"members", "message_content"})

    async def test_members_come_in_chunks_and_content_is_read(self, server: DiscordServer, ada: Person) -> None:
        intents = discord.Intents.default()
        intents.members = intents.message_content = True
        async with logged_in(Parrot(intents), server) as bot:
            reading = asyncio.create_task(bot.wait_for("message", timeout=10))
            await bot.wait_until_ready()
            await ada.say("for all to read")
            assert (await reading).content == "for all to read"
            assert {"Ada", "Ben", "Mo"} < {member.name for member in bot.guilds[0].members}


async def test_a_wrong_token_is_refused(server: DiscordServer) -> None:
    async with Parrot() as stranger:
        with pytest.raises(discord.LoginFailure):
            await stranger.start("wrong.token.here")
