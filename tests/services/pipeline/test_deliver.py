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
from tests.env.fake_discord import Trouble, Way
from tests.env.images import MADE
from tests.env.jobs import CANCELLED, FAILED, order_of
from tests.services.conftest import Pipeline, eventually

PLACE = ReplyTarget(user_id=7, channel_id=5, guild_id=1)
ANSWERED_FIRST = replace(PLACE, token="expired")  # by the interaction, which is over
LIVING = {"application_id": 3, "token": "token", "token_expires_at": 2**60}
PATIENT = Timing(stranded_s=0.1)


async def show(pipeline: Pipeline, *closed: Way, **place: Any) -> list[Way]:
    """Deliver one job; the ways that were tried."""
    pipeline.board.closed |= set(closed)
    job = await pipeline.ended(MADE, place=replace(PLACE, **place))
    async with pipeline.at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED, JobState.STRANDED)
    return list(pipeline.board.asked)


# --- the ways, best first --------------------------------------------------------------------------------------------


async def test_while_the_token_lives_the_first_answer_is_edited_by_it(pipeline: Pipeline) -> None:
    assert await show(pipeline, **LIVING) == [Way.TOKEN]
    (notice,) = pipeline.board.notices.values()
    assert (notice.finished, [name for name, _ in notice.files]) == (True, [f"easel-{notice.job_id}-1.png"])


async def test_afterwards_the_message_is_edited_by_the_bots_own_right(pipeline: Pipeline) -> None:
    assert await show(pipeline, token="token", token_expires_at=1) == [Way.MESSAGE]


async def test_where_the_message_is_gone_a_new_one_is_sent(pipeline: Pipeline) -> None:
    assert await show(pipeline, Way.TOKEN, Way.MESSAGE, **LIVING) == [Way.TOKEN, Way.MESSAGE, Way.CHANNEL]
    assert [notice.channel_id for notice in pipeline.board.notices.values() if notice.finished] == [5]


async def test_where_the_channel_is_closed_the_member_is_written_to(pipeline: Pipeline) -> None:
    assert await show(pipeline, Way.MESSAGE, Way.CHANNEL) == [Way.MESSAGE, Way.CHANNEL, Way.MEMBER]
    assert [notice.channel_id for notice in pipeline.board.notices.values() if notice.finished] == [-7]


async def test_a_private_picture_is_never_shown_in_public(pipeline: Pipeline) -> None:
    assert await show(pipeline, private=True) == [Way.MEMBER]


async def test_where_every_way_is_closed_it_is_kept_and_shown_when_one_opens(pipeline: Pipeline) -> None:
    patient = await pipeline.again(timing=PATIENT)
    pipeline.board.closed |= {Way.MESSAGE, Way.CHANNEL, Way.MEMBER}
    job = await patient.ended(MADE)
    async with patient.at_work("outbox"):
        await patient.until(job, JobState.STRANDED)
        pipeline.board.closed.clear()
        shown = await patient.until(job, JobState.DELIVERED)
    assert len(pipeline.board.of(job.id)) == 1
    assert shown.delivered_at is not None


# --- trouble on the way ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("closed", [set(), {Way.MESSAGE}, {Way.MESSAGE, Way.CHANNEL}], ids=["edit", "channel", "member"])
async def test_whatever_goes_wrong_it_is_shown_once(pipeline: Pipeline, trouble: Trouble, closed: set[Way]) -> None:
    pipeline.board.closed, pipeline.board.nonces_last = closed, False
    for way in (Way.MESSAGE, Way.CHANNEL, Way.MEMBER):
        pipeline.board.trouble[way].append(trouble)
    job = await pipeline.ended(MADE)
    async with pipeline.at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.board.of(job.id)) == 1


async def test_a_post_whose_answer_was_lost_is_found_and_not_sent_again(pipeline: Pipeline) -> None:
    pipeline.board.nonces_last = False
    pipeline.board.trouble[Way.CHANNEL].append(Trouble.LOST)
    assert await show(pipeline, Way.MESSAGE) == [Way.MESSAGE, Way.CHANNEL, Way.HISTORY]
    assert pipeline.board.asked[Way.CHANNEL] == 1
    assert sum(notice.finished for notice in pipeline.board.notices.values()) == 1


async def test_a_post_that_did_not_arrive_is_looked_for_and_sent_again(pipeline: Pipeline) -> None:
    pipeline.board.trouble[Way.CHANNEL].append(Trouble.BUSY)
    assert await show(pipeline, Way.MESSAGE) == [Way.MESSAGE, Way.CHANNEL, Way.HISTORY]
    assert pipeline.board.asked[Way.CHANNEL] == 2


async def test_a_run_killed_between_the_post_and_its_record_is_taken_up_by_the_next(pipeline: Pipeline) -> None:
    pipeline.board.closed, pipeline.board.nonces_last = {Way.MESSAGE}, False
    job = await pipeline.ended(MADE)
    pipeline.board.trouble[Way.CHANNEL].append(Trouble.LOST)  # sent, and then nothing is known of it
    slow = await pipeline.again(timing=replace(BRISK, retry_min_s=60, retry_max_s=60))
    async with slow.at_work("outbox", grace_s=0):
        await eventually(lambda: is_posted(pipeline, job.id))
    pipeline.clock.turn(60_000)
    async with (await pipeline.again()).at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.board.of(job.id)) == 1


async def is_posted(pipeline: Pipeline, job_id: str) -> bool:
    return bool(pipeline.board.of(job_id)) and await pipeline.attempts(job_id) == 1


