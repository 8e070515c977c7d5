"""What a delivery leaves to be done: marks on what was reacted to, calls to those who were promised one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.job import Job, JobState, Outcome, ReplyTarget
from bot.domain.outbox import ItemKind
from bot.store import delivery, history, outbox
from tests.env.fake_delivery import Trouble, Way
from tests.env.images import MADE
from tests.env.jobs import FAILED
from tests.services.conftest import Works, eventually

PLACE = ReplyTarget(user_id=7, channel_id=5, guild_id=1)
REACTED = replace(PLACE, reply_to=99)
LIVING: dict[str, Any] = {"application_id": 3, "token": "token", "token_expires_at": 2**60}


async def reacted(works: Works, *outcomes: Outcome) -> Job:
    """A job that a reaction asked for, shown as far as it can be. Without outcomes it is taken back."""
    job = await works.order(place=REACTED, count=len(outcomes) or 1, reaction="🎨", waits_in_public=False)
    await works.end(job, *outcomes)
    if not outcomes:
        await works.cancel(job)
    async with works.at_work("deliver"):
        return await works.until(job, JobState.DELIVERED)


async def promised(works: Works) -> dict[ItemKind, dict[str, Any]]:
    """What is owed now, with its data."""
    return {item.kind: dict(item.data) for item in await works.store.read(outbox.due, works.clock())}


async def called(works: Works, *outcomes: Outcome, promise: bool = True, tell: bool = False, **place: Any) -> set[ItemKind]:
    """What is promised to a member whose job is shown. Without outcomes it is cancelled."""
    if tell:
        await works.members.change(7, lambda chosen: chosen.model_copy(update={"tell_when_done": True}))
    job = await works.order(place=replace(PLACE, **place))
    if promise:
        await works.store.write(delivery.promise_ping, job.id)
    await works.end(job, *outcomes)
    if not outcomes:
        await works.cancel(job)
    async with works.at_work("deliver"):
        await works.until(job, JobState.DELIVERED)
    return set(await promised(works))


# --- requests made by a reaction -------------------------------------------------------------------------------------


async def test_a_reactions_pictures_are_posted_and_the_reaction_is_marked(works: Works) -> None:
    job = await reacted(works, MADE, FAILED)
    assert list(works.board.asked) == [Way.CHANNEL]
    assert await promised(works) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99, "made": True}}
    assert job.place.message_id == works.board.of(job.id)[0].id


async def test_without_a_picture_its_member_alone_is_told_why(works: Works) -> None:
    job = await reacted(works, FAILED)
    assert [notice.channel_id for notice in works.board.of(job.id)] == [-7]
    assert await promised(works) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99, "made": False}}


async def test_where_direct_messages_are_closed_too_the_mark_alone_says_it(works: Works) -> None:
    works.board.closed.add(Way.MEMBER)
    job = await reacted(works, FAILED)
    assert list(works.board.asked) == [Way.MEMBER]
    assert (job.place.channel_id, job.place.message_id) == (5, None)
    assert await promised(works) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99, "made": False}}


async def test_what_its_member_took_back_needs_no_words(works: Works) -> None:
    await reacted(works)
    assert works.board.asked == {}
    assert await promised(works) == {ItemKind.MARK: {"channel_id": 5, "message_id": 99, "made": None}}


async def test_where_the_channel_is_closed_pictures_go_to_the_member(works: Works) -> None:
    works.board.closed.add(Way.CHANNEL)
    job = await reacted(works, MADE)
    assert [notice.channel_id for notice in works.board.of(job.id)] == [-7]
    assert (await promised(works))[ItemKind.MARK]["channel_id"] == 5


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("outcome", [MADE, FAILED], ids=["made", "failed"])
async def test_whatever_goes_wrong_a_reaction_is_answered_once_and_marked_once(works: Works, trouble: Trouble, outcome: Outcome) -> None:
    works.board.nonces_last = False
    for way in (Way.CHANNEL, Way.MEMBER):
        works.board.trouble[way].append(trouble)
    job = await reacted(works, outcome)
    assert len(works.board.of(job.id)) == 1
    assert len(await works.store.read(outbox.due, works.clock())) == 1


async def test_a_form_that_a_reaction_led_to_has_a_message_of_its_own_and_is_answered_there(works: Works) -> None:
    job = await works.order(place=replace(PLACE, **LIVING), reaction="✏️")
    await works.cancel(job)
    async with works.at_work("deliver"):
        await works.until(job, JobState.DELIVERED)
    assert list(works.board.asked) == [Way.TOKEN]


# --- calls -----------------------------------------------------------------------------------------------------------


async def test_who_was_promised_a_call_is_called(works: Works) -> None:
    assert await called(works, MADE) == {ItemKind.PING}


async def test_who_was_promised_nothing_is_left_alone(works: Works) -> None:
    assert await called(works, MADE, promise=False) == set()


async def test_who_wants_to_be_told_is_told(works: Works) -> None:
    assert await called(works, MADE, promise=False, tell=True) == {ItemKind.TELL}


async def test_a_failure_is_told_too(works: Works) -> None:
    assert await called(works, FAILED, tell=True) == {ItemKind.PING, ItemKind.TELL}


async def test_who_cancelled_it_is_not_called(works: Works) -> None:
    assert await called(works, tell=True) == set()


async def test_a_direct_message_with_the_result_is_the_call(works: Works) -> None:
    works.board.closed |= {Way.MESSAGE, Way.CHANNEL}
    assert await called(works, MADE, tell=True) == set()


async def test_to_a_private_picture_there_is_one_call_with_the_token_as_its_last_way(works: Works) -> None:
    assert await called(works, MADE, tell=True, private=True, **LIVING) == {ItemKind.PING}
    assert (await promised(works))[ItemKind.PING] == {"token": "token", "application_id": 3}


async def test_what_is_taken_away_in_the_moment_it_is_shown_goes_from_the_channel_too(works: Works) -> None:
    job = await works.ended(MADE)
    works.board.doors[job.id] = asyncio.Event()
    async with works.at_work("deliver"):
        await eventually(lambda: is_being_shown(works))
        await works.store.write(history.take_away, job.id, works.clock())
        works.board.doors[job.id].set()
        await eventually(lambda: promised(works))
    (notice,) = works.board.of(job.id)
    assert await promised(works) == {ItemKind.REMOVE: {"channel_id": 5, "message_id": notice.id}}


async def is_being_shown(works: Works) -> bool:
    return works.board.asked[Way.MESSAGE] > 0
