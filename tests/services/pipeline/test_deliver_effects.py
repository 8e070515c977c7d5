"""The outbox items that follow a delivery: marks on the message with the reaction, pings, notifications."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from bot.core.sealing import Sealer
from bot.domain.gestures import Fate, ReactionBatch
from bot.domain.job import Job, JobState, Outcome, ReplyTarget
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import delivery, history, outbox
from bot.store.tables import jobs
from tests.env.fake_discord import DiscordFault, DiscordRoute
from tests.env.images import MADE
from tests.env.jobs import FAILED
from tests.services.conftest import Pipeline, eventually

PLACE = ReplyTarget(user_id=7, channel_id=5, guild_id=1)
BY_REACTION = replace(PLACE, reply_to=99)
VALID_TOKEN: dict[str, Any] = {"application_id": 3, "token": "token", "token_expires_at": 2**60}


async def delivered_reaction(pipeline: Pipeline, *outcomes: Outcome) -> Job:
    """A delivered job of a reaction. Without outcomes it is cancelled."""
    job = await pipeline.order(place=BY_REACTION, count=len(outcomes) or 1, reaction="🎨", has_message=False)
    await pipeline.end(job, *outcomes)
    if not outcomes:
        await pipeline.cancel(job)
    async with pipeline.running("outbox"):
        return await pipeline.until(job, JobState.DELIVERED)


async def following_items(pipeline: Pipeline) -> list[OutboxItem]:
    """The outbox items that a delivery added, done or waiting."""
    done = [item for item, _job in pipeline.messenger.sent]
    waiting = await pipeline.store.read(outbox.due, pipeline.clock())
    return [item for item in {item.id: item for item in (*waiting, *done)}.values() if not item.data.get("starts")]


async def item_data(pipeline: Pipeline) -> dict[ItemKind, dict[str, Any]]:
    """The same items' data, by kind."""
    return {item.kind: dict(item.data) for item in await following_items(pipeline)}


async def notifications(pipeline: Pipeline, *outcomes: Outcome, promise: bool = True, tell: bool = False, **place: Any) -> set[ItemKind]:
    """The kinds of items after the delivery of a job. Without outcomes it is cancelled."""
    if tell:
        await pipeline.members.change(7, lambda preferences: preferences.model_copy(update={"tell_when_done": True}))
    job = await pipeline.order(place=replace(PLACE, **place))
    if promise:
        await pipeline.store.write(delivery.promise_ping, job.id)
    await pipeline.end(job, *outcomes)
    if not outcomes:
        await pipeline.cancel(job)
    async with pipeline.running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    return set(await item_data(pipeline))


# --- jobs of a reaction ----------------------------------------------------------------------------------------------


async def test_images_of_a_reaction_are_posted_and_the_message_is_marked(pipeline: Pipeline) -> None:
    job = await delivered_reaction(pipeline, MADE, FAILED)
    assert list(pipeline.discord.calls) == [DiscordRoute.CHANNEL]
    assert await item_data(pipeline) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99}}
    assert job.place.message_id == pipeline.discord.results_of(job.id)[0].id


async def test_a_failed_reaction_is_explained_to_its_member_only(pipeline: Pipeline) -> None:
    job = await delivered_reaction(pipeline, FAILED)
    assert [message.channel_id for message in pipeline.discord.results_of(job.id)] == [-7]
    assert await item_data(pipeline) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99}}


async def test_a_failed_reaction_is_told_in_the_channel_if_direct_messages_are_closed(pipeline: Pipeline) -> None:
    pipeline.discord.closed.add(DiscordRoute.MEMBER)
    job = await delivered_reaction(pipeline, FAILED)
    assert list(pipeline.discord.calls) == [DiscordRoute.MEMBER]
    assert (job.place.channel_id, job.place.message_id) == (5, None)
    told = ReactionBatch.read((await item_data(pipeline))[ItemKind.REACTIONS])
    assert [(each.message_id, each.fate) for each in told.entries] == [(99, Fate.REFUSED)]


async def test_a_cancelled_reaction_gets_no_message(pipeline: Pipeline) -> None:
    await delivered_reaction(pipeline)
    assert pipeline.discord.calls == {}
    assert await item_data(pipeline) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99}}


