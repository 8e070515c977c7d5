"""Waiting messages say what is true, and never overwrite a result."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.domain.job import GenerationState, Job, JobState, ReplyTarget
from bot.services.pipeline.progress import steps_done
from bot.store import jobs
from tests.env.fake_delivery import Notice, Trouble, Way
from tests.env.images import MADE
from tests.env.jobs import new_job, wish
from tests.services.conftest import Works, eventually

TWO_MINUTES_MS = 120_000


async def edits(works: Works) -> int:
    """How often waiting messages were edited, after one more turn."""
    await works.progress.turn()
    return works.board.asked[Way.PROGRESS]


def waiting(works: Works, job: Job) -> Notice:
    """The waiting message of a job."""
    return next(notice for notice in works.board.notices.values() if notice.job_id == job.id)


async def usually(works: Works, took_ms: int) -> None:
    """A picture of the model was made in this time, and nothing else is known of it."""
    job = await works.order()
    await start(works, job)
    works.clock.turn(took_ms)
    await works.orders.settle(job.generations[0], MADE)


async def start(works: Works, job: Job, n: int = 0) -> None:
    await works.store.write(jobs.start, job.id, n, works.clock())


async def test_a_message_is_edited_when_there_is_news_and_only_then(works: Works) -> None:
    job = await works.order(count=2)
    assert await edits(works) == 0  # its member was just told
    await start(works, job)
    assert [await edits(works), await edits(works)] == [1, 1]
    await works.orders.settle((await works.orders.job(job.id)).generations[0], MADE)
    assert await edits(works) == 2


async def test_a_cancel_is_news(works: Works) -> None:
    job = await works.order()
    await start(works, job)
    assert await edits(works) == 1
    await works.cancel(job)
    assert await edits(works) == 2


async def test_that_others_have_gone_ahead_is_news(works: Works) -> None:
    first, second = await works.order(count=2), await works.order()
    assert await edits(works) == 0
    await start(works, first)
    await edits(works)
    assert works.board.notices[(await works.orders.job(second.id)).place.message_id or 0].edits == 1


async def test_after_a_restart_a_message_is_made_true_again(works: Works) -> None:
    await start(works, await works.order())
    next_run = works.again()
    await next_run.models.load()
    assert await edits(next_run) == 1


async def test_a_message_whose_first_answer_is_on_its_way_is_left_alone(works: Works) -> None:
    await works.models.load()
    place = ReplyTarget(user_id=7, channel_id=5, guild_id=1, token="token", token_expires_at=works.clock() + 60_000)
    job = (await works.orders.order(await wish(works, "a red fox", place))).job
    await start(works, job)
    assert await edits(works) == 0
    await works.orders.answered(job.id, works.board.first_answer(job))
    assert await edits(works) == 1


async def test_a_result_is_never_overwritten_by_a_waiting_text(works: Works) -> None:
    job = await works.order(count=2)
    for n in range(2):
        await start(works, job, n)
    works.board.doors[job.id] = asyncio.Event()
    async with works.at_work("deliver"):
        telling = asyncio.create_task(works.progress.turn())
        await eventually(lambda: is_telling(works))
        for generation in job.generations:
            await works.orders.settle(generation, MADE)
        works.board.doors[job.id].set()
        await works.until(job, JobState.DELIVERED)
        await telling
    assert (await edits(works), len(works.board.of(job.id))) == (1, 1)


async def is_telling(works: Works) -> bool:
    return works.board.asked[Way.PROGRESS] > 0


async def test_one_message_in_trouble_does_not_hold_up_the_others(works: Works) -> None:
    works.board.trouble[Way.PROGRESS].extend([Trouble.ODD, Trouble.BUSY])
    for _ in range(3):
        await start(works, await works.order())
    assert await edits(works) == 3


async def test_a_message_out_of_reach_is_not_asked_for_again_without_news(works: Works) -> None:
    works.board.closed.add(Way.PROGRESS)
    await start(works, await works.order())
    assert [await edits(works), await edits(works)] == [1, 1]


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


async def test_the_message_is_edited_for_each_step_of_the_bar_and_no_oftener(works: Works) -> None:
    await usually(works, 60_000)
    job = await works.order()
    await start(works, job)
    seen = []
    for _ in range(8):
        seen.append((await edits(works), waiting(works, job).steps))
        works.clock.turn(3000)
    assert seen == [(1, 0), (1, 0), (2, 1), (2, 1), (3, 2), (3, 2), (4, 3), (4, 3)]


# --- what takes long -------------------------------------------------------------------------------------------------


async def test_after_two_minutes_a_call_is_promised_and_the_bar_rests(works: Works) -> None:
    await usually(works, 600_000)
    job = await works.order()
    await start(works, job)
    works.clock.turn(TWO_MINUTES_MS - 10_000)
    assert (await edits(works), waiting(works, job).promised) == (1, False)
    works.clock.turn(10_000)
    assert (await edits(works), waiting(works, job).promised, waiting(works, job).steps) == (2, True, None)
    works.clock.turn(100_000)
    assert await edits(works) == 2
    assert (await works.orders.job(job.id)).ping_promised is True


async def test_what_waits_long_is_promised_a_call_too(works: Works) -> None:
    job = await works.order()
    works.clock.turn(TWO_MINUTES_MS)
    assert (await edits(works), waiting(works, job).promised) == (1, True)


async def test_a_promise_is_kept_by_the_next_run_and_told_again(works: Works) -> None:
    job = await works.order()
    works.clock.turn(TWO_MINUTES_MS)
    works.board.trouble[Way.PROGRESS].append(Trouble.BUSY)  # written, and then not told
    await edits(works)
    next_run = works.again()
    await next_run.models.load()
    assert (await edits(next_run), waiting(works, job).promised) == (2, True)


async def test_what_was_promised_is_not_written_again(works: Works) -> None:
    await works.order()
    works.clock.turn(TWO_MINUTES_MS)
    before = works.store.commits
    for _ in range(5):
        await works.progress.turn()
    assert works.store.commits == before + 1


async def test_who_has_cancelled_is_promised_nothing(works: Works) -> None:
    job = await works.order()
    await start(works, job)
    await works.cancel(job)
    works.clock.turn(TWO_MINUTES_MS)
    assert (await edits(works), (await works.orders.job(job.id)).ping_promised) == (1, False)


async def test_what_a_reaction_asked_for_waits_without_a_word(works: Works) -> None:
    job = await works.order(place=ReplyTarget(user_id=7, channel_id=5, reply_to=99), reaction="🎨", waits_in_public=False)
    await start(works, job)
    works.clock.turn(TWO_MINUTES_MS)
    assert (await edits(works), (await works.orders.job(job.id)).ping_promised) == (0, False)
