"""What the bot may do in each channel and in the whole guild, and the errors if it may not."""

from __future__ import annotations

import asyncio

import discord
import pytest

from sandbox.discord import DiscordServer
from sandbox.person import NotDoneError, Person

from .echo_bot import EchoBot, image_file


@pytest.mark.parametrize(
    ("permission", "code"),
    [("send_messages", 50013), ("attach_files", 50013), ("view_channel", 50001)],
)
async def test_posting_needs_its_permissions(bot: EchoBot, mo: Person, permission: str, code: int) -> None:
    await mo.permit("studio", permission, on=False)
    with pytest.raises(discord.Forbidden) as refused:
        await bot.place(mo.channel("studio")).send("an image", file=image_file())
    assert refused.value.code == code
    await mo.permit("studio", permission, on=True)
    await bot.place(mo.channel("studio")).send("an image", file=image_file())


@pytest.mark.parametrize(("permission", "code"), [("add_reactions", 50013), ("read_message_history", 50013), ("view_channel", 50001)])
async def test_reacting_needs_its_permissions(bot: EchoBot, mo: Person, permission: str, code: int) -> None:
    message = bot.place(mo.channel("studio")).get_partial_message(int(await mo.say("react!")))
    await mo.permit("studio", permission, on=False)
    with pytest.raises(discord.Forbidden) as refused:
        await message.add_reaction("⭐")
    assert refused.value.code == code


async def test_other_peoples_messages_need_manage_messages(bot: EchoBot, ada: Person, mo: Person) -> None:
    await mo.permit_bot("manage_messages", on=False)
    message = bot.place(ada.channel("studio")).get_partial_message(int(await ada.say("delete me")))
    with pytest.raises(discord.Forbidden):
        await message.delete()
    await mo.permit_bot("manage_messages", on=True)
    await message.delete()
    await ada.until(lambda: not ada.messages())


async def test_a_reply_needs_the_history(bot: EchoBot, ada: Person, mo: Person) -> None:
    message = bot.place(ada.channel("studio")).get_partial_message(int(await ada.say("answer me")))
    await mo.permit("studio", "read_message_history", on=False)
    with pytest.raises(discord.Forbidden) as refused:
        await message.reply("yes?")
    assert refused.value.code == 160002


async def test_the_bot_receives_permission_changes(bot: EchoBot, mo: Person) -> None:
    await bot.wait_until_ready()
    channel = bot.get_channel(int(mo.channel("gallery")))
    assert isinstance(channel, discord.TextChannel)
    hearing = asyncio.create_task(bot.wait_for("guild_channel_update", timeout=5))
    await asyncio.sleep(0)  # let the task begin to wait
    await mo.permit("gallery", "add_reactions", on=False)
    await hearing
    assert not channel.permissions_for(channel.guild.me).add_reactions
    shown = next(c for c in mo.hello["channels"] if c["name"] == "gallery")
    assert "add_reactions" not in shown["bot_may"]
    assert "add_reactions" in mo.hello["bot"]["may"]


async def test_messages_of_a_channel_that_the_bot_cannot_see_are_not_received(bot: EchoBot, mo: Person) -> None:
    received: asyncio.Queue[int] = asyncio.Queue()

    @bot.event
    async def on_message(message: discord.Message) -> None:
        await received.put(message.channel.id)

    await mo.permit("gallery", "view_channel", on=False)
    await mo.say("in secret", "gallery")
    await mo.say("in the open")
    assert await received.get() == int(mo.channel("studio"))


@pytest.mark.parametrize(
    ("permission", "sentence"),
    [("fly", "There is no permission called fly."), ("add_reactions", "That takes the permission Manage Server.")],
)
async def test_an_invalid_permission_change_is_refused(ada: Person, mo: Person, permission: str, sentence: str) -> None:
    with pytest.raises(NotDoneError) as refused:
        await (mo if permission == "fly" else ada).permit("studio", permission, on=True)
    assert str(refused.value) == sentence


