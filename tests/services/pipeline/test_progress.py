"""Waiting messages are kept up to date, and never overwrite a result."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.domain.job import GenerationState, Job, JobState, ReplyTarget
from bot.services.pipeline.progress import steps_done
from bot.store import steps
from tests.env.fake_discord import DiscordFault, DiscordRoute, FakeMessage
from tests.env.images import MADE
from tests.env.jobs import new_job, order_of
from tests.services.conftest import Pipeline, eventually

TWO_MINUTES_MS = 120_000


async def edits(pipeline: Pipeline) -> int:
    """Check all open jobs once; returns the total number of edits of waiting messages."""
    await pipeline.progress.turn()
    return pipeline.discord.calls[DiscordRoute.PROGRESS]


def waiting_message(pipeline: Pipeline, job: Job) -> FakeMessage:
    return next(message for message in pipeline.discord.messages.values() if message.job_id == job.id)


async def set_usual_time(pipeline: Pipeline, took_ms: int) -> None:
    """Make one image in this time, so that it is the model's usual time."""
    job = await pipeline.order()
    await start(pipeline, job)
    pipeline.clock.advance(took_ms)
    await pipeline.orders.settle(job.generations[0], MADE)


async def start(pipeline: Pipeline, job: Job, n: int = 0) -> None:
    await pipeline.store.write(steps.start, job.id, n, pipeline.clock())


async def test_a_message_is_edited_only_if_its_content_changes(pipeline: Pipeline) -> None:
    job = await pipeline.order(count=2)
    assert await edits(pipeline) == 0  # the first response is up to date
    await start(pipeline, job)
    assert [await edits(pipeline), await edits(pipeline)] == [1, 1]
    await pipeline.orders.settle((await pipeline.orders.job(job.id)).generations[0], MADE)
    assert await edits(pipeline) == 2


