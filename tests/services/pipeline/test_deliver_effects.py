"""What a delivery leaves to be done: marks on what was reacted to, calls to those who were promised one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.job import Job, JobState, Outcome, ReplyTarget
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import delivery, history, outbox
from tests.env.fake_discord import Trouble, Way
from tests.env.images import MADE
from tests.env.jobs import FAILED
from tests.services.conftest import Pipeline, eventually

PLACE = ReplyTarget(user_id=7, channel_id=5, guild_id=1)
REACTED = replace(PLACE, reply_to=99)
LIVING: dict[str, Any] = {"application_id": 3, "token": "token", "token_expires_at": 2**60}


async def reacted(pipeline: Pipeline, *outcomes: Outcome) -> Job:
    """A job that a reaction asked for, shown as far as it can be. Without outcomes it is taken back."""
    job = await pipeline.order(place=REACTED, count=len(outcomes) or 1, reaction="🎨", waits_in_public=False)
    await pipeline.end(job, *outcomes)
    if not outcomes:
        await pipeline.cancel(job)
    async with pipeline.at_work("outbox"):
        return await pipeline.until(job, JobState.DELIVERED)


async def followed(pipeline: Pipeline) -> list[OutboxItem]:
    """The items of the outbox that a delivery led to, done or still to be done."""
    done = [item for item, _job in pipeline.messenger.sent]
    waiting = await pipeline.store.read(outbox.due, pipeline.clock())
    return list({item.id: item for item in (*waiting, *done)}.values())


async def promised(pipeline: Pipeline) -> dict[ItemKind, dict[str, Any]]:
    """The same by kind, with its data."""
    return {item.kind: dict(item.data) for item in await followed(pipeline)}


async def called(pipeline: Pipeline, *outcomes: Outcome, promise: bool = True, tell: bool = False, **place: Any) -> set[ItemKind]:
    """What is promised to a member whose job is shown. Without outcomes it is cancelled."""
    if tell:
        await pipeline.members.change(7, lambda chosen: chosen.model_copy(update={"tell_when_done": True}))
    job = await pipeline.order(place=replace(PLACE, **place))
    if promise:
        await pipeline.store.write(delivery.promise_ping, job.id)
    await pipeline.end(job, *outcomes)
    if not outcomes:
        await pipeline.cancel(job)
    async with pipeline.at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    return set(await promised(pipeline))


# --- requests made by a reaction -------------------------------------------------------------------------------------


async def test_a_reactions_pictures_are_posted_and_the_reaction_is_marked(pipeline: Pipeline) -> None:
    job = await reacted(pipeline, MADE, FAILED)
    assert list(pipeline.board.asked) == [Way.CHANNEL]
    assert await promised(pipeline) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99, "made": True}}
    assert job.place.message_id == pipeline.board.of(job.id)[0].id


async def test_without_a_picture_its_member_alone_is_told_why(pipeline: Pipeline) -> None:
    job = await reacted(pipeline, FAILED)
    assert [notice.channel_id for notice in pipeline.board.of(job.id)] == [-7]
    assert await promised(pipeline) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99, "made": False}}


async def test_where_direct_messages_are_closed_too_the_mark_alone_says_it(pipeline: Pipeline) -> None:
    pipeline.board.closed.add(Way.MEMBER)
    job = await reacted(pipeline, FAILED)
    assert list(pipeline.board.asked) == [Way.MEMBER]
    assert (job.place.channel_id, job.place.message_id) == (5, None)
    assert await promised(pipeline) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99, "made": False}}


async def test_what_its_member_took_back_needs_no_words(pipeline: Pipeline) -> None:
    await reacted(pipeline)
    assert pipeline.board.asked == {}
    assert await promised(pipeline) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99, "made": None}}


async def test_where_the_channel_is_closed_pictures_go_to_the_member(pipeline: Pipeline) -> None:
    pipeline.board.closed.add(Way.CHANNEL)
    job = await reacted(pipeline, MADE)
    assert [notice.channel_id for notice in pipeline.board.of(job.id)] == [-7]
    assert (await promised(pipeline))[ItemKind.MARK]["channel_id"] == 5


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("outcome", [MADE, FAILED], ids=["made", "failed"])
async def test_whatever_goes_wrong_a_reaction_is_answered_once_and_marked_once(
    pipeline: Pipeline, trouble: Trouble, outcome: Outcome
) -> None:
    pipeline.board.nonces_last = False
    for way in (Way.CHANNEL, Way.MEMBER):
        pipeline.board.trouble[way].append(trouble)
    job = await reacted(pipeline, outcome)
    assert len(pipeline.board.of(job.id)) == 1
    assert len(await followed(pipeline)) == 1


async def test_a_form_that_a_reaction_led_to_has_a_message_of_its_own_and_is_answered_there(pipeline: Pipeline) -> None:
    job = await pipeline.order(place=replace(PLACE, **LIVING), reaction="✏️")
    await pipeline.cancel(job)
    async with pipeline.at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert list(pipeline.board.asked) == [Way.TOKEN]


# --- calls -----------------------------------------------------------------------------------------------------------


async def test_who_was_promised_a_call_is_called(pipeline: Pipeline) -> None:
    assert await called(pipeline, MADE) == {ItemKind.PING}


async def test_who_was_promised_nothing_is_left_alone(pipeline: Pipeline) -> None:
    assert await called(pipeline, MADE, promise=False) == set()


async def test_who_wants_to_be_told_is_told(pipeline: Pipeline) -> None:
    assert await called(pipeline, MADE, promise=False, tell=True) == {ItemKind.TELL}


async def test_a_failure_is_told_too(pipeline: Pipeline) -> None:
    assert await called(pipeline, FAILED, tell=True) == {ItemKind.PING, ItemKind.TELL}


async def test_who_cancelled_it_is_not_called(pipeline: Pipeline) -> None:
    assert await called(pipeline, tell=True) == set()


async def test_a_direct_message_with_the_result_is_the_call(pipeline: Pipeline) -> None:
    pipeline.board.closed |= {Way.MESSAGE, Way.CHANNEL}
    assert await called(pipeline, MADE, tell=True) == set()


async def test_to_a_private_picture_there_is_one_call_with_the_token_as_its_last_way(pipeline: Pipeline) -> None:
    assert await called(pipeline, MADE, tell=True, private=True, **LIVING) == {ItemKind.PING}
    assert (await promised(pipeline))[ItemKind.PING] == {"token": "token", "application_id": 3}


async def test_what_is_taken_away_in_the_moment_it_is_shown_goes_from_the_channel_too(pipeline: Pipeline) -> None:
    job = await pipeline.ended(MADE)
    pipeline.board.held[job.id] = asyncio.Event()
    async with pipeline.at_work("outbox"):
        await eventually(lambda: is_being_shown(pipeline))
        await pipeline.store.write(history.take_away, job.id, pipeline.clock())
        pipeline.board.held[job.id].set()
        await eventually(lambda: promised(pipeline))
    (notice,) = pipeline.board.of(job.id)
    assert await promised(pipeline) == {ItemKind.REMOVE: {"channel_id": 5, "message_id": notice.id}}


async def is_being_shown(pipeline: Pipeline) -> bool:
    return pipeline.board.asked[Way.MESSAGE] > 0
