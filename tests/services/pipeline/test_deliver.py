"""Showing what became of a job: once, by the best way that is open."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.core.loops import Timing
from bot.domain.job import JobState, ReplyTarget
from bot.store import jobs, outbox
from tests.env.app import BRISK
from tests.env.fake_delivery import Trouble, Way
from tests.env.images import MADE
from tests.env.jobs import CANCELLED, FAILED, wish
from tests.services.conftest import Works, eventually

PLACE = ReplyTarget(user_id=7, channel_id=5, guild_id=1)
ANSWERED_FIRST = replace(PLACE, token="expired")  # by the interaction, which is over
LIVING = {"application_id": 3, "token": "token", "token_expires_at": 2**60}
PATIENT = Timing(stranded_s=0.1)


async def show(works: Works, *closed: Way, **place: Any) -> list[Way]:
    """Deliver one job; the ways that were tried."""
    works.board.closed |= set(closed)
    job = await works.ended(MADE, place=replace(PLACE, **place))
    async with works.at_work("deliver"):
        await works.until(job, JobState.DELIVERED, JobState.STRANDED)
    return list(works.board.asked)


# --- the ways, best first --------------------------------------------------------------------------------------------


async def test_while_the_token_lives_the_first_answer_is_edited_by_it(works: Works) -> None:
    assert await show(works, **LIVING) == [Way.TOKEN]
    (notice,) = works.board.notices.values()
    assert (notice.finished, [name for name, _ in notice.files]) == (True, [f"easel-{notice.job_id}-1.png"])


async def test_afterwards_the_message_is_edited_by_the_bots_own_right(works: Works) -> None:
    assert await show(works, token="token", token_expires_at=1) == [Way.MESSAGE]


async def test_where_the_message_is_gone_a_new_one_is_sent(works: Works) -> None:
    assert await show(works, Way.TOKEN, Way.MESSAGE, **LIVING) == [Way.TOKEN, Way.MESSAGE, Way.CHANNEL]
    assert [notice.channel_id for notice in works.board.notices.values() if notice.finished] == [5]


async def test_where_the_channel_is_closed_the_member_is_written_to(works: Works) -> None:
    assert await show(works, Way.MESSAGE, Way.CHANNEL) == [Way.MESSAGE, Way.CHANNEL, Way.MEMBER]
    assert [notice.channel_id for notice in works.board.notices.values() if notice.finished] == [-7]


async def test_a_private_picture_is_never_shown_in_public(works: Works) -> None:
    assert await show(works, private=True) == [Way.MEMBER]


async def test_where_every_way_is_closed_it_is_kept_and_shown_when_one_opens(works: Works) -> None:
    patient = works.again(timing=PATIENT)
    works.board.closed |= {Way.MESSAGE, Way.CHANNEL, Way.MEMBER}
    job = await patient.ended(MADE)
    async with patient.at_work("deliver"):
        await patient.until(job, JobState.STRANDED)
        works.board.closed.clear()
        shown = await patient.until(job, JobState.DELIVERED)
    assert len(works.board.of(job.id)) == 1
    assert shown.delivered_at is not None


# --- trouble on the way ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("closed", [set(), {Way.MESSAGE}, {Way.MESSAGE, Way.CHANNEL}], ids=["edit", "channel", "member"])
async def test_whatever_goes_wrong_it_is_shown_once(works: Works, trouble: Trouble, closed: set[Way]) -> None:
    works.board.closed, works.board.nonces_last = closed, False
    for way in (Way.MESSAGE, Way.CHANNEL, Way.MEMBER):
        works.board.trouble[way].append(trouble)
    job = await works.ended(MADE)
    async with works.at_work("deliver"):
        await works.until(job, JobState.DELIVERED)
    assert len(works.board.of(job.id)) == 1


async def test_a_post_whose_answer_was_lost_is_found_and_not_sent_again(works: Works) -> None:
    works.board.nonces_last = False
    works.board.trouble[Way.CHANNEL].append(Trouble.LOST)
    assert await show(works, Way.MESSAGE) == [Way.MESSAGE, Way.CHANNEL, Way.HISTORY]
    assert works.board.asked[Way.CHANNEL] == 1
    assert sum(notice.finished for notice in works.board.notices.values()) == 1


async def test_a_post_that_did_not_arrive_is_looked_for_and_sent_again(works: Works) -> None:
    works.board.trouble[Way.CHANNEL].append(Trouble.BUSY)
    assert await show(works, Way.MESSAGE) == [Way.MESSAGE, Way.CHANNEL, Way.HISTORY]
    assert works.board.asked[Way.CHANNEL] == 2


async def test_a_run_killed_between_the_post_and_its_record_is_taken_up_by_the_next(works: Works) -> None:
    works.board.closed, works.board.nonces_last = {Way.MESSAGE}, False
    job = await works.ended(MADE)
    works.board.trouble[Way.CHANNEL].append(Trouble.LOST)  # sent, and then nothing is known of it
    slow = works.again(timing=replace(BRISK, retry_min_s=60, retry_max_s=60))
    async with slow.at_work("deliver", grace_s=0):
        await eventually(lambda: is_posted(works, job.id))
    works.clock.turn(60_000)
    async with works.again().at_work("deliver"):
        await works.until(job, JobState.DELIVERED)
    assert len(works.board.of(job.id)) == 1


async def is_posted(works: Works, job_id: str) -> bool:
    return bool(works.board.of(job_id)) and await works.attempts(job_id) == 1


async def test_a_run_killed_right_after_its_claim_is_taken_up_by_the_next(works: Works) -> None:
    job = await works.ended(MADE)
    (item,) = await works.store.read(outbox.due, works.clock())
    assert await works.store.write(outbox.claim, item, now=works.clock(), again_at=works.clock() + 50)
    async with works.again().at_work("deliver"):
        await works.until(job, JobState.DELIVERED)
    assert (len(works.board.of(job.id)), await works.store.read(outbox.get, job.id)) == (1, None)


async def test_a_run_killed_during_an_edit_is_taken_up_by_the_next(works: Works) -> None:
    job = await works.ended(MADE)
    works.board.doors[job.id] = asyncio.Event()
    async with works.at_work("deliver", grace_s=0):
        await eventually(lambda: has_asked(works, Way.MESSAGE))
    works.board.doors.clear()
    async with works.again().at_work("deliver"):
        await works.until(job, JobState.DELIVERED)
    assert len(works.board.of(job.id)) == 1
    assert list(works.folder.iterdir()) == []


async def has_asked(works: Works, way: Way) -> bool:
    return works.board.asked[way] > 0


async def test_one_that_fails_every_time_does_not_hold_up_the_others(works: Works) -> None:
    works.board.trouble[Way.MESSAGE].extend([Trouble.ODD] * 3)
    poisoned = await works.ended(MADE)
    async with works.at_work("deliver"):
        await eventually(lambda: was_tried(works, poisoned.id))
        for _ in range(3):
            await works.until(await works.ended(MADE), JobState.DELIVERED)
        await works.until(poisoned, JobState.DELIVERED)
    assert len(works.board.of(poisoned.id)) == 1


async def was_tried(works: Works, job_id: str) -> bool:
    return await works.attempts(job_id) > 0


async def test_one_that_takes_long_does_not_hold_up_the_others(works: Works) -> None:
    slow = await works.ended(MADE)
    works.board.doors[slow.id] = asyncio.Event()
    async with works.at_work("deliver"):
        await eventually(lambda: has_asked(works, Way.MESSAGE))
        await works.until(await works.ended(MADE), JobState.DELIVERED)
        works.board.doors[slow.id].set()
        await works.until(slow, JobState.DELIVERED)
    assert len(works.board.of(slow.id)) == 1


async def test_after_a_week_nobody_tries_any_more(works: Works) -> None:
    works.board.closed |= {Way.MESSAGE, Way.CHANNEL, Way.MEMBER}
    job = await works.ended(MADE)
    works.clock.turn(8 * 86_400_000)
    async with works.at_work("deliver"):
        await eventually(lambda: is_given_up(works, job.id))
    assert (await works.orders.job(job.id)).state is JobState.STRANDED


async def is_given_up(works: Works, job_id: str) -> bool:
    return await works.store.read(outbox.get, job_id) is None


# --- while the first answer is on its way ----------------------------------------------------------------------------


async def test_nothing_is_shown_before_the_first_answer_has_arrived(works: Works) -> None:
    receipt = await works.orders.order(await wish(works, "a red fox", ANSWERED_FIRST))
    await works.cancel(receipt.job)
    async with works.at_work("deliver"):
        other = await works.ended(MADE)
        await works.until(other, JobState.DELIVERED)
        assert works.board.of(receipt.job.id) == []
        await works.orders.answered(receipt.job.id, works.board.first_answer(receipt.job))
        await works.until(receipt.job, JobState.DELIVERED)
    assert works.board.asked == {Way.MESSAGE: 2}


async def test_a_first_answer_that_never_comes_holds_nothing_up_for_long(works: Works) -> None:
    receipt = await works.orders.order(await wish(works, "a red fox", ANSWERED_FIRST))
    await works.cancel(receipt.job)
    works.clock.turn(121_000)
    async with works.at_work("deliver"):
        await works.until(receipt.job, JobState.DELIVERED)
    assert works.board.asked == {Way.CHANNEL: 1}


# --- what is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [FAILED, CANCELLED], ids=["failed", "cancelled"])
async def test_a_job_without_a_picture_is_told_too(works: Works, outcome: Any) -> None:
    job = await works.ended(outcome)
    async with works.at_work("deliver"):
        await works.until(job, JobState.DELIVERED)
    assert [notice.files for notice in works.board.of(job.id)] == [[]]
    assert await works.spent() == 0


async def test_inline_pictures_are_kept_for_a_while_after_they_are_shown(works: Works) -> None:
    job = await works.ended(MADE, MADE, FAILED, spoiler=True)
    async with works.at_work("deliver"):
        await works.until(job, JobState.DELIVERED)
    (notice,) = works.board.of(job.id)
    assert [name for name, _ in notice.files] == [f"SPOILER_easel-{job.id}-1.png", f"SPOILER_easel-{job.id}-2.png"]
    assert [await works.store.read(jobs.image_of, job.id, n) is not None for n in range(3)] == [True, True, False]


async def test_inline_pictures_are_dropped_at_once_where_the_operator_wants_it(works: Works) -> None:
    careful = works.again(keep_images=False)
    job = await careful.ended(MADE)
    async with careful.at_work("deliver"):
        await careful.until(job, JobState.DELIVERED)
    assert await works.store.read(jobs.image_of, job.id, 0) is None
