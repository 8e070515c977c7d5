"""Results, marks and notes of requests without an interaction."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.domain.job import ReplyTarget
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import outbox
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.env.jobs import order_of
from tests.journeys.reaction_steps import unmarked
from tests.services.conftest import eventually


async def react(app: App, person: Person, message: Message) -> None:
    """Do what a reaction does: an order without an interaction."""
    guild_id = int(person.hello["guild"]["id"])
    place = ReplyTarget(user_id=int(person.id), channel_id=int(message.channel_id), guild_id=guild_id, reply_to=int(message.id))
    receipt = await app.services.orders.order(await order_of(app.services, "a red fox", place, reaction="🎨"))
    await app.services.orders.answered(receipt.job.id, None)


@pytest.fixture
async def said(ada: Person, ben: Person) -> Message:
    """A message by Ben, as Ada sees it."""
    message_id = await ben.say("look at this")
    return await ada.message(lambda m: m.id == message_id)


async def test_the_result_is_a_reply_without_a_ping_and_the_mark_goes(app: App, ada: Person, said: Message) -> None:
    await react(app, ada, said)
    result = await ada.message(has_image)
    assert result.raw["message_reference"]["message_id"] == said.id
    assert result.pings == []
    await unmarked(ada, said)


async def test_a_failure_is_sent_by_direct_message(env: Env, app: App, ada: Person, said: Message) -> None:
    env.switchboard.turn_on("generation-fails")
    await react(app, ada, said)
    await ada.message(lambda m: "No image" in m.content, "dm")
    await unmarked(ada, said)
    assert [m.id for m in ada.messages()] == [said.id]


async def test_with_closed_direct_messages_a_note_tells_a_failure(env: Env, app: App, ada: Person, said: Message) -> None:
    env.switchboard.turn_on("generation-fails")
    await ada.dms(open=False)
    await react(app, ada, said)
    note = await ada.message(lambda m: "No image" in m.content and ada.id in m.pings)
    assert note.raw["message_reference"]["message_id"] == said.id
    await unmarked(ada, said)


async def test_the_result_is_posted_even_if_its_message_was_deleted(env: Env, app: App, ada: Person, ben: Person, said: Message) -> None:
    env.switchboard.turn_on("generation-stuck")
    await react(app, ada, said)
    await ben.delete(said)
    env.switchboard.turn_off("generation-stuck")
    assert "message_reference" not in (await ada.message(has_image)).raw


async def test_the_result_is_posted_even_where_replies_are_not_allowed(env: Env, app: App, ada: Person, mo: Person, said: Message) -> None:
    env.switchboard.turn_on("generation-stuck")
    await react(app, ada, said)
    await mo.permit("studio", "read_message_history", False)
    env.switchboard.turn_off("generation-stuck")
    assert has_image(await ada.message(has_image))


async def test_a_reaction_and_its_result_survive_a_restart(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        env.switchboard.turn_on("generation-stuck")
        async with env.app() as app:
            said_id = await ada.say("look at this")
            said = await ada.message(lambda m: m.id == said_id)
            await react(app, ada, said)
        env.switchboard.turn_off("generation-stuck")
        async with env.app():
            await ada.message(has_image)
            await unmarked(ada, said)
        assert len([m for m in ada.messages() if has_image(m)]) == 1


async def test_a_note_is_deleted_on_time_also_after_a_restart(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app() as app:
            channel_id = int(ada.channel("studio"))
            note = await app.client.get_partial_messageable(channel_id).send("a note")
            where = {"channel_id": channel_id, "message_id": note.id}
            removal = OutboxItem(kind=ItemKind.REMOVE, due_at=app.clock() + 300, data=where)
            await app.store.write(outbox.add, removal)
            await ada.message(lambda m: m.content == "a note")
        async with env.app() as app:
            await ada.until(lambda: not ada.messages() or None)
            await eventually(lambda: app.store.read(lambda conn: not outbox.due(conn, 2**60)))


async def test_every_edit_names_its_author_and_links_its_source(ada: Person, ben: Person) -> None:
    await ada.slash("generate", prompt="a red fox")
    first = await ben.message(has_image)
    await ben.menu("Edit with Easel", first)
    await ben.submit(await ben.modal(), prompt="in winter")
    edit = await ben.message(lambda m: has_image(m) and "in winter" in m.content)
    link = f"https://discord.com/channels/{ben.hello['guild']['id']}/{first.channel_id}/{first.id}"
    assert f"-# edited by <@{ben.id}> from [this image]({link}) · " in edit.content
    await ada.click(await ada.message(lambda m: m.id == edit.id), "Again")
    again = await ada.message(lambda m: has_image(m) and m.id not in (first.id, edit.id))
    assert f"edited by <@{ada.id}> from [this image]({link})" in again.content
