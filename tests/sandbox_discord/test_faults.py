"""Every named fault of the local Discord, as a discord.py client sees it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import aiohttp
import discord
import pytest

from sandbox.discord import DiscordServer
from sandbox.person import NotDoneError, Person

from .conftest import Clock
from .echo_bot import EchoBot, image_file


async def _held(bot: EchoBot, person: Person, channel: str = "studio") -> discord.Interaction[EchoBot]:
    """An interaction that has been deferred."""
    asking = asyncio.create_task(person.slash("hold", channel))
    held = await bot.held.get()
    await held.response.defer(thinking=True)
    await asking
    return held


def _note_messages(bot: EchoBot, received: asyncio.Queue[int]) -> None:
    @bot.event
    async def on_message(message: discord.Message) -> None:
        await received.put(message.id)


async def test_a_rate_limit_is_waited_out(bot: EchoBot, ada: Person) -> None:
    await ada.fault("discord-rate-limited", times=1)
    await bot.place(ada.channel("studio")).send("after a while")
    await ada.message(lambda m: m.content == "after a while")


async def test_an_interaction_s_edit_is_rate_limited_too(bot: EchoBot, ada: Person) -> None:
    held = await _held(bot, ada)
    await ada.fault("discord-rate-limited", times=2)
    await held.edit_original_response(content="after a while")
    assert not any(fault["on"] for fault in ada.hello["faults"])


async def test_message_calls_answer_503(bot: EchoBot, ada: Person) -> None:
    await ada.fault("discord-error")
    with pytest.raises(discord.DiscordServerError):
        await bot.place(ada.channel("studio")).send("lost")
    assert ada.messages() == []


@pytest.mark.parametrize("fault", ["discord-answer-lost", "discord-answer-closed"])
async def test_after_a_lost_response_the_message_is_found_by_its_nonce(bot: EchoBot, ada: Person, fault: str) -> None:
    place = bot.place(ada.channel("studio"))
    await ada.fault(fault, times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await place.send("once", nonce=7)
    message = await place.send("once", nonce=7)
    assert [m.id for m in ada.messages()] == [str(message.id)]


async def test_an_executed_call_can_be_answered_502(server: DiscordServer, ada: Person) -> None:
    await ada.fault("discord-answer-502", times=1)
    url, headers = f"{server.api_url}/channels/{ada.channel('studio')}/messages", {"Authorization": f"Bot {server.token}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json={"content": "once"}) as response:
        assert response.status == 502
    await ada.message(lambda m: m.content == "once")


async def test_requests_that_count_against_the_bot_are_noted(server: DiscordServer, bot: EchoBot, ada: Person) -> None:
    with pytest.raises(discord.NotFound):
        await bot.place(ada.channel("studio")).fetch_message(1)
    assert [(each.status, each.line) for each in server.refused] == [(404, f"GET /channels/{ada.channel('studio')}/messages/1")]


async def test_a_dropped_socket_is_resumed_and_nothing_is_missed(bot: EchoBot, ada: Person) -> None:
    resumed = asyncio.create_task(bot.wait_for("resumed", timeout=10))
    received: asyncio.Queue[int] = asyncio.Queue()
    _note_messages(bot, received)
    await asyncio.sleep(0)  # let the task begin to wait
    _, said = await asyncio.gather(ada.fault("socket-dropped"), ada.say("while you were away"))
    await resumed
    assert await received.get() == int(said)
    await ada.until(lambda: ada.bot_online)
    assert received.empty()


async def test_a_lost_session_is_replaced_by_a_new_one(bot: EchoBot, ada: Person) -> None:
    bot.connected.clear()
    await ada.fault("session-lost")
    async with asyncio.timeout(10):
        await bot.connected.wait()
    await ada.slash("echo", text="back again")


async def test_a_fault_of_the_socket_turns_itself_off(bot: EchoBot, ada: Person) -> None:
    await ada.fault("socket-dropped")
    await ada.until(lambda: not any(fault["on"] for fault in ada.hello["faults"]))


async def test_a_token_expires_after_the_first_response(bot: EchoBot, ada: Person) -> None:
    await ada.fault("token-expired")
    held = await _held(bot, ada)
    with pytest.raises(discord.HTTPException) as refused:
        await held.edit_original_response(content="late")
    assert (refused.value.status, refused.value.code) == (401, 50027)
    await ada.fault("token-expired", on=False)
    with pytest.raises(discord.HTTPException):  # it stays expired
        await held.edit_original_response(content="later")


async def test_a_token_expires_after_fifteen_minutes_and_the_message_can_still_be_edited(bot: EchoBot, ada: Person, clock: Clock) -> None:
    held = await _held(bot, ada)
    original = await held.original_response()
    clock.passed += timedelta(minutes=15)
    with pytest.raises(discord.HTTPException) as refused:
        await held.edit_original_response(content="late")
    assert (refused.value.status, refused.value.code) == (401, 50027)
    await bot.place(ada.channel("studio")).get_partial_message(original.id).edit(content="by another way")
    await ada.message(lambda m: m.content == "by another way")


async def test_server_channels_can_be_closed_to_the_bot(bot: EchoBot, ada: Person) -> None:
    await ada.fault("channel-closed")
    with pytest.raises(discord.Forbidden) as refused:
        await bot.place(ada.channel("studio")).send("hello?")
    assert refused.value.code == 50013
    await bot.place(ada.channel("dm")).send("hello")


async def test_the_message_to_edit_is_gone(bot: EchoBot, ada: Person) -> None:
    held = await _held(bot, ada)
    await ada.fault("message-gone", times=1)
    with pytest.raises(discord.NotFound) as refused:
        await held.edit_original_response(content="late")
    assert refused.value.code == 10008
    await ada.until(lambda: not ada.messages())


async def test_direct_messages_can_be_closed(bot: EchoBot, ada: Person) -> None:
    await ada.fault("dms-closed")
    with pytest.raises(discord.Forbidden) as refused:
        await bot.place(ada.channel("dm")).send("hello?")
    assert refused.value.code == 50007


async def test_uploads_can_be_refused(bot: EchoBot, ada: Person) -> None:
    held = await _held(bot, ada)
    await ada.fault("upload-refused")
    with pytest.raises(discord.HTTPException) as refused:
        await held.edit_original_response(attachments=[image_file()])
    assert (refused.value.status, refused.value.code) == (413, 40005)
    await held.edit_original_response(content="without an image")


async def test_attachments_can_be_gone_from_the_cdn(bot: EchoBot, ada: Person) -> None:
    sent = await bot.place(ada.channel("studio")).send(file=image_file())
    await ada.fault("cdn-gone")
    with pytest.raises(discord.NotFound):
        await sent.attachments[0].read()
    await ada.fault("cdn-gone", on=False)
    await sent.attachments[0].read()


@pytest.mark.parametrize("privileged", [frozenset({"message_content"})])
async def test_messages_of_others_can_be_hidden(bot: EchoBot, ada: Person, privileged: frozenset[str]) -> None:
    place = bot.place(ada.channel("studio"))
    own, others = await place.send("mine"), await ada.say("for friends")
    await ada.fault("content-hidden")
    assert [(await place.fetch_message(int(each))).content for each in (own.id, others)] == ["mine", ""]


async def test_a_second_initial_response_is_refused(bot: EchoBot, ada: Person) -> None:
    held = await _held(bot, ada)
    held.response._response_type = None
    with pytest.raises(discord.HTTPException) as refused:
        await held.response.send_message("again")
    assert (refused.value.status, refused.value.code) == (400, 40060)


class TestImpatient:
    @pytest.fixture
    def first_answer_s(self) -> float:
        return 0.1

    async def test_an_unanswered_interaction_fails_and_its_late_response_is_refused(self, bot: EchoBot, ada: Person) -> None:
        with pytest.raises(NotDoneError, match=r"^The application did not respond$"):
            await ada.slash("hold")
        assert len(ada.unanswered) == 1
        held = await bot.held.get()
        with pytest.raises(discord.NotFound) as refused:
            await held.response.send_message("too late")
        assert refused.value.code == 10062

    async def test_without_the_bot_an_interaction_fails(self, bot: EchoBot, ada: Person) -> None:
        await bot.close()
        with pytest.raises(NotDoneError, match="The application did not respond"):
            await ada.slash("echo", text="anybody?")
