"""The progress bar, and the ping after a long wait, also after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.app import App
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import outbox
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.services.conftest import FakeClock, eventually

LONG_MS = 120_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def app(env: Env, clock: FakeClock) -> AsyncIterator[App]:
    async with env.app(clock=clock) as app:
        yield app


async def waiting_long(env: Env, clock: FakeClock, person: Person, **options: object) -> Message:
    """The waiting message after two minutes."""
    env.switchboard.turn_on("generation-stuck")
    await person.slash("generate", prompt="a red fox", **options)
    await person.message(lambda m: "Generating" in m.content)
    clock.advance(LONG_MS)
    return await person.message(lambda m: "more than two minutes" in m.content)


def link_to(message: Message) -> str:
    return f"/{message.channel_id}/{message.id}"


async def outbox_is_empty(app: App) -> None:
    """Wait until the outbox is empty."""
    await eventually(lambda: app.store.read(lambda conn: not outbox.due(conn, 2**60)))


async def test_a_waiting_message_tells_what_is_done_and_never_a_time_that_has_passed(env: Env, clock: FakeClock, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    await ada.message(lambda m: "Generating" in m.content)
    clock.advance(38_000)
    env.switchboard.turn_off("generation-stuck")
    await ada.message(has_image)

    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a blue fox")
    told = await ada.message(lambda m: "░`" in m.content)
    assert "Ready in about 40 s." in told.content
    clock.advance(20_000)
    await ada.message(lambda m: "█████░░░░░` Ready in about 20 s." in m.content)
    clock.advance(25_000)
    await ada.message(lambda m: m.id == told.id and "█████████░`\n" in m.content)
    clock.advance(10_000)
    await ada.message(lambda m: "█████████░` Taking longer than usual." in m.content)


async def test_a_job_that_waits_for_the_member_s_other_image_says_so(env: Env, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    async with asyncio.timeout(20):
        await ada.slash("generate", prompt="four foxes", count=4)
        await ada.message(lambda m: "Generating" in m.content)
        await ada.slash("generate", prompt="one more")
        await ada.message(lambda m: "one more" in m.content and "Waits for your other image." in m.content)


async def test_a_long_wait_ends_with_a_ping(env: Env, clock: FakeClock, ada: Person) -> None:
    waiting = await waiting_long(env, clock, ada)
    assert "█" not in waiting.content
    env.switchboard.turn_off("generation-stuck")
    call = await ada.message(lambda m: ada.id in m.pings)
    result = await ada.message(has_image)
    assert (result.id, call.raw["message_reference"]["message_id"]) == (waiting.id, result.id)
    assert link_to(result) in call.content


async def test_a_ping_promised_before_a_restart_is_sent_once(env: Env, clock: FakeClock) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app(clock=clock):
            await ada.until(lambda: (ada.bot_online and "generate" in ada.commands) or None)
            await waiting_long(env, clock, ada)
        env.switchboard.turn_off("generation-stuck")
        async with env.app(clock=clock) as app:
            await ada.message(lambda m: ada.id in m.pings)
            await outbox_is_empty(app)
        assert len([m for m in ada.messages() if ada.id in m.pings]) == 1


async def test_a_private_wait_ends_with_a_direct_message(env: Env, clock: FakeClock, ada: Person, ben: Person) -> None:
    waiting = await waiting_long(env, clock, ada, private=True)
    assert "You'll get a DM" in waiting.content
    env.switchboard.turn_off("generation-stuck")
    await ada.message(lambda m: "Your image is ready" in m.content, "dm")
    await ada.message(has_image)
    assert ben.messages() == []


async def test_with_closed_direct_messages_the_ping_for_a_private_image_is_in_its_channel(env: Env, clock: FakeClock, ada: Person) -> None:
    await ada.dms(open=False)
    await waiting_long(env, clock, ada, private=True)
    env.switchboard.turn_off("generation-stuck")
    call = await ada.message(lambda m: "your image is ready" in m.content)
    assert call.ephemeral


async def test_tell_me_when_done_sends_a_direct_message_with_the_link(app: App, ada: Person) -> None:
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"tell_when_done": True}))
    await ada.slash("generate", prompt="a red fox")
    told = await ada.message(lambda m: "Your image is ready" in m.content, "dm")
    assert link_to(await ada.message(has_image)) in told.content


async def test_there_is_no_notice_for_requests_in_direct_messages(app: App, ada: Person) -> None:
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"tell_when_done": True}))
    await ada.slash("generate", "dm", prompt="a red fox")
    result = await ada.message(has_image, "dm")
    await outbox_is_empty(app)
    assert [m.id for m in ada.messages("dm") if not m.ephemeral] == [result.id]


@pytest.mark.parametrize("kind", [ItemKind.PING, ItemKind.TELL])
async def test_a_ping_whose_response_was_lost_is_not_sent_again(env: Env, app: App, clock: FakeClock, ada: Person, kind: ItemKind) -> None:
    await ada.slash("generate", prompt="a red fox")
    result = await ada.message(has_image)
    job_id = result.attachments[0]["filename"].split("-")[1]
    env.switchboard.turn_on("discord-answer-lost", times=1)
    await app.store.write(outbox.add, OutboxItem(kind=kind, due_at=clock(), user_id=int(ada.id), job_id=job_id))
    where = "studio" if kind is ItemKind.PING else "dm"
    await ada.message(lambda m: link_to(result) in m.content, where)
    await outbox_is_empty(app)
    assert len([m for m in ada.messages(where) if link_to(result) in m.content]) == 1
