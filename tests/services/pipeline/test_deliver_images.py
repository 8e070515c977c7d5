"""Fetching images for delivery: expired links, large uploads, unusable results."""

from __future__ import annotations

import io
from dataclasses import replace

import pillow_heif
import pytest
from PIL import Image

from bot.domain.job import GenerationState, Job, JobState, Outcome, ReplyTarget
from bot.domain.money.ledger import Entry
from bot.services.pipeline.delivery import fitting
from bot.store import delivery, steps
from cogs.kit import job_texts
from sandbox.faults import Switchboard
from tests.env.fake_discord import DiscordFault, DiscordRoute, FakeMessage
from tests.env.images import LARGE, MADE, png
from tests.env.job_steps import entries
from tests.env.jobs import FAILED
from tests.services.conftest import Pipeline, eventually

pytestmark = pytest.mark.usefixtures("spool_is_emptied")

PRICE = 1_000_000
KIB = 1024
SMALL_UPLOADS = ReplyTarget(user_id=7, channel_id=5, guild_id=1, upload_limit_bytes=1024 * KIB)
NOT_AN_IMAGE = Outcome(state=GenerationState.SUCCEEDED, content=b"<!doctype html>")


async def shown(pipeline: Pipeline, job: Job) -> FakeMessage:
    """Deliver the job; returns its message."""
    async with pipeline.running():
        await pipeline.until(job, JobState.DELIVERED)
    (message,) = pipeline.discord.results_of(job.id)
    return message


# --- links -----------------------------------------------------------------------------------------------------------


async def test_an_image_is_fetched_by_its_link_and_shown(pipeline: Pipeline) -> None:
    message = await shown(pipeline, await pipeline.order(count=2))
    assert [name[-6:] for name, _ in message.files] == ["-1.png", "-2.png"]
    assert message.notes == ()
    assert await pipeline.spent() == 2 * PRICE


@pytest.mark.faults("result-expired")
async def test_an_expired_link_is_renewed(pipeline: Pipeline) -> None:
    message = await shown(pipeline, await pipeline.order())
    assert len(message.files) == 1
    assert await pipeline.spent() == PRICE


@pytest.mark.parametrize("fault", ["result-compressed", "result-locked", "result-long-header", "result-odd-link"])
async def test_an_image_is_fetched_however_it_is_served(pipeline: Pipeline, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault)
    message = await shown(pipeline, await pipeline.order())
    assert (len(message.files), message.notes) == (1, ())
    assert await pipeline.spent() == PRICE


PASSING = ("cut", "short", "late", "busy", "not-image", "huge", "elsewhere", "locked")


@pytest.mark.parametrize("fault", [f"result-{name}" for name in PASSING])
async def test_a_download_that_fails_for_a_while_is_retried(pipeline: Pipeline, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault, times=3)
    message = await shown(pipeline, await pipeline.order())
    assert (len(message.files), message.notes) == (1, ())
    assert await pipeline.spent() == PRICE


@pytest.mark.parametrize("fault", ["result-cut", "result-short", "result-late", "result-busy", "result-not-image", "result-huge"])
async def test_an_image_that_cannot_be_fetched_for_a_day_is_refunded(pipeline: Pipeline, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault)
    job = await pipeline.order()
    async with pipeline.running():
        await eventually(lambda: was_tried(pipeline, job))
        assert await pipeline.spent() == PRICE
        pipeline.clock.advance(86_400_000)
        await pipeline.until(job, JobState.DELIVERED)
    (message,) = pipeline.discord.results_of(job.id)
    assert message.notes == ("Image 1 couldn't be used. It couldn't be downloaded for a day. You were refunded.",)
    assert await pipeline.spent() == 0


@pytest.mark.faults("result-late")
async def test_the_waiting_message_says_that_a_finished_image_is_on_its_way(pipeline: Pipeline) -> None:
    async def says_so() -> int:
        await pipeline.progress.turn()
        return pipeline.discord.calls[DiscordRoute.PROGRESS]

    job = await pipeline.order()
    async with pipeline.running():
        await eventually(lambda: was_tried_again(pipeline, job))
        assert await says_so() == 0
        pipeline.clock.advance(10_000)
        await eventually(says_so)
    receipt = await pipeline.orders.waiting_for(await pipeline.orders.job(job.id))
    assert "ready but can't be loaded yet" in job_texts.waiting(receipt)


@pytest.mark.faults("result-expired")
async def test_one_attempt_uses_one_fresh_link(pipeline: Pipeline, switchboard: Switchboard) -> None:
    switchboard.turn_on("result-late")
    job = await pipeline.order()
    async with pipeline.running("dispatch", "watch"):
        await pipeline.until(job, JobState.DELIVERABLE)
    before = len(pipeline.images.received("GET", "/api/ai/queue/"))
    async with pipeline.running("outbox"):
        await eventually(lambda: was_tried_again(pipeline, job))
    assert len(pipeline.images.received("GET", "/api/ai/queue/")) - before <= await pipeline.attempts(job.id)


async def was_tried(pipeline: Pipeline, job: Job) -> bool:
    return await pipeline.attempts(job.id) > 0


# --- results on other hosts ------------------------------------------------------------------------------------------


