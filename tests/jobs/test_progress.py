"""Waiting messages say what is true, and never overwrite a result."""

from __future__ import annotations

import asyncio

from bot.jobs.job import Job, JobState
from bot.store import jobs
from tests.jobs.conftest import Works, eventually
from tests.jobs.noticeboard import Trouble, Way
from tests.jobs.paint import MADE


async def edits(works: Works) -> int:
    """How often waiting messages were edited, after one more turn."""
    await works.progress.turn()
    return works.board.asked[Way.PROGRESS]


async def start(works: Works, job: Job, n: int = 0) -> None:
    await works.store.write(jobs.start, job.id, n, works.clock())


async def test_a_message_is_edited_when_there_is_news_and_only_then(works: Works) -> None:
    job = await works.order(count=2)
    assert await edits(works) == 0  # its member was just told
    await start(works, job)
    assert [await edits(works), await edits(works)] == [1, 1]
    await works.studio.settle((await works.studio.job(job.id)).generations[0], MADE)
    assert await edits(works) == 2


async def test_a_cancel_is_news(works: Works) -> None:
    job = await works.order()
    await start(works, job)
    assert await edits(works) == 1
    await works.studio.cancel(job.id, user_id=7)
    assert await edits(works) == 2


async def test_that_others_have_gone_ahead_is_news(works: Works) -> None:
    first, second = await works.order(count=2), await works.order()
    assert await edits(works) == 0
    await start(works, first)
    await edits(works)
    assert works.board.notices[(await works.studio.job(second.id)).place.message_id or 0].edits == 1


async def test_after_a_restart_a_message_is_made_true_again(works: Works) -> None:
    await start(works, await works.order())
    next_run = works.again()
    await next_run.models.load()
    assert await edits(next_run) == 1


async def test_a_message_whose_first_answer_is_on_its_way_is_left_alone(works: Works) -> None:
    job = await works.order()
    works.studio._unanswered[job.id] = works.clock()
    await start(works, job)
    assert await edits(works) == 0
    await works.studio.answered(job.id, None)
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
            await works.studio.settle(generation, MADE)
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
