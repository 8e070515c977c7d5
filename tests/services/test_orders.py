"""Orders, cancels and repeats."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.core.errors import InvalidRequest, NotFound, OutOfCredit, TooManyWaiting
from bot.domain.actor import Actor
from bot.domain.job import JobKind, JobState, ReplyTarget
from bot.domain.order import Attachment, Receipt
from bot.store import jobs, kv, steps
from bot.store.engine.base import Topic
from tests.env.app import statement_of
from tests.env.images import MADE, png
from tests.env.job_steps import own
from tests.env.jobs import REFERENCE, new_job, order_of, request
from tests.services.conftest import BUCKET, MODEL, Pipeline, eventually

PLACE = ReplyTarget(user_id=7, channel_id=5, guild_id=1)


async def repeat(pipeline: Pipeline, job_id: str, place: ReplyTarget = PLACE) -> Receipt:
    return await pipeline.orders.again(await pipeline.orders.job(job_id), await request(pipeline, place))


async def test_every_image_of_an_order_has_its_own_seed(pipeline: Pipeline) -> None:
    given, drawn = await pipeline.order(count=4, seed=40), await pipeline.order(count=2)
    assert [g.seed for g in given.generations] == [40, 41, 42, 43]
    assert (drawn.generations[1].seed or 0) - (drawn.generations[0].seed or 0) == 1


@pytest.mark.parametrize("wrong", [{"count": 5}, {"count": 0}, {"prompt": " "}, {"model": "nonesuch"}, {"more": "colour=red"}], ids=str)
async def test_an_invalid_order_costs_nothing(pipeline: Pipeline, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        await pipeline.order(**wrong)  # type: ignore[arg-type]
    assert await pipeline.store.read(jobs.of_member, 7, state=JobState.OPEN) == []
    assert await pipeline.spent() == 0


async def test_an_order_that_is_prepared_while_its_member_is_erased_is_not_stored(pipeline: Pipeline) -> None:
    async def read() -> tuple[str, bytes]:
        await pipeline.app.services.privacy.erase(7)
        return "a.png", png(64, 64)

    attachment = Attachment(url="", filename="a.png", size_bytes=9, read=read)
    wanted = await order_of(pipeline, "a xyzzy", PLACE, kind=JobKind.EDIT, attachments=[attachment])
    with pytest.raises(NotFound, match="You erased your data, so this image won't be created"):
        await pipeline.orders.order(wanted)
    assert await pipeline.store.read(jobs.of_member, 7, state=JobState.OPEN) == []
    assert await pipeline.spent() == 0


async def test_concurrent_orders_never_overspend(pipeline: Pipeline) -> None:
    wanted = await order_of(pipeline, "a red fox", PLACE, count=3)
    orders = (pipeline.orders.order(wanted) for _ in range(50))
    results = await asyncio.gather(*orders, return_exceptions=True)
    refused = [type(result) for result in results if isinstance(result, Exception)]
    assert len(results) - len(refused) == 50 // 3  # the limit of 50 waiting images; 100 credits would be enough for 33 orders
    assert set(refused) <= {OutOfCredit, TooManyWaiting}


async def test_an_order_is_made_even_if_its_caller_is_cancelled(pipeline: Pipeline) -> None:
    queued = pipeline.store.subscribe(Topic.QUEUE)
    ordering = asyncio.create_task(pipeline.orders.order(await order_of(pipeline, "a red fox", PLACE)))
    await queued.wait(timeout_s=5)  # the job is written, but the call has not returned
    ordering.cancel()
    await asyncio.wait([ordering])
    assert ordering.cancelled()
    (job,) = await eventually(lambda: pipeline.store.read(jobs.of_member, 7, state=JobState.OPEN))
    async with pipeline.running():
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(job.id)) == 1


async def test_a_receipt_counts_the_images_that_wait_before_it(pipeline: Pipeline) -> None:
    wanted = [await order_of(pipeline, "a red fox", replace(PLACE, user_id=member), count=2) for member in (7, 8, 7)]
    receipts = [await pipeline.orders.order(each) for each in wanted]
    assert [(each.ahead, each.is_next, each.waits_for_own) for each in receipts] == [(0, True, False), (2, False, False), (4, False, False)]


async def test_a_models_usual_time_is_kept_for_a_minute(pipeline: Pipeline) -> None:
    async def usual_ms(took_ms: int) -> int:
        """In the receipt of an order after an image that took this long."""
        job = await pipeline.order()
        await pipeline.store.write(steps.start, job.id, 0, pipeline.clock() - took_ms)
        await pipeline.orders.settle(job.generations[0], MADE)
        return (await pipeline.orders.order(await order_of(pipeline, "a red fox", PLACE))).usual_ms or 0

    first = await usual_ms(100_000)
    assert (await usual_ms(900_000), first >= 100_000) == (first, True)
    pipeline.clock.advance(60_000)
    assert await usual_ms(900_000) > first


async def test_a_cancelled_job_costs_nothing_and_is_cancelled_once(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    cancelled = await pipeline.cancel(job, by=Actor(user_id=8, may_manage_messages=True))
    assert cancelled.state is JobState.DELIVERABLE
    with pytest.raises(NotFound, match="already finished"):
        await pipeline.cancel(job)
    assert await pipeline.spent() == 0


async def test_again_repeats_the_order_with_new_seeds_at_the_callers_cost(pipeline: Pipeline) -> None:
    first = await pipeline.ended_job(MADE, MADE, seed=1)
    receipt = await repeat(pipeline, first.id, ReplyTarget(user_id=8, channel_id=6))
    again = receipt.job
    assert (again.prompt, again.params, again.parent_id, again.place.user_id) == (first.prompt, first.params, first.id, 8)
    assert len(again.generations) == 2
    assert again.generations[0].seed != 1
    assert (await statement_of(pipeline.app, 8)).held == 2_000_000


async def test_again_uses_the_references_while_they_are_kept(pipeline: Pipeline) -> None:
    edit = new_job(model=MODEL, kind=JobKind.EDIT)
    await pipeline.store.write(jobs.add, edit, [REFERENCE], payment=own(7, BUCKET), max_waiting=8, now=1000)
    receipt = await repeat(pipeline, edit.id)
    assert await pipeline.store.read(jobs.references_of, receipt.job.id) == [replace(REFERENCE, owner_id=edit.place.user_id)]


async def test_an_edit_without_kept_references_cannot_be_repeated(pipeline: Pipeline) -> None:
    edit = new_job(model=MODEL, kind=JobKind.EDIT)
    await pipeline.store.write(jobs.add, edit, [], payment=own(7, BUCKET), max_waiting=8, now=1000)
    with pytest.raises(NotFound, match="no longer stored"):
        await repeat(pipeline, edit.id)


async def test_models_of_the_last_run_are_used_until_the_first_refresh(pipeline: Pipeline) -> None:
    next_run = await pipeline.restart()
    assert next_run.models.title(MODEL) != MODEL
    assert await pipeline.store.read(kv.get, "models:oxen")