async def test_images_are_sent_to_the_member_if_the_channel_is_closed(pipeline: Pipeline) -> None:
    pipeline.discord.closed.add(DiscordRoute.CHANNEL)
    job = await delivered_reaction(pipeline, MADE)
    assert [message.channel_id for message in pipeline.discord.results_of(job.id)] == [-7]
    assert (await item_data(pipeline))[ItemKind.MARK]["channel_id"] == 5


@pytest.mark.parametrize("fault", DiscordFault)
@pytest.mark.parametrize("outcome", [MADE, FAILED], ids=["made", "failed"])
async def test_a_reaction_gets_one_message_and_one_mark_despite_faults(pipeline: Pipeline, fault: DiscordFault, outcome: Outcome) -> None:
    pipeline.discord.remembers_nonces = False
    for route in (DiscordRoute.CHANNEL, DiscordRoute.MEMBER):
        pipeline.discord.faults[route].append(fault)
    job = await delivered_reaction(pipeline, outcome)
    assert len(pipeline.discord.results_of(job.id)) == 1
    assert len(await following_items(pipeline)) == 1


async def test_a_form_opened_by_a_reaction_is_answered_in_its_own_message(pipeline: Pipeline) -> None:
    job = await pipeline.order(place=replace(PLACE, **VALID_TOKEN), reaction="✏️")
    await pipeline.cancel(job)
    async with pipeline.running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert list(pipeline.discord.calls) == [DiscordRoute.TOKEN]


# --- notifications ---------------------------------------------------------------------------------------------------


async def test_a_promised_ping_is_sent(pipeline: Pipeline) -> None:
    assert await notifications(pipeline, MADE) == {ItemKind.PING}


async def test_without_a_promise_no_ping_is_sent(pipeline: Pipeline) -> None:
    assert await notifications(pipeline, MADE, promise=False) == set()


async def test_a_member_who_wants_notifications_gets_one(pipeline: Pipeline) -> None:
    assert await notifications(pipeline, MADE, promise=False, tell=True) == {ItemKind.TELL}


async def test_a_failure_sends_notifications_too(pipeline: Pipeline) -> None:
    assert await notifications(pipeline, FAILED, tell=True) == {ItemKind.PING, ItemKind.TELL}


async def test_a_cancelled_job_sends_no_notification(pipeline: Pipeline) -> None:
    assert await notifications(pipeline, tell=True) == set()


async def test_a_direct_message_with_the_result_needs_no_notification(pipeline: Pipeline) -> None:
    pipeline.discord.closed |= {DiscordRoute.MESSAGE, DiscordRoute.CHANNEL}
    assert await notifications(pipeline, MADE, tell=True) == set()


async def test_a_private_image_sends_one_ping_with_its_token(pipeline: Pipeline) -> None:
    assert await notifications(pipeline, MADE, tell=True, private=True, **VALID_TOKEN) == {ItemKind.PING}
    data = (await item_data(pipeline))[ItemKind.PING]
    job_id = await pipeline.store.read(lambda conn: conn.scalars(select(jobs.c.id)).one())
    assert (Sealer("not used").open(data["token"], about=job_id), data["application_id"]) == ("token", 3)


async def test_a_job_deleted_during_delivery_is_removed_from_the_channel(pipeline: Pipeline) -> None:
    job = await pipeline.ended_job(MADE)
    pipeline.discord.blocked[job.id] = asyncio.Event()
    async with pipeline.running("outbox"):
        await eventually(lambda: is_being_shown(pipeline))
        await pipeline.store.write(history.take_away, job.id, pipeline.clock())
        pipeline.discord.blocked[job.id].set()
        await eventually(lambda: item_data(pipeline))
    (message,) = pipeline.discord.results_of(job.id)
    assert await item_data(pipeline) == {ItemKind.REMOVE: {"channel_id": 5, "message_id": message.id}}


async def is_being_shown(pipeline: Pipeline) -> bool:
    return pipeline.discord.calls[DiscordRoute.MESSAGE] > 0