async def test_a_cancel_edits_the_message(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await start(pipeline, job)
    assert await edits(pipeline) == 1
    await pipeline.cancel(job)
    assert await edits(pipeline) == 2


async def test_a_new_queue_position_edits_the_message(pipeline: Pipeline) -> None:
    first, second = await pipeline.order(count=2), await pipeline.order()
    assert await edits(pipeline) == 0
    await start(pipeline, first)
    await edits(pipeline)
    assert pipeline.discord.messages[(await pipeline.orders.job(second.id)).place.message_id or 0].edits == 1


async def test_after_a_restart_the_message_is_updated(pipeline: Pipeline) -> None:
    await start(pipeline, await pipeline.order())
    next_run = await pipeline.restart()
    await next_run.models.load()
    assert await edits(next_run) == 1


async def test_a_message_is_not_edited_before_the_first_response(pipeline: Pipeline) -> None:
    await pipeline.models.load()
    place = ReplyTarget(user_id=7, channel_id=5, guild_id=1, token="token", token_expires_at=pipeline.clock() + 60_000)
    job = (await pipeline.orders.order(await order_of(pipeline, "a red fox", place))).job
    await start(pipeline, job)
    assert await edits(pipeline) == 0
    await pipeline.orders.answered(job.id, pipeline.discord.post_waiting_message(job))
    assert await edits(pipeline) == 1


async def test_a_result_is_never_overwritten_by_a_waiting_message(pipeline: Pipeline) -> None:
    job = await pipeline.order(count=2)
    for n in range(2):
        await start(pipeline, job, n)
    pipeline.discord.blocked[job.id] = asyncio.Event()
    async with pipeline.running("outbox"):
        updating = asyncio.create_task(pipeline.progress.turn())
        await eventually(lambda: is_updating(pipeline))
        for generation in job.generations:
            await pipeline.orders.settle(generation, MADE)
        pipeline.discord.blocked[job.id].set()
        await pipeline.until(job, JobState.DELIVERED)
        await updating
    assert (await edits(pipeline), len(pipeline.discord.results_of(job.id))) == (1, 1)


async def is_updating(pipeline: Pipeline) -> bool:
    return pipeline.discord.calls[DiscordRoute.PROGRESS] > 0


async def test_one_failed_edit_does_not_block_the_others(pipeline: Pipeline) -> None:
    pipeline.discord.faults[DiscordRoute.PROGRESS].extend([DiscordFault.UNEXPECTED, DiscordFault.BUSY])
    for _ in range(3):
        await start(pipeline, await pipeline.order())
    assert await edits(pipeline) == 3


async def test_a_failed_edit_is_not_repeated_until_the_content_changes(pipeline: Pipeline) -> None:
    pipeline.discord.closed.add(DiscordRoute.PROGRESS)
    await start(pipeline, await pipeline.order())
    assert [await edits(pipeline), await edits(pipeline)] == [1, 1]


# --- the progress bar ------------------------------------------------------------------------------------------------


def job_in_progress(*submitted_at: int | None, ended: int = 0) -> Job:
    """A job with ended generations, and one for each time of sending (`None`: it waits)."""
    job = new_job(images=ended + len(submitted_at))
    times = [*[0] * ended, *submitted_at]
    states = [GenerationState.SUCCEEDED] * ended + [
        GenerationState.WAITING if at is None else GenerationState.RUNNING for at in submitted_at
    ]
    parts = [replace(g, state=state, submitted_at=at) for g, state, at in zip(job.generations, states, times, strict=True)]
    return replace(job, generations=tuple(parts))


@pytest.mark.parametrize(("now", "steps"), [(1000, 0), (1999, 0), (2000, 1), (6000, 5), (10_999, 9), (11_000, 9), (999_000, 9)])
def test_the_progress_bar_follows_the_elapsed_time_and_is_never_full(now: int, steps: int) -> None:
    assert steps_done(job_in_progress(1000), 10_000, now) == steps


def test_the_progress_bar_averages_all_images() -> None:
    assert steps_done(job_in_progress(1000, None, ended=2), 10_000, 6000) == 6
    assert steps_done(job_in_progress(None, ended=3), 10_000, 6000) == 7


def test_there_is_no_progress_bar_without_a_usual_time_or_a_start() -> None:
    assert steps_done(job_in_progress(1000), None, 2000) is None
    assert steps_done(job_in_progress(None), 10_000, 2000) is None


async def test_the_message_is_edited_once_for_each_step_of_the_progress_bar(pipeline: Pipeline) -> None:
    await set_usual_time(pipeline, 60_000)
    job = await pipeline.order()
    await start(pipeline, job)
    seen = []
    for _ in range(8):
        seen.append((await edits(pipeline), waiting_message(pipeline, job).steps))
        pipeline.clock.advance(3000)
    assert seen == [(1, 0), (1, 0), (2, 1), (2, 1), (3, 2), (3, 2), (4, 3), (4, 3)]


async def test_the_bar_never_goes_back(pipeline: Pipeline) -> None:
    await set_usual_time(pipeline, 60_000)
    job = await pipeline.order()
    await start(pipeline, job)
    pipeline.clock.advance(33_000)
    await edits(pipeline)
    await pipeline.store.write(steps.put_back, job.id, 0, not_before=0, now=pipeline.clock())
    await edits(pipeline)
    await start(pipeline, job)
    await edits(pipeline)
    assert waiting_message(pipeline, job).steps == 5


async def test_a_place_that_has_changed_since_the_answer_edits_the_message(pipeline: Pipeline) -> None:
    """The member was told of two images ahead, of which one was sent before the first turn."""
    first = await pipeline.order(count=2)
    second = await pipeline.order()
    await start(pipeline, first)
    await edits(pipeline)
    assert waiting_message(pipeline, second).edits == 1


async def test_a_slow_image_edits_the_message_once(pipeline: Pipeline) -> None:
    await set_usual_time(pipeline, 20_000)
    job = await pipeline.order()
    await start(pipeline, job)
    pipeline.clock.advance(20_000)
    before = await edits(pipeline)
    pipeline.clock.advance(6_000)
    assert [await edits(pipeline) - before, await edits(pipeline) - before] == [1, 1]


# --- promised pings --------------------------------------------------------------------------------------------------


async def test_after_two_minutes_a_ping_is_promised_instead_of_the_progress_bar(pipeline: Pipeline) -> None:
    await set_usual_time(pipeline, 600_000)
    job = await pipeline.order()
    await start(pipeline, job)
    pipeline.clock.advance(TWO_MINUTES_MS - 10_000)
    assert (await edits(pipeline), waiting_message(pipeline, job).promised) == (1, False)
    pipeline.clock.advance(10_000)
    assert (await edits(pipeline), waiting_message(pipeline, job).promised, waiting_message(pipeline, job).steps) == (2, True, None)
    pipeline.clock.advance(100_000)
    assert await edits(pipeline) == 2
    assert (await pipeline.orders.job(job.id)).ping_promised is True


async def test_a_ping_is_promised_for_a_job_that_waits_long(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    pipeline.clock.advance(TWO_MINUTES_MS)
    assert (await edits(pipeline), waiting_message(pipeline, job).promised) == (1, True)


async def test_a_promised_ping_survives_a_restart_and_is_shown_again(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    pipeline.clock.advance(TWO_MINUTES_MS)
    pipeline.discord.faults[DiscordRoute.PROGRESS].append(DiscordFault.BUSY)  # written, but not shown
    await edits(pipeline)
    next_run = await pipeline.restart()
    await next_run.models.load()
    assert (await edits(next_run), waiting_message(pipeline, job).promised) == (2, True)


async def test_a_promised_ping_is_written_once(pipeline: Pipeline) -> None:
    await pipeline.order()
    pipeline.clock.advance(TWO_MINUTES_MS)
    before = pipeline.store.commits
    for _ in range(5):
        await pipeline.progress.turn()
    assert pipeline.store.commits == before + 1


async def test_no_ping_is_promised_for_a_cancelled_job(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await start(pipeline, job)
    await pipeline.cancel(job)
    pipeline.clock.advance(TWO_MINUTES_MS)
    assert (await edits(pipeline), (await pipeline.orders.job(job.id)).ping_promised) == (1, False)


async def test_a_job_of_a_reaction_has_no_waiting_message(pipeline: Pipeline) -> None:
    job = await pipeline.order(place=ReplyTarget(user_id=7, channel_id=5, reply_to=99), reaction="🎨", has_message=False)
    await start(pipeline, job)
    pipeline.clock.advance(TWO_MINUTES_MS)
    assert (await edits(pipeline), (await pipeline.orders.job(job.id)).ping_promised) == (0, False)
