"""Reactions to images: removals, bursts, missing permissions, and images of others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from discord import PartialEmoji, RawReactionActionEvent

from bot.app import App
from bot.core.errors import StartError
from bot.domain.gestures import WORKING, BatchEntry, Gesture, Reaction
from bot.services import reactions as services_reactions
from bot.store import messages, outbox
from bot.store.engine.base import Topic
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.journeys.conftest import Ask
from tests.journeys.operations.test_crash import in_database, killable_app, online, until
from tests.journeys.reaction_steps import (
    NOTE,
    PRICE,
    acted_on,
    answer_to,
    direct_message,
    marked,
    new_image,
    note_for,
    seen,
    spent,
    unmarked,
    until_generations,
    until_open,
)
from tests.services.conftest import FakeClock, eventually

# --- removed, doubled, many ------------------------------------------------------------------------------------------


async def test_a_reaction_removed_before_it_is_started_costs_nothing(env: Env) -> None:
    async with env.app(MAX_RUNNING_PER_USER="1") as app, person_in(env, "Ada") as ada:
        first = await new_image(ada)
        env.switchboard.turn_on("generation-stuck")
        await ada.slash("generate", prompt="something slow")
        await until_generations(env, 2)
        await ada.react(first, "🎨")
        await marked(ada, first)
        await until_open(app, ada, 2)
        await ada.unreact(first, "🎨")
        await until_open(app, ada, 1)
        await ada.until(lambda: not next(m for m in ada.messages() if m.id == first.id).reactions or None)
        assert len(await env.generations()) == 2
        assert (await statement_of(app, int(ada.id))).held == PRICE


async def test_removing_a_reaction_does_not_stop_a_running_job(env: Env, app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    env.switchboard.turn_on("generation-stuck")
    await ada.react(first, "🎨")
    await until_generations(env, 2)
    await ada.unreact(first, "🎨")
    await ada.react(first, "⭐")
    env.switchboard.turn_off("generation-stuck")
    await answer_to(ada, first)


@pytest.mark.parametrize("moment", ["the job is written", "the queue was asked", "it is settled"])
async def test_killed_after_a_reaction_was_received(env: Env, moment: str) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app():
            first = await new_image(ada)
        made = len(env.images.received("POST", "/api/ai/queue"))
        reached = {
            "the job is written": in_database(env, "SELECT 1 FROM jobs WHERE reaction IS NOT NULL"),
            "the queue was asked": lambda: len(env.images.received("POST", "/api/ai/queue")) > made,
            "it is settled": in_database(env, "SELECT 1 FROM ledger WHERE entry = 'settle' AND account LIKE 'user:%' LIMIT 1 OFFSET 1"),
        }
        async with killable_app(env) as process:
            await online(ada)
            await ada.react(first, "🎨")
            await until(reached[moment])
            process.kill()
        async with env.app() as app:
            await answer_to(ada, first)
            await unmarked(ada, first)
            assert (len(await env.generations()), await spent(app, ada)) == (2, 2 * PRICE)


@pytest.mark.faults("gateway-doubled")
async def test_doubled_events_are_one_request(env: Env, app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    await ada.react(first, "🎨")
    await answer_to(ada, first)
    await unmarked(ada, first)
    assert len(await env.generations()) == 2
    assert await spent(app, ada) == 2 * PRICE


async def test_a_reaction_repeated_at_once_is_the_same_request_and_later_a_new_one(env: Env) -> None:
    clock = FakeClock()
    async with env.app(clock=clock), person_in(env, "Ada") as ada:
        first = await new_image(ada)
        await ada.react(first, "🎨")
        await answer_to(ada, first)
        await unmarked(ada, first)
        await ada.unreact(first, "🎨")
        await ada.react(first, "🎨")  # too soon
        await ada.unreact(first, "🎨")
        await ada.react(first, "⭐")  # received after those, so the next reaction is later than they are
        clock.advance(11_000)
        await ada.react(first, "🎨")
        await until_generations(env, 3)
        await unmarked(ada, first)
        assert len(await env.generations()) == 3


ALL = ("🎨", "🌙", "❄️", "🕹️", "🎬", "🧸")


@pytest.mark.parametrize("open_dms", [True, False])
async def test_a_burst_is_answered_once_with_what_was_taken_and_what_was_not(env: Env, open_dms: bool) -> None:
    clock = FakeClock()
    async with env.app(clock=clock, QUOTA_CREDITS="4.5", QUOTA_REFILL_PER_DAY="0") as app, person_in(env, "Ada") as ada:
        await ada.dms(open=open_dms)
        first = await new_image(ada)
        await asyncio.gather(*(ada.react(first, emoji) for emoji in ALL))
        for emoji in ALL:
            await acted_on(app, ada, first, emoji)
        clock.advance(1_000)
        app.store.wake(Topic.MEMBERS)  # a fake clock sends no event
        told = await ada.message(lambda m: "🚫" in m.content, "dm" if open_dms else "studio")
        if open_dms:
            assert "Of your 6 reactions, 2 were taken: " in told.content
            assert [told.content.count(emoji) for emoji in ALL] == [1] * len(ALL)
        assert told.content.count("This costs 1.4 credits") == 1
        assert (ada.id in told.pings) is not open_dms
        clock.advance(121_000)
        app.store.wake(Topic.MEMBERS)
        if not open_dms:
            await ada.until(lambda: all(m.id != told.id for m in ada.messages()) or None)
        assert len([m for channel in ("dm", "studio") for m in ada.messages(channel) if "🚫" in m.content]) == open_dms
        await unmarked(ada, first)


async def test_reactions_over_the_limit_are_counted_in_the_answer(
    app: App, ada: Person, asked: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services_reactions, "BURST_MAKING", 2)
    first = await asked()
    for emoji in ALL:
        await ada.react(first, emoji)
        await acted_on(app, ada, first, emoji)
    told = await ada.message(lambda m: "at most 2 a minute" in m.content, "dm")
    assert "Of your " in told.content
    assert " 2 were taken: " in told.content


async def test_a_mark_stays_until_all_that_was_asked_for_is_done(env: Env, app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    env.switchboard.turn_on("generation-stuck")
    await ada.react(first, "🎨")
    await marked(ada, first)
    await ben.react(await seen(ben, first), "🌙")
    await until_generations(env, 3)
    await ada.slash("cancel")
    await until_open(app, ada, 0)
    assert WORKING in (await seen(ben, first)).reactions
    env.switchboard.turn_off("generation-stuck")
    await answer_to(ben, first)
    await unmarked(ben, first)


async def test_what_a_crash_interrupted_is_told_once_at_the_next_start(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app() as app:
            first = await new_image(ada)
            given = Reaction(message_id=int(first.id), user_id=int(ada.id), emoji="🎨")
            channel_id, guild_id = int(first.channel_id), int(ada.hello["guild"]["id"])
            entry = BatchEntry(message_id=int(first.id), channel_id=channel_id, guild_id=guild_id, emoji="🎨", shown="🎨")
            await app.services.reactions.claim(given, Gesture.PRESET, entry=entry)
        for _ in range(2):
            async with env.app() as app:
                await ada.message(lambda m: "restarted before it came to this" in m.content, "dm")
                await eventually(lambda: app.store.read(lambda conn: not outbox.due(conn, 2**60)))
        assert len([m for m in ada.messages("dm") if "restarted" in m.content]) == 1


async def test_reactions_of_bots_are_ignored(env: Env, app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    await ada.react(first, "⭐")
    channel = app.client.get_partial_messageable(int(first.channel_id))
    await channel.get_partial_message(int(first.id)).add_reaction("🎨")
    await channel.get_partial_message(int(first.id)).add_reaction("🔁")
    await ada.react(first, "🌙")
    await answer_to(ada, first)
    assert len(await env.generations()) == 2


@pytest.mark.parametrize("emoji", ["👍", "🦊"])
async def test_other_emoji_are_ignored(env: Env, ada: Person, asked: Ask, emoji: str) -> None:
    first = await asked()
    await ada.react(first, emoji)
    await ada.react(first, "🌙")
    await answer_to(ada, first)
    assert len(await env.generations()) == 2


# --- missing permissions ---------------------------------------------------------------------------------------------


async def test_reactions_work_without_the_permission_to_react(ada: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    await mo.permit("studio", "add_reactions", on=False)
    await ada.react(first, "🎨")
    await answer_to(ada, first)


async def test_without_the_permission_to_read_history_a_message_says_so(ada: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    await mo.permit("studio", "read_message_history", on=False)
    await ada.react(first, "🎨")
    await direct_message(ada, "needs the Read Message History permission")


async def test_without_the_permission_to_write_a_direct_message_says_so(ada: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    await mo.permit("studio", "send_messages", on=False)
    await ada.react(first, "✏️")
    await direct_message(ada, "Easel can't post there")


async def test_messages_about_reactions_are_in_the_member_s_language(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    await app.services.members.change(int(ben.id), lambda chosen: chosen.model_copy(update={"locale": "de"}))
    first = await asked()
    await ben.react(await seen(ben, first), "🔁")
    await answer_to(ben, first)
    await unmarked(ben, first)
    again = await app.store.read(messages.job_of, int((await answer_to(ben, first)).id))
    assert again is not None
    assert again.place.locale == "en-US"  # everyone on this server reads it


# --- other people's images -----------------------------------------------------------------------------------------


async def posted(author: Person, viewer: Person, channel: str = "studio") -> Message:
    """An image posted by one person, as another sees it."""
    data = await viewer.fetch((await viewer.message(has_image)).attachments[0]["url"])
    said = await author.say("look", channel, files=(author.upload("found.png", data),))
    return await viewer.message(lambda m: m.id == said, channel)


async def test_without_the_intent_an_edit_reaction_names_the_menu_once_a_day(ada: Person, ben: Person, asked: Ask) -> None:
    await asked()
    found, other = await posted(ben, ada), await posted(ben, ada)
    await ada.react(found, "✏️")
    await ada.message(lambda m: "Edit with Easel" in m.content and ada.id in m.pings)
    await ada.react(other, "✏️")
    await ada.react(await ada.message(lambda m: has_image(m) and "Again" in m.buttons), "⭐")
    assert len([m for m in ada.messages() if "Edit with Easel" in m.content]) == 1


async def test_without_the_intent_presets_of_others_images_are_for_people(env: Env, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ada.react(await posted(ben, ada), "🎨")
    await ada.react(first, "🌙")
    await answer_to(ada, first)
    assert len(await env.generations()) == 2


async def test_in_direct_messages_an_upload_is_edited_without_the_intent(ada: Person, asked: Ask) -> None:
    await asked()
    mine = await posted(ada, ada, "dm")
    await ada.react(mine, "🎨")
    await answer_to(ada, mine, "dm")


async def test_the_author_is_read_from_the_message_if_the_event_lacks_it(env: Env, app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    others = await posted(ben, ada)
    for message, emoji in ((others, "🔁"), (others, "🎨"), (first, "🌙")):
        ids = {"message_id": message.id, "channel_id": message.channel_id, "user_id": ada.id, "guild_id": ada.hello["guild"]["id"]}
        data: Any = {**ids, "type": 0, "emoji": {"id": None, "name": emoji}}
        event = RawReactionActionEvent(data, PartialEmoji(name=emoji), "REACTION_ADD")
        app.client.dispatch("raw_reaction_add", event)
    await answer_to(ada, first)
    await unmarked(ada, first)
    assert len(await env.generations()) == 2


async def test_with_the_intent_other_people_s_images_are_edited(reading_env: Env) -> None:
    async with reading_env.app(), person_in(reading_env, "Ada") as ada, person_in(reading_env, "Ben") as ben:
        await new_image(ada)
        found = await posted(ben, ada)
        await ada.react(found, "🎨")
        assert "watercolour" in (await answer_to(ada, found)).content
        await ada.react(found, "✏️")
        await ada.click(await note_for(ada), NOTE)
        await ada.submit(await ada.modal(), prompt="in winter")
        await ada.message(lambda m: "in winter" in m.content and has_image(m))


async def test_with_the_intent_a_forward_is_edited_and_what_is_no_image_is_told(reading_env: Env) -> None:
    async with reading_env.app(), person_in(reading_env, "Ada") as ada, person_in(reading_env, "Ben") as ben:
        await new_image(ada)
        first = await posted(ben, ada)
        forward = await by_id(ada, await ben.forward(first, "studio"))
        await ada.react(forward, "🎨")
        assert "watercolour" in (await answer_to(ada, forward)).content
        thread = await ben.thread("Foxes", message=first)
        await ada.menu("Use as reference", await ada.message(lambda m: m.raw["type"] == 21, thread))  # its first message
        await ada.message(lambda m: "Saved to your tray (1 image)" in m.text, thread)
        await ada.react(await by_id(ada, await ben.say("", sticker="Wave")), "✏️")
        await direct_message(ada, "vector animation")
        reading_env.switchboard.turn_on("content-hidden")
        await ada.react(first, "✏️")
        await direct_message(ada, "Discord doesn't show Easel")


async def by_id(person: Person, message_id: str) -> Message:
    return await person.message(lambda m: m.id == message_id)


async def test_with_the_intent_messages_without_images_are_ignored(reading_env: Env) -> None:
    async with reading_env.app(), person_in(reading_env, "Ada") as ada, person_in(reading_env, "Ben") as ben:
        first = await new_image(ada)
        said = await ada.message(lambda m: m.content == "hello") if await ben.say("hello") else first
        await ada.react(said, "✏️")
        await ada.react(first, "🌙")
        await answer_to(ada, first)
        assert not any(NOTE in m.buttons for m in ada.messages())


async def test_an_intent_that_discord_refuses_is_explained_in_one_sentence(env: Env) -> None:
    with pytest.raises(ExceptionGroup) as refused:
        async with env.app(MESSAGE_CONTENT_INTENT="true"):
            pass
    assert "MESSAGE_CONTENT_INTENT" in str(refused.group_contains(StartError) and refused.value.exceptions[0])
