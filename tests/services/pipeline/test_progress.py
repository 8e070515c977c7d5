"""Waiting messages say what is true, and never overwrite a result."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.domain.job import GenerationState, Job, JobState, ReplyTarget
from bot.services.pipeline.progress import steps_done
from bot.store import jobs
from tests.env.fake_discord import Notice, Trouble, Way
from tests.env.images import MADE
from tests.env.jobs import new_job, order_of
from tests.services.conftest import Pipeline, eventually

TWO_MINUTES_MS = 120_000


async def edits(pipeline: Pipeline) -> int:
    """How often waiting messages were edited, after one more turn."""
    await pipeline.progress.turn()
    return pipeline.board.asked[Way.PROGRESS]


def waiting(pipeline: Pipeline, job: Job) -> Notice:
    """The waiting message of a job."""
    return next(notice for notice in pipeline.board.notices.values() if notice.job_id == job.id)


async def usually(pipeline: Pipeline, took_ms: int) -> None:
    """A picture of the model was made in this time, and nothing else is known of it."""
    job = await pipeline.order()
    await start(pipeline, job)
    pipeline.clock.turn(took_ms)
    await pipeline.orders.settle(job.generations[0], MADE)


async def start(pipeline: Pipeline, job: Job, n: int = 0) -> None:
    await pipeline.store.write(jobs.start, job.id, n, pipeline.clock())


async def test_a_message_is_edited_when_there_is_news_and_only_then(pipeline: Pipeline) -> None:
    job = await pipeline.order(count=2)
    assert await edits(pipeline) == 0  # its member was just told
    await start(pipeline, job)
    assert [await edits(pipeline), await edits(pipeline)] == [1, 1]
    await pipeline.orders.settle((await pipeline.orders.job(job.id)).generations[0], MADE)
    assert await edits(pipeline) == 2


async def test_a_cancel_is_news(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await start(pipeline, job)
    assert await edits(pipeline) == 1
    await pipeline.cancel(job)
    assert await edits(pipeline) == 2


async def test_that_others_have_gone_ahead_is_news(pipeline: Pipeline) -> None:
    first, second = await pipeline.order(count=2), await pipeline.order()
    assert await edits(pipeline) == 0
    await start(pipeline, first)
    await edits(pipeline)
    assert pipeline.board.notices[(await pipeline.orders.job(second.id)).place.message_id or 0].edits == 1


async def test_after_a_restart_a_message_is_made_true_again(pipeline: Pipeline) -> None:
    await start(pipeline, await pipeline.order())
    next_run = await pipeline.again()
    await next_run.models.load()
    assert await edits(next_run) == 1


async def test_a_message_whose_first_answer_is_on_its_way_is_left_alone(pipeline: Pipeline) -> None:
    await pipeline.models.load()
    place = ReplyTarget(user_id=7, channel_id=5, guild_id=1, token="token", token_expires_at=pipeline.clock() + 60_000)
    job = (await pipeline.orders.order(await order_of(pipeline, "a red fox", place))).job
    await start(pipeline, job)
    assert await edits(pipeline) == 0
    await pipeline.orders.answered(job.id, pipeline.board.first_answer(job))
    assert await edits(pipeline) == 1


async def test_a_result_is_never_overwritten_by_a_waiting_text(pipeline: Pipeline) -> None:
    job = await pipeline.order(count=2)
    for n in range(2):
        await start(pipeline, job, n)
    pipeline.board.held[job.id] = asyncio.Event()
    async with pipeline.at_work("outbox"):
        telling = asyncio.create_task(pipeline.progress.turn())
        await eventually(lambda: is_telling(pipeline))
        for generation in job.generations:
            await pipeline.orders.settle(generation, MADE)
        pipeline.board.held[job.id].set()
        await pipeline.until(job, JobState.DELIVERED)
        await telling
    assert (await edits(pipeline), len(pipeline.board.of(job.id))) == (1, 1)


async def is_telling(pipeline: Pipeline) -> bool:
    return pipeline.board.asked[Way.PROGRESS] > 0


async def test_one_message_in_trouble_does_not_hold_up_the_others(pipeline: Pipeline) -> None:
    pipeline.board.trouble[Way.PROGRESS].extend([Trouble.ODD, Trouble.BUSY])
    for _ in range(3):
        await start(pipeline, await pipeline.order())
    assert await edits(pipeline) == 3


async def test_a_message_out_of_reach_is_not_asked_for_again_without_news(pipeline: Pipeline) -> None:
    pipeline.board.closed.add(Way.PROGRESS)
    await start(pipeline, await pipeline.order())
    assert [await edits(pipeline), await edits(pipeline)] == [1, 1]


# --- the bar ---------------------------------------------------------------------------------------------------------


def under_way(*submitted_at: int | None, ended: int = 0) -> Job:
    """Some pictures that have ended, and one for each time of sending (`None`: it waits)."""
    job = new_job(images=ended + len(submitted_at))
    times = [*[0] * ended, *submitted_at]
    states = [GenerationState.SUCCEEDED] * ended + [
        GenerationState.WAITING if at is None else GenerationState.RUNNING for at in submitted_at
    ]
    parts = [replace(g, state=state, submitted_at=at) for g, state, at in zip(job.generations, states, times, strict=True)]
    return replace(job, generations=tuple(parts))


@pytest.mark.parametrize(("now", "steps"), [(1000, 0), (1999, 0), (2000, 1), (6000, 5), (10_999, 9), (11_000, 9), (999_000, 9)])
def test_the_bar_follows_the_time_under_way_and_is_never_full(now: int, steps: int) -> None:
    assert steps_done(under_way(1000), 10_000, now) == steps


def test_of_several_pictures_each_has_its_share_of_the_bar() -> None:
    assert steps_done(under_way(1000, None, ended=2), 10_000, 6000) == 6
    assert steps_done(under_way(None, ended=3), 10_000, 6000) == 7


def test_without_a_usual_time_or_a_beginning_there_is_no_bar() -> None:
    assert steps_done(under_way(1000), None, 2000) is None
    assert steps_done(under_way(None), 10_000, 2000) is None


async def test_the_message_is_edited_for_each_step_of_the_bar_and_no_oftener(pipeline: Pipeline) -> None:
    await usually(pipeline, 60_000)
    job = await pipeline.order()
    await start(pipeline, job)
    seen = []
    for _ in range(8):
        seen.append((await edits(pipeline), waiting(pipeline, job).steps))
        pipeline.clock.turn(3000)
    assert seen == [(1, 0), (1, 0), (2, 1), (2, 1), (3, 2), (3, 2), (4, 3), (4, 3)]


# --- what takes long -------------------------------------------------------------------------------------------------


async def test_after_two_minutes_a_call_is_promised_and_the_bar_rests(pipeline: Pipeline) -> None:
    await usually(pipeline, 600_000)
    job = await pipeline.order()
    await start(pipeline, job)
    pipeline.clock.turn(TWO_MINUTES_MS - 10_000)
    assert (await edits(pipeline), waiting(pipeline, job).promised) == (1, False)
    pipeline.clock.turn(10_000)
    assert (await edits(pipeline), waiting(pipeline, job).promised, waiting(pipeline, job).steps) == (2, True, None)
    pipeline.clock.turn(100_000)
    assert await edits(pipeline) == 2
    assert (await pipeline.orders.job(job.id)).ping_promised is True


async def test_what_waits_long_is_promised_a_call_too(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    pipeline.clock.turn(TWO_MINUTES_MS)
    assert (await edits(pipeline), waiting(pipeline, job).promised) == (1, True)


async def test_a_promise_is_kept_by_the_next_run_and_told_again(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    pipeline.clock.turn(TWO_MINUTES_MS)
    pipeline.board.trouble[Way.PROGRESS].append(Trouble.BUSY)  # written, and then not told
    await edits(pipeline)
    next_run = await pipeline.again()
    await next_run.models.load()
    assert (await edits(next_run), waiting(pipeline, job).promised) == (2, True)


async def test_what_was_promised_is_not_written_again(pipeline: Pipeline) -> None:
    await pipeline.order()
    pipeline.clock.turn(TWO_MINUTES_MS)
    before = pipeline.store.commits
    for _ in range(5):
        await pipeline.progress.turn()
    assert pipeline.store.commits == before + 1


async def test_who_has_cancelled_is_promised_nothing(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await start(pipeline, job)
    await pipeline.cancel(job)
    pipeline.clock.turn(TWO_MINUTES_MS)
    assert (await edits(pipeline), (await pipeline.orders.job(job.id)).ping_promised) == (1, False)


async def test_what_a_reaction_asked_for_waits_without_a_word(pipeline: Pipeline) -> None:
    job = await pipeline.order(place=ReplyTarget(user_id=7, channel_id=5, reply_to=99), reaction="🎨", waits_in_public=False)
    await start(pipeline, job)
    pipeline.clock.turn(TWO_MINUTES_MS)
    assert (await edits(pipeline), (await pipeline.orders.job(job.id)).ping_promised) == (0, False)
