"""What messages mean beside their words: replies, pings, silence, and who may read them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import discord
import pytest

from sandbox.discord import DiscordServer
from sandbox.person import Person

from .conftest import Clock, logged_in
from .parrot import Parrot, picture, png


async def _call(server: DiscordServer, method: str, path: str, **how: Any) -> Any:
    """One call with the bot's token that the library has no method for."""
    headers = {"Authorization": f"Bot {server.token}"}
    async with aiohttp.ClientSession() as http, http.request(method, server.api_url + path, headers=headers, **how) as answer:
        return await answer.json()


async def test_a_reply_shows_what_it_answers_and_pings_its_author(bot: Parrot, ada: Person) -> None:
    message = bot.place(ada.channel("studio")).get_partial_message(int(await ada.say("answer me")))
    await message.reply("yes?")
    reply = await ada.message(lambda m: m.content == "yes?")
    assert (reply.raw["referenced_message"]["content"], reply.pings) == ("answer me", [ada.id])
    await ada.delete(ada.messages()[0])
    await bot.place(ada.channel("studio")).get_partial_message(int(reply.id)).edit(content="gone?")
    assert (await ada.message(lambda m: m.content == "gone?")).raw["referenced_message"] is None


async def test_a_person_replies_to_the_bot(bot: Parrot, ada: Person) -> None:
    await bot.place(ada.channel("studio")).send("a question")
    await ada.say("an answer", reply_to=await ada.message(lambda m: m.content == "a question"))
    assert (await ada.message(lambda m: m.content == "an answer")).raw["referenced_message"]["content"] == "a question"


async def test_a_reply_to_a_message_that_is_gone_is_refused_unless_told_otherwise(bot: Parrot, ada: Person) -> None:
    place = bot.place(ada.channel("studio"))
    gone = place.get_partial_message(int(ada.id))
    with pytest.raises(discord.HTTPException) as refused:
        await place.send("to nobody", reference=gone)
    assert (refused.value.status, refused.value.code) == (400, 50035)
    await place.send("to all", reference=gone.to_reference(fail_if_not_exists=False))
    assert "message_reference" not in (await ada.message(lambda m: m.content == "to all")).raw


async def test_only_allowed_mentions_ping(bot: Parrot, ada: Person, ben: Person) -> None:
    text, place = f"<@{ada.id}> <@{ben.id}> <@&{ada.roles['Artists']}>", bot.place(ada.channel("studio"))
    allowed = discord.AllowedMentions(users=[discord.Object(int(ben.id))], roles=False)
    for number, policy in enumerate((discord.AllowedMentions.all(), allowed, discord.AllowedMentions.none())):
        await place.send(f"{number} {text}", allowed_mentions=policy)
    seen = [await ada.message(lambda m, n=number: m.content.startswith(str(n))) for number in range(3)]  # type: ignore[misc]
    assert [message.pings for message in seen] == [[ada.id, ben.id], [ben.id], []]
    assert [message.raw["mention_roles"] for message in seen] == [[ada.roles["Artists"]], [], []]


async def test_a_silent_message_says_so(bot: Parrot, ada: Person) -> None:
    await bot.place(ada.channel("studio")).send("hush", silent=True)
    assert (await ada.message(lambda m: m.content == "hush")).silent


async def test_a_deleted_messages_file_can_be_fetched_until_its_link_expires(bot: Parrot, ada: Person, clock: Clock) -> None:
    sent = await bot.place(ada.channel("studio")).send(file=picture())
    await sent.delete()
    assert await sent.attachments[0].read() == png()
    clock.passed += timedelta(days=2)
    with pytest.raises(discord.NotFound):
        await sent.attachments[0].read()


async def test_links_are_refreshed(bot: Parrot, server: DiscordServer, ada: Person, clock: Clock) -> None:
    sent = await bot.place(ada.channel("studio")).send(file=picture())
    clock.passed += timedelta(days=2)
    answer = await _call(server, "POST", "/attachments/refresh-urls", json={"attachment_urls": [sent.attachments[0].url]})
    (link,) = answer["refreshed_urls"]
    assert link["original"] == sent.attachments[0].url
    assert await ada.fetch(link["refreshed"]) == png()


async def test_names_in_other_languages_are_shown_to_people_and_on_request_to_the_bot(
    bot: Parrot, server: DiscordServer, ada: Person
) -> None:
    assert bot.application_id is not None
    command = {"name": "frame", "description": "frames", "type": 1, "name_localizations": {"de": "rahmen"}}
    await bot.http.upsert_global_command(bot.application_id, command)  # type: ignore[arg-type]
    await ada.until(lambda: "frame" in ada.commands)
    assert ada.commands["frame"]["name_localizations"] == {"de": "rahmen"}
    for wanted, found in (("true", {"de": "rahmen"}), ("false", None)):
        path = f"/applications/{bot.application_id}/commands"
        commands = await _call(server, "GET", path, params={"with_localizations": wanted})
        assert next(c for c in commands if c["name"] == "frame").get("name_localizations") == found


class TestReading:
    """What the bot reads of others' messages, over HTTP and in what is pushed."""

    @pytest.fixture(params=[frozenset(), frozenset({"message_content"})], ids=["unprivileged", "privileged"])
    def privileged(self, request: pytest.FixtureRequest) -> frozenset[str]:
        return request.param  # type: ignore[no-any-return]

    async def test_over_http_the_application_needs_the_privilege(self, bot: Parrot, privileged: frozenset[str], ada: Person) -> None:
        message_id = await ada.say("for friends", files=(ada.upload("a.png", png()),))
        read = await bot.place(ada.channel("studio")).fetch_message(int(message_id))
        assert (read.content, len(read.attachments)) == (("for friends", 1) if privileged else ("", 0))

    async def test_what_is_meant_for_the_bot_is_read_over_http_anyway(self, bot: Parrot, ada: Person) -> None:
        assert bot.user is not None
        for words, channel in ((f"<@{bot.user.id}> look", "studio"), ("between us", "dm")):
            message_id = await ada.say(words, channel)
            assert (await bot.place(ada.channel(channel)).fetch_message(int(message_id))).content == words

    async def test_a_bot_without_the_intent_hears_no_content(self, server: DiscordServer, ada: Person) -> None:
        async with logged_in(Parrot(), server) as bot:
            heard = bot.wait_for("message", timeout=5)
            await ada.say("for friends")
            assert (await heard).content == ""