async def test_a_run_killed_right_after_its_claim_is_taken_up_by_the_next(pipeline: Pipeline) -> None:
    job = await pipeline.ended(MADE)
    (item,) = await pipeline.store.read(outbox.due, pipeline.clock())
    assert await pipeline.store.write(outbox.claim, item, now=pipeline.clock(), again_at=pipeline.clock() + 50)
    async with (await pipeline.again()).at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert (len(pipeline.board.of(job.id)), await pipeline.store.read(outbox.get, job.id)) == (1, None)


async def test_a_run_killed_during_an_edit_is_taken_up_by_the_next(pipeline: Pipeline) -> None:
    job = await pipeline.ended(MADE)
    pipeline.board.held[job.id] = asyncio.Event()
    async with pipeline.at_work("outbox", grace_s=0):
        await eventually(lambda: has_asked(pipeline, Way.MESSAGE))
    pipeline.board.held.clear()
    async with (await pipeline.again()).at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.board.of(job.id)) == 1
    assert list(pipeline.folder.iterdir()) == []


async def has_asked(pipeline: Pipeline, way: Way) -> bool:
    return pipeline.board.asked[way] > 0


async def test_one_that_fails_every_time_does_not_hold_up_the_others(pipeline: Pipeline) -> None:
    pipeline.board.trouble[Way.MESSAGE].extend([Trouble.ODD] * 3)
    poisoned = await pipeline.ended(MADE)
    async with pipeline.at_work("outbox"):
        await eventually(lambda: was_tried(pipeline, poisoned.id))
        for _ in range(3):
            await pipeline.until(await pipeline.ended(MADE), JobState.DELIVERED)
        await pipeline.until(poisoned, JobState.DELIVERED)
    assert len(pipeline.board.of(poisoned.id)) == 1


async def was_tried(pipeline: Pipeline, job_id: str) -> bool:
    return await pipeline.attempts(job_id) > 0


async def test_one_that_takes_long_does_not_hold_up_the_others(pipeline: Pipeline) -> None:
    slow = await pipeline.ended(MADE)
    pipeline.board.held[slow.id] = asyncio.Event()
    async with pipeline.at_work("outbox"):
        await eventually(lambda: has_asked(pipeline, Way.MESSAGE))
        await pipeline.until(await pipeline.ended(MADE), JobState.DELIVERED)
        pipeline.board.held[slow.id].set()
        await pipeline.until(slow, JobState.DELIVERED)
    assert len(pipeline.board.of(slow.id)) == 1


async def test_after_a_week_nobody_tries_any_more(pipeline: Pipeline) -> None:
    pipeline.board.closed |= {Way.MESSAGE, Way.CHANNEL, Way.MEMBER}
    job = await pipeline.ended(MADE)
    pipeline.clock.turn(8 * 86_400_000)
    async with pipeline.at_work("outbox"):
        await eventually(lambda: is_given_up(pipeline, job.id))
    assert (await pipeline.orders.job(job.id)).state is JobState.STRANDED


async def is_given_up(pipeline: Pipeline, job_id: str) -> bool:
    return await pipeline.store.read(outbox.get, job_id) is None


# --- while the first answer is on its way ----------------------------------------------------------------------------


async def test_nothing_is_shown_before_the_first_answer_has_arrived(pipeline: Pipeline) -> None:
    receipt = await pipeline.orders.order(await order_of(pipeline, "a red fox", ANSWERED_FIRST))
    await pipeline.cancel(receipt.job)
    async with pipeline.at_work("outbox"):
        other = await pipeline.ended(MADE)
        await pipeline.until(other, JobState.DELIVERED)
        assert pipeline.board.of(receipt.job.id) == []
        await pipeline.orders.answered(receipt.job.id, pipeline.board.first_answer(receipt.job))
        await pipeline.until(receipt.job, JobState.DELIVERED)
    assert pipeline.board.asked == {Way.MESSAGE: 2}


async def test_a_first_answer_that_never_comes_holds_nothing_up_for_long(pipeline: Pipeline) -> None:
    receipt = await pipeline.orders.order(await order_of(pipeline, "a red fox", ANSWERED_FIRST))
    await pipeline.cancel(receipt.job)
    pipeline.clock.turn(121_000)
    async with pipeline.at_work("outbox"):
        await pipeline.until(receipt.job, JobState.DELIVERED)
    assert pipeline.board.asked == {Way.CHANNEL: 1}


# --- what is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [FAILED, CANCELLED], ids=["failed", "cancelled"])
async def test_a_job_without_a_picture_is_told_too(pipeline: Pipeline, outcome: Any) -> None:
    job = await pipeline.ended(outcome)
    async with pipeline.at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert [notice.files for notice in pipeline.board.of(job.id)] == [[]]
    assert await pipeline.spent() == 0


async def test_inline_pictures_are_kept_for_a_while_after_they_are_shown(pipeline: Pipeline) -> None:
    job = await pipeline.ended(MADE, MADE, FAILED, spoiler=True)
    async with pipeline.at_work("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    (notice,) = pipeline.board.of(job.id)
    assert [name for name, _ in notice.files] == [f"SPOILER_easel-{job.id}-1.png", f"SPOILER_easel-{job.id}-2.png"]
    assert [await pipeline.store.read(jobs.image_of, job.id, n) is not None for n in range(3)] == [True, True, False]


async def test_inline_pictures_are_dropped_at_once_where_the_operator_wants_it(pipeline: Pipeline) -> None:
    careful = await pipeline.again(PICTURES_KEEP_DAYS="0")
    job = await careful.ended(MADE)
    async with careful.at_work("outbox"):
        await careful.until(job, JobState.DELIVERED)
    assert await pipeline.store.read(jobs.image_of, job.id, 0) is None