async def test_automod_rules_need_manage_server(bot: EchoBot, mo: Person) -> None:
    guild = await bot.fetch_guild(int(mo.hello["guild"]["id"]))
    with pytest.raises(discord.Forbidden) as refused:
        await guild.fetch_automod_rules()
    assert refused.value.code == 50013
    await mo.permit_bot("manage_guild", on=True)
    words, preset = await guild.fetch_automod_rules()
    assert "nsfl*" in words.trigger.keyword_filter
    assert words.trigger.regex_patterns
    assert words.trigger.allow_list == ["paint splatter"]
    assert preset.trigger.type is discord.AutoModRuleTriggerType.keyword_preset


@pytest.mark.parametrize("words", ["so much gore", "NSFLing", "a bloodbaths", "fr3e nitro"])
async def test_automod_blocks_matching_messages(ada: Person, words: str) -> None:
    with pytest.raises(NotDoneError, match="AutoMod has blocked"):
        await ada.say(words)
    assert ada.messages() == []


@pytest.mark.parametrize("words", ["gorgeous", "a paint splatter", "free and nitrous"])
async def test_automod_allows_other_messages(ada: Person, words: str) -> None:
    await ada.say(words)


async def test_removing_reactions_of_others_needs_manage_messages(bot: EchoBot, ada: Person, mo: Person) -> None:
    await mo.permit_bot("manage_messages", on=False)
    sent = await bot.place(ada.channel("studio")).send("react!")
    await ada.react(await ada.message(lambda m: m.content == "react!"), "🎨")
    with pytest.raises(discord.Forbidden) as refused:
        await sent.remove_reaction("🎨", discord.Object(int(ada.id)))
    assert refused.value.code == 50013
    await mo.permit("studio", "manage_messages", on=True)
    await sent.remove_reaction("🎨", discord.Object(int(ada.id)))
    await ada.until(lambda: not ada.messages()[-1].reactions)


async def test_a_wrong_token_is_refused(server: DiscordServer) -> None:
    async with EchoBot() as other_bot:
        with pytest.raises(discord.LoginFailure):
            await other_bot.start("wrong.token.here")


@pytest.mark.parametrize("place", ["elsewhere", "private"])
async def test_the_bot_s_token_gives_no_access_where_the_bot_is_not_a_member(bot: EchoBot, ada: Person, place: str) -> None:
    said = await ada.say("among us", place)
    channel = bot.place(ada.channel(place))
    for call in (channel.send("hello?"), channel.fetch_message(int(said)), bot.fetch_channel(channel.id)):
        with pytest.raises(discord.Forbidden) as refused:
            await call
        assert refused.value.code == 50001


async def test_an_application_without_the_privilege_cannot_ask_for_message_content(server: DiscordServer) -> None:
    intents = discord.Intents.default()
    intents.message_content = True
    async with EchoBot(intents) as greedy:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await greedy.start(server.token)


@pytest.mark.parametrize("privileged", [frozenset(), frozenset({"message_content"})], ids=["unprivileged", "privileged"])
async def test_reading_messages_of_others_needs_the_privilege(bot: EchoBot, ada: Person, privileged: frozenset[str]) -> None:
    message_id = await ada.say("for friends")
    read = await bot.place(ada.channel("studio")).fetch_message(int(message_id))
    assert read.content == ("for friends" if privileged else "")


async def test_without_the_intent_the_bot_reads_only_messages_addressed_to_it(bot: EchoBot, ada: Person) -> None:
    assert bot.user is not None
    received: asyncio.Queue[str] = asyncio.Queue()

    @bot.event
    async def on_message(message: discord.Message) -> None:
        await received.put(message.content)

    await ada.say("not for the bot")
    await ada.say(f"<@{bot.user.id}> look")
    await ada.say("between us", "dm")
    assert [await received.get() for _ in range(3)] == ["", f"<@{bot.user.id}> look", "between us"]


async def test_only_allowed_mentions_ping(bot: EchoBot, ada: Person, ben: Person) -> None:
    text, channel = f"<@{ada.id}> <@{ben.id}>", bot.place(ada.channel("studio"))
    allowed = discord.AllowedMentions(users=[discord.Object(int(ben.id))])
    for number, policy in enumerate((discord.AllowedMentions.all(), allowed, discord.AllowedMentions.none())):
        await channel.send(f"{number} {text}", allowed_mentions=policy)
    seen = [await ada.message(lambda m, n=number: m.content.startswith(str(n))) for number in range(3)]  # type: ignore[misc]
    assert [message.pings for message in seen] == [[ada.id, ben.id], [ben.id], []]
