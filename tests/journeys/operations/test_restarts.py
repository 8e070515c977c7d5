"""Interactions of two steps with a restart of the bot between them, if no other journey covers them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.job import ReplyTarget
from bot.store import documents, outbox
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, statement_of
from tests.env.jobs import order_of
from tests.journeys.reaction_steps import (
    NOTE,
    PRICE,
    answer_to,
    marked,
    new_image,
    note_for,
    seen,
    spent,
    unmarked,
    until_generations,
    until_open,
)
from tests.services.conftest import eventually

ONE_AT_A_TIME = {"MAX_RUNNING_PER_USER": "1"}


@pytest.fixture
async def ada(env: Env) -> AsyncIterator[Person]:
    """Ada stays connected while the bot is offline."""
    async with Person.connect(env.discord.url, "Ada") as person:
        yield person


@pytest.fixture
async def ben(env: Env) -> AsyncIterator[Person]:
    async with Person.connect(env.discord.url, "Ben") as person:
        yield person


@asynccontextmanager
async def run(env: Env, *people: Person, settings: Mapping[str, str] | None = None) -> AsyncIterator[App]:
    """One run of the bot; these people see it go online and offline."""
    async with env.app(settings=settings) as app:
        for person in people:
            await person.until(lambda person=person: (person.bot_online and "generate" in person.commands) or None)  # type: ignore[misc]
        yield app
    for person in people:
        await person.until(lambda person=person: (not person.bot_online) or None)  # type: ignore[misc]


async def waiting(person: Person, channel: str = "studio") -> Message:
    """The waiting message of a new request."""
    await person.slash("generate", channel, prompt="a slow river")
    return await person.message(lambda m: "Generating" in m.content, channel)


def select(panel: Message, custom_id: str) -> dict[str, Any]:
    return next(c for c in panel.components if str(c.get("custom_id", "")).startswith(custom_id))


# --- reactions -------------------------------------------------------------------------------------------------------


async def test_the_form_of_a_note_is_sent_after_a_restart_and_the_note_is_deleted(env: Env, ada: Person) -> None:
    async with run(env, ada):
        await ada.react(await new_image(ada), "✏️")
        note = await note_for(ada)
        await ada.click(note, NOTE)
        modal = await ada.modal()
    async with run(env, ada):
        await ada.submit(modal, prompt="in winter")
        await ada.message(lambda m: has_image(m) and "in winter" in m.content)
        await ada.until(lambda: all(m.id != note.id for m in ada.messages()) or None)


async def test_a_repetition_by_reaction_survives_a_restart(env: Env, ada: Person, ben: Person) -> None:
    async with run(env, ada, ben):
        first = await new_image(ada)
        env.switchboard.turn_on("generation-stuck")
        await ben.react(await seen(ben, first), "🔁")
        await marked(ben, first)
        await until_generations(env, 2)
    env.switchboard.turn_off("generation-stuck")
    async with run(env, ada, ben) as app:
        assert f"<@{ben.id}>" in (await answer_to(ben, first)).content
        await unmarked(ben, first)
        assert (len(await env.generations()), await spent(app, ben)) == (2, PRICE)


async def test_a_preset_reaction_removed_after_a_restart_costs_nothing(env: Env, ada: Person) -> None:
    async with run(env, ada, settings=ONE_AT_A_TIME):
        first = await new_image(ada)
        env.switchboard.turn_on("generation-stuck")
        await waiting(ada)
        await ada.react(first, "🎨")
        await marked(ada, first)
    async with run(env, ada, settings=ONE_AT_A_TIME) as app:
        await until_open(app, ada, 2)
        await ada.unreact(first, "🎨")
        await until_open(app, ada, 1)
        assert (await statement_of(app, int(ada.id))).held == PRICE


# --- while it is made ------------------------------------------------------------------------------------------------


async def test_a_request_made_before_a_restart_can_be_cancelled_after_it(env: Env, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    async with run(env, ada):
        message = await waiting(ada)
    async with run(env, ada) as app:
        await ada.click(message, "Cancel")
        await ada.message(lambda m: m.id == message.id and "Cancelled" in m.content)
        assert await spent(app, ada) == 0
    assert [made["status"] for made in await env.generations()] == ["cancelled"]


@pytest.mark.parametrize("mode", ["poll", "sync"])
async def test_a_request_running_during_a_mode_change_is_shown_and_paid_once(env: Env, ada: Person, mode: str) -> None:
    env.switchboard.turn_on("generation-stuck")
    async with run(env, ada):
        await waiting(ada)
        await until_generations(env, 1)
    env.switchboard.turn_off("generation-stuck")
    async with run(env, ada, settings={"OXEN_MODE": mode}) as app:
        await ada.message(has_image)
        assert (len(await env.generations()), await spent(app, ada)) == (1, PRICE)


async def test_a_request_cancelled_after_a_mode_change_costs_nothing(env: Env, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    async with run(env, ada):
        message = await waiting(ada)
        await until_generations(env, 1)
    async with run(env, ada, settings={"OXEN_MODE": "sync"}) as app:
        await ada.click(message, "Cancel")
        await ada.message(lambda m: m.id == message.id and "Cancelled" in m.content)
        assert await spent(app, ada) == 0
    assert [made["status"] for made in await env.generations()] == ["cancelled"]


# --- panels ----------------------------------------------------------------------------------------------------------


async def test_a_member_s_language_survives_a_restart(env: Env, ada: Person) -> None:
    await ada.speak("de")
    async with run(env, ada):
        await ada.slash("settings")
        await ada.message(lambda m: m.ephemeral)
    async with run(env, ada) as app:
        assert (await app.store.read(documents.preferences, int(ada.id))).locale == "de"


# --- a stop in the middle of an answer -------------------------------------------------------------------------------


async def test_an_image_without_a_first_response_is_shown_after_a_restart(env: Env, ada: Person) -> None:
    async with run(env, ada) as app:
        place = ReplyTarget(
            user_id=int(ada.id),
            channel_id=int(ada.channel("studio")),
            guild_id=int(ada.hello["guild"]["id"]),
            token="never answered",
            token_expires_at=system() + 60_000,
        )
        job = (await app.services.orders.order(await order_of(app.services, "a slow river", place))).job
        await eventually(lambda: app.store.read(outbox.get, job.id))
        assert not any(has_image(m) for m in ada.messages())
    async with run(env, ada):
        await ada.message(has_image)


async def test_interactions_in_progress_are_answered_before_the_bot_closes(env: Env, ada: Person) -> None:
    async with run(env, ada):
        asking = asyncio.create_task(ada.slash("history"))
        async with asyncio.timeout(5):
            while "CommandTree-invoker" not in {task.get_name() for task in asyncio.all_tasks()}:  # noqa: ASYNC110  the library announces nothing
                await asyncio.sleep(0)
    await asking
    await ada.message(lambda m: "Your history" in m.text)