async def test_a_result_on_a_host_that_nothing_lists_is_not_fetched_and_not_lost(pipeline: Pipeline) -> None:
    elsewhere = Outcome(state=GenerationState.SUCCEEDED, result_url="https://elsewhere.invalid/fox.png")
    job = await pipeline.ended_job(elsewhere)
    async with pipeline.running():
        await eventually(lambda: was_tried(pipeline, job))
        pipeline.clock.advance(2 * 86_400_000)
        await eventually(lambda: was_tried_later(pipeline, job))
    assert (await pipeline.orders.job(job.id)).state is JobState.DELIVERABLE
    assert await pipeline.spent() == PRICE
    assert await pipeline.store.read(delivery.waiting_links) == [("oxen", elsewhere.result_url)]


async def was_tried_again(pipeline: Pipeline, job: Job) -> bool:
    return await pipeline.attempts(job.id) > 1


async def was_tried_later(pipeline: Pipeline, job: Job) -> bool:
    """The pauses grow to a quarter of an hour."""
    pipeline.clock.advance(1_000_000)
    return await was_tried_again(pipeline, job)


# --- unusable results ------------------------------------------------------------------------------------------------


@pytest.mark.faults("result-bomb")
async def test_an_image_of_too_many_pixels_is_refunded_at_once(pipeline: Pipeline) -> None:
    message = await shown(pipeline, await pipeline.order())
    assert message.files == []
    assert [note.endswith("You were refunded.") for note in message.notes] == [True]
    assert await pipeline.spent() == 0


async def test_an_unusable_image_is_refunded_once_in_several_attempts(pipeline: Pipeline) -> None:
    pipeline.discord.faults[DiscordRoute.MESSAGE].extend([DiscordFault.BUSY, DiscordFault.LOST])
    job = await pipeline.ended_job(NOT_AN_IMAGE, MADE)
    message = await shown(pipeline, job)
    assert len(message.files) == 1
    assert len(message.notes) == 1  # also at the third attempt
    assert (await entries(pipeline.store))[job.id, 0, Entry.REFUND] == 1
    assert await pipeline.spent() == PRICE


async def test_a_refund_does_not_count_as_the_jobs_cost(pipeline: Pipeline) -> None:
    job = await pipeline.ended_job(NOT_AN_IMAGE, MADE, FAILED)
    await shown(pipeline, job)
    assert (await pipeline.orders.job(job.id)).spent == PRICE


async def test_an_image_that_the_image_api_deleted_is_refunded_after_a_day(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await pipeline.store.write(steps.start, job.id, 0, pipeline.clock())
    await pipeline.store.write(steps.accept, job.id, 0, "forgotten")
    gone = Outcome(state=GenerationState.SUCCEEDED, result_url=f"{pipeline.images.url}/results/gone.png?expires=1")
    await pipeline.store.write(steps.settle, job.id, 0, gone, pipeline.clock())
    pipeline.clock.advance(86_400_000)
    message = await shown(pipeline, job)
    assert message.notes == ("Image 1 couldn't be used. It couldn't be downloaded for a day. You were refunded.",)
    assert await pipeline.spent() == 0


async def test_an_inline_jpeg_is_sent_byte_for_byte(pipeline: Pipeline) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png(64, 48, noise=True))).save(buffer, "JPEG", quality=40)
    message = await shown(pipeline, await pipeline.ended_job(Outcome(state=GenerationState.SUCCEEDED, content=buffer.getvalue())))
    assert [size for _name, size in message.files] == [len(buffer.getvalue())]


async def test_a_heic_becomes_a_png(pipeline: Pipeline) -> None:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), "teal")).save(buffer)
    message = await shown(pipeline, await pipeline.ended_job(Outcome(state=GenerationState.SUCCEEDED, content=buffer.getvalue())))
    assert [name.rpartition(".")[2] for name, _size in message.files] == ["png"]
    assert message.notes == ("Image 1 was converted from HEIC to PNG.",)


# --- uploads ---------------------------------------------------------------------------------------------------------


async def test_an_image_over_the_upload_limit_is_re_encoded_with_a_note(pipeline: Pipeline) -> None:
    message = await shown(pipeline, await pipeline.ended_job(MADE, LARGE, place=SMALL_UPLOADS))
    (_, small), (name, size) = message.files
    assert name.endswith("-2.jpg")
    assert small < size <= 1024 * KIB
    assert [note[:36] for note in message.notes] == ["Image 2 was converted to JPEG to fit"]


async def test_a_refused_upload_is_made_smaller_until_discord_accepts_it(pipeline: Pipeline) -> None:
    pipeline.discord.upload_limit_bytes = 300 * KIB
    message = await shown(pipeline, await pipeline.ended_job(LARGE, place=replace(SMALL_UPLOADS, upload_limit_bytes=2048 * KIB)))
    assert pipeline.discord.calls[DiscordRoute.MESSAGE] > 1
    assert message.files[0][1] <= 300 * KIB
    assert len(message.notes) == 1


async def test_delivery_is_retried_later_if_discord_refuses_all_uploads(pipeline: Pipeline) -> None:
    pipeline.discord.upload_limit_bytes = 0
    job = await pipeline.ended_job(LARGE, place=SMALL_UPLOADS)
    async with pipeline.running("outbox"):
        await eventually(lambda: was_tried(pipeline, job))
        pipeline.discord.upload_limit_bytes = 10**9
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(job.id)) == 1


async def test_the_images_of_a_message_fit_into_one_request(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "_REQUEST_BYTES", 1024 * KIB)
    message = await shown(
        pipeline, await pipeline.ended_job(LARGE, LARGE, MADE, place=replace(SMALL_UPLOADS, upload_limit_bytes=1000 * KIB))
    )
    assert sum(size for _name, size in message.files) <= 1024 * KIB
    assert (pipeline.discord.calls[DiscordRoute.MESSAGE], message.files[2][0][-3:]) == (1, "png")
