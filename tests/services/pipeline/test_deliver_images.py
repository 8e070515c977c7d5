"""Fetching pictures for delivery: expired links, uploads too large, results that are no pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.domain.job import GenerationState, Job, JobState, Outcome, ReplyTarget
from bot.domain.money.ledger import Entry
from bot.store import jobs
from sandbox.faults import Switchboard
from tests.env.fake_discord import Notice, Trouble, Way
from tests.env.images import LARGE, MADE
from tests.env.job_steps import entries
from tests.env.jobs import FAILED
from tests.services.conftest import Pipeline, eventually

PRICE = 1_000_000
KIB = 1024
SMALL_UPLOADS = ReplyTarget(user_id=7, channel_id=5, guild_id=1, upload_limit_bytes=1024 * KIB)
NO_PICTURE = Outcome(state=GenerationState.SUCCEEDED, content=b"<!doctype html>")


@pytest.fixture(autouse=True)
async def the_spool_is_empty_afterwards(pipeline: Pipeline) -> AsyncIterator[None]:
    yield
    assert list(pipeline.folder.iterdir()) == []


async def shown(pipeline: Pipeline, job: Job) -> Notice:
    """The finished message."""
    async with pipeline.at_work():
        await pipeline.until(job, JobState.DELIVERED)
    (notice,) = pipeline.board.of(job.id)
    return notice


# --- links -----------------------------------------------------------------------------------------------------------


async def test_a_picture_is_fetched_by_its_link_and_shown(pipeline: Pipeline) -> None:
    notice = await shown(pipeline, await pipeline.order(count=2))
    assert [name[-6:] for name, _ in notice.files] == ["-1.png", "-2.png"]
    assert notice.notes == ()
    assert await pipeline.spent() == 2 * PRICE


@pytest.mark.faults("result-expired")
async def test_an_expired_link_is_asked_for_anew(pipeline: Pipeline) -> None:
    notice = await shown(pipeline, await pipeline.order())
    assert len(notice.files) == 1
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("result-cut", times=1)
async def test_a_download_that_was_cut_is_tried_again(pipeline: Pipeline) -> None:
    notice = await shown(pipeline, await pipeline.order())
    assert len(notice.files) == 1
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("result-cut")
async def test_what_cannot_be_fetched_for_a_day_is_given_back(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.at_work():
        await eventually(lambda: was_tried(pipeline, job))
        pipeline.clock.turn(86_400_000)
        await pipeline.until(job, JobState.DELIVERED)
    (notice,) = pipeline.board.of(job.id)
    assert notice.notes == ("Picture 1 could not be used (the image service did not hand it out for a day). Its price was given back.",)
    assert await pipeline.spent() == 0


async def was_tried(pipeline: Pipeline, job: Job) -> bool:
    return await pipeline.attempts(job.id) > 0


# --- unusable results ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["result-not-image", "result-bomb", "result-huge", "result-elsewhere"])
async def test_a_result_that_is_no_usable_picture_is_told_and_given_back(pipeline: Pipeline, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault)
    notice = await shown(pipeline, await pipeline.order())
    assert notice.files == []
    assert [note.endswith("Its price was given back.") for note in notice.notes] == [True]
    assert await pipeline.spent() == 0


async def test_an_unusable_picture_is_given_back_once_however_often_delivery_is_tried(pipeline: Pipeline) -> None:
    pipeline.board.trouble[Way.MESSAGE].extend([Trouble.BUSY, Trouble.LOST])
    job = await pipeline.ended(NO_PICTURE, MADE)
    notice = await shown(pipeline, job)
    assert len(notice.files) == 1
    assert len(notice.notes) == 1  # still told, at the third attempt
    assert (await entries(pipeline.store))[job.id, 0, Entry.REFUND] == 1
    assert await pipeline.spent() == PRICE


async def test_what_was_given_back_is_not_counted_as_the_jobs_cost(pipeline: Pipeline) -> None:
    job = await pipeline.ended(NO_PICTURE, MADE, FAILED)
    await shown(pipeline, job)
    assert (await pipeline.orders.job(job.id)).spent == PRICE


async def test_a_picture_that_the_image_api_no_longer_keeps_is_given_back(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await pipeline.store.write(jobs.start, job.id, 0, pipeline.clock())
    await pipeline.store.write(jobs.accept, job.id, 0, "forgotten")
    gone = Outcome(state=GenerationState.SUCCEEDED, result_url=f"{pipeline.images.url}/results/gone.png?expires=1")
    await pipeline.store.write(jobs.settle, job.id, 0, gone, pipeline.clock())
    notice = await shown(pipeline, job)
    assert notice.notes == ("Picture 1 could not be used (the image service no longer keeps it). Its price was given back.",)
    assert await pipeline.spent() == 0


# --- uploads ---------------------------------------------------------------------------------------------------------


async def test_a_picture_over_the_upload_limit_is_made_to_fit_and_the_member_is_told(pipeline: Pipeline) -> None:
    notice = await shown(pipeline, await pipeline.ended(MADE, LARGE, place=SMALL_UPLOADS))
    (_, small), (name, size) = notice.files
    assert name.endswith("-2.jpg")
    assert small < size <= 1024 * KIB
    assert [note[:36] for note in notice.notes] == ["Picture 2 was re-encoded as JPEG to "]


async def test_an_upload_that_discord_refuses_is_made_smaller_until_it_is_taken(pipeline: Pipeline) -> None:
    pipeline.board.upload_limit_bytes = 300 * KIB
    notice = await shown(pipeline, await pipeline.ended(LARGE, place=replace(SMALL_UPLOADS, upload_limit_bytes=2048 * KIB)))
    assert pipeline.board.asked[Way.MESSAGE] > 1
    assert notice.files[0][1] <= 300 * KIB
    assert len(notice.notes) == 1


async def test_where_discord_takes_no_upload_at_all_it_is_tried_again_later(pipeline: Pipeline) -> None:
    pipeline.board.upload_limit_bytes = 0
    job = await pipeline.ended(LARGE, place=SMALL_UPLOADS)
    async with pipeline.at_work("outbox"):
        await eventually(lambda: was_tried(pipeline, job))
        pipeline.board.upload_limit_bytes = 10**9
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.board.of(job.id)) == 1
