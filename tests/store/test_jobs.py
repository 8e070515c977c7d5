"""Jobs on both databases: each operation changes state and money together, or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.core.errors import OutOfCredit, TooManyWaiting
from bot.domain.job import GenerationState, Job, JobState, Lane, Outcome
from bot.domain.money.quota import MICRO
from bot.store import claims, jobs, outbox, steps
from bot.store.engine.base import Store
from tests.env.job_steps import entries, in_state, money, order, own, run, seen, states
from tests.env.jobs import CANCELLED, FAILED, REFERENCE, SUCCEEDED, TEN, new_job

pytestmark = pytest.mark.usefixtures("ledger_is_sound")

WAITING, SUBMITTING, RUNNING = GenerationState.WAITING, GenerationState.SUBMITTING, GenerationState.RUNNING
HERE = {"channel_id": 5, "message_id": 6}


# --- adding ----------------------------------------------------------------------------------------------------------


async def test_a_job_is_stored_with_its_generations_and_references(store: Store) -> None:
    job = new_job(images=3)
    refs = [REFERENCE, replace(REFERENCE, url=None)]
    kept = await store.write(jobs.add, job, refs, payment=own(7, TEN), max_waiting=8, now=1000)
    assert {(g.account, g.budget, g.lane) for g in kept.generations} == {("user:7", None, Lane.PAID)}
    assert await seen(store, job) == kept
    assert await store.read(jobs.references_of, job.id) == [REFERENCE, replace(REFERENCE, url=None)]
    assert await money(store) == (7, 3, 0)


async def test_without_enough_credit_nothing_is_stored(store: Store) -> None:
    dear = new_job(images=4, price=3 * MICRO)
    with pytest.raises(OutOfCredit, match="This costs 12 credits"):
        await order(store, dear)
    assert await store.read(jobs.get, dear.id) is None
    assert await money(store) == (10, 0, 0)
    assert not await entries(store)


async def test_with_too_many_waiting_nothing_is_stored(store: Store) -> None:
    await order(store, new_job(images=2), max_waiting=3)
    with pytest.raises(TooManyWaiting, match=r"You already have 2 images queued \(limit: 3\), and this would add 2"):
        await order(store, new_job(images=2), max_waiting=3)
    assert await money(store) == (8, 2, 0)


async def test_running_generations_do_not_count_as_waiting(store: Store) -> None:
    await run(store, await order(store, new_job(images=3), max_waiting=3))
    await order(store, new_job(images=3), max_waiting=3)
    assert await money(store) == (4, 6, 0)


async def test_fifty_parallel_orders_on_a_bucket_of_ten_get_ten(store: Store) -> None:
    results = await asyncio.gather(*(order(store, new_job(), max_waiting=99) for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(result, OutOfCredit) for result in results) == 40
    assert len(await store.read(in_state, JobState.OPEN)) == 10
    assert await money(store) == (0, 10, 0)


async def test_fifty_parallel_orders_never_exceed_a_user_s_queue_limit(store: Store) -> None:
    results = await asyncio.gather(*(order(store, new_job(price=0), max_waiting=7) for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(result, TooManyWaiting) for result in results) == 43
    assert len(await store.read(in_state, JobState.OPEN)) == 7


# --- a generation's steps --------------------------------------------------------------------------------------------


async def test_a_generation_that_was_put_back_does_not_start_before_its_pause_is_over(store: Store) -> None:
    job = await order(store, new_job())
    await store.write(steps.start, job.id, 0, 2000)
    await store.write(steps.put_back, job.id, 0, not_before=9000, now=2000)
    assert not await store.write(steps.start, job.id, 0, 8999)  # by a dispatcher that read it earlier
    assert await store.write(steps.start, job.id, 0, 9000)


async def test_a_rerouted_generation_is_made_by_the_other_model(store: Store) -> None:
    job = await order(store, new_job())
    other = steps.Fallback(model="other", api_model="o", provider="oxlo", seed=None, params={})
    assert await store.write(steps.reroute, job.id, 0, other=other)
    started = await store.write(steps.start, job.id, 0, 2000)
    assert started is not None
    assert (started.model, started.api_model, started.provider) == ("other", "o", "oxlo")


async def test_a_generation_is_started_once(store: Store) -> None:
    job = await order(store, new_job())
    starts = await asyncio.gather(*(store.write(steps.start, job.id, 0, 2000) for _ in range(8)))
    assert sum(started is not None for started in starts) == 1
    started = (await seen(store, job)).generations[0]
    assert (started.state, started.submitted_at) == (SUBMITTING, 2000)


async def test_an_id_of_the_image_api_belongs_to_one_generation(store: Store) -> None:
    twins = [await order(store, new_job()) for _ in range(2)]
    for twin in twins:
        await store.write(steps.start, twin.id, 0, 2000)
    assert sum(await asyncio.gather(*(store.write(steps.accept, twin.id, 0, "same") for twin in twins))) == 1
    assert sorted([*await states(store, twins[0]), *await states(store, twins[1])]) == [RUNNING, SUBMITTING]
    assert await store.read(jobs.claimed, "oxen", ["same", "other"]) == {"same"}


async def test_two_image_apis_may_use_the_same_id(store: Store) -> None:
    here, there = [await order(store, new_job()) for _ in range(2)]
    await store.write(
        steps.reroute, there.id, 0, other=steps.Fallback(model="other", api_model="o", provider="second", seed=None, params={})
    )
    for each in (here, there):
        await store.write(steps.start, each.id, 0, 2000)
        assert await store.write(steps.accept, each.id, 0, "same")
    assert await store.write(steps.reported, "second", "same", SUCCEEDED, 3000)
    assert not await store.write(steps.reported, "third", "same", SUCCEEDED, 3000)
    assert [await states(store, each) for each in (here, there)] == [[RUNNING], [GenerationState.SUCCEEDED]]
    assert await store.read(jobs.claimed, "third", ["same"]) == set()


async def test_an_ended_generation_is_not_accepted(store: Store) -> None:
    job = await order(store, new_job())
    await store.write(steps.start, job.id, 0, 2000)
    await store.write(steps.settle, job.id, 0, FAILED, 3000)
    assert await store.write(steps.accept, job.id, 0, "late") is False
    assert await store.read(jobs.claimed, "oxen", ["late"]) == set()


async def test_a_generation_that_was_put_back_waits_until_its_time(store: Store) -> None:
    job = await order(store, new_job())
    await store.write(steps.start, job.id, 0, 2000)
    assert await store.write(steps.put_back, job.id, 0, not_before=9000, now=3000) is True
    assert await states(store, job) == [WAITING]
    assert [len((await store.read(claims.queue_of, now)).waiting) for now in (8999, 9000)] == [0, 1]
    assert await money(store) == (9, 1, 0)


async def test_each_generation_whose_links_could_not_be_read_is_sent_again_once(store: Store) -> None:
    job = await order_with_reference(store, images=2)
    await run(store, job, now=2000)
    assert [await store.write(steps.send_inline, job.id, n, now=3000 + n) for n in (0, 1)] == [True, True]
    assert [(each.url, each.content) for each in await store.read(jobs.references_of, job.id)] == [(None, REFERENCE.content)]
    waiting = (await seen(store, job)).generations
    assert {(each.state, each.provider_id, each.submitted_at) for each in waiting} == {(WAITING, None, None)}
    await run(store, job, now=4000)
    assert [await store.write(steps.send_inline, job.id, n, now=5000) for n in (0, 1)] == [False, False]
    assert await states(store, job) == [RUNNING, RUNNING]
    assert await money(store) == (8, 2, 0)


async def test_a_generation_without_links_or_that_has_ended_is_not_sent_again(store: Store) -> None:
    plain, ended = await run(store, await order(store, new_job())), await run(store, await order_with_reference(store))
    await store.write(steps.settle, ended.id, 0, FAILED, 3000)
    assert [await store.write(steps.send_inline, job.id, 0, now=4000) for job in (plain, ended)] == [False, False]


async def test_a_cancelled_generation_is_not_sent_again(store: Store) -> None:
    job = await run(store, await order_with_reference(store))
    await store.write(steps.request_cancel, job.id, 2500)
    assert await store.write(steps.send_inline, job.id, 0, now=3000) is True
    assert await states(store, job) == [GenerationState.CANCELLED]
    assert await money(store) == (10, 0, 0)


async def order_with_reference(store: Store, *, images: int = 1) -> Job:
    return await store.write(jobs.add, new_job(images=images), [REFERENCE], payment=own(7, TEN), max_waiting=8, now=1000)


async def test_only_a_submitting_generation_is_put_back_or_looked_up(store: Store) -> None:
    job = await run(store, await order(store, new_job()))
    await store.write(steps.request_cancel, job.id, 2500)
    await store.write(steps.postpone_lookup, job.id, 0, lookups=2, not_before=9000)
    assert await store.write(steps.put_back, job.id, 0, not_before=0, now=3000) is False
    running = (await seen(store, job)).generations[0]
    assert (running.state, running.lookups, running.not_before) == (RUNNING, 0, 2500)
    assert await money(store) == (9, 1, 0)


@pytest.mark.parametrize(("outcome", "after"), [(SUCCEEDED, (9, 0, 1)), (FAILED, (10, 0, 0)), (CANCELLED, (10, 0, 0))], ids=str)
async def test_an_end_is_recorded_and_booked_once(store: Store, outcome: Outcome, after: tuple[int, int, int]) -> None:
    job = await run(store, await order(store, new_job()))
    settled = await asyncio.gather(*(store.write(steps.settle, job.id, 0, outcome, 3000) for _ in range(5)))
    assert sum(settled) == 1
    ended = await seen(store, job)
    assert (ended.generations[0].state, ended.state) == (outcome.state, JobState.DELIVERABLE)
    assert await money(store) == after


async def test_the_first_of_several_different_ends_counts(store: Store) -> None:
    job = await run(store, await order(store, new_job()))
    ends = [SUCCEEDED, FAILED, CANCELLED] * 3
    assert sum(await asyncio.gather(*(store.write(steps.settle, job.id, 0, end, 3000) for end in ends))) == 1


async def test_two_last_images_that_end_together_make_the_job_deliverable(store: Store) -> None:
    ended = [await run(store, await order(store, new_job(images=2, price=0))) for _ in range(10)]
    await asyncio.gather(*(store.write(steps.settle, job.id, n, SUCCEEDED, 3000) for job in ended for n in (0, 1)))
    assert sorted(job.id for job in await store.read(outbox.due, 3000)) == sorted(job.id for job in ended)


async def test_a_job_with_one_open_image_is_not_deliverable(store: Store) -> None:
    job = await run(store, await order(store, new_job(images=2)))
    await store.write(steps.settle, job.id, 1, SUCCEEDED, 3000)
    assert await store.read(outbox.due, 9999) == []
    assert await money(store) == (8, 1, 1)


async def test_an_unusable_image_is_refunded_once_and_only_if_it_was_paid(store: Store) -> None:
    job = await run(store, await order(store, new_job(images=2)))
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    await store.write(steps.settle, job.id, 1, FAILED, 3000)
    spoiled = [await store.write(steps.spoil, job.id, n, "It is no image.", 4000) for n in (0, 0, 1, 2)]
    assert spoiled == [True, False, False, False]
    assert await money(store) == (10, 0, 0)
    assert [g.error for g in (await seen(store, job)).generations] == ["It is no image.", FAILED.error]


# --- cancelling ------------------------------------------------------------------------------------------------------


async def test_waiting_generations_are_cancelled_at_once(store: Store) -> None:
    job = await order(store, new_job(images=2))
    cancelled = await store.write(steps.request_cancel, job.id, 2000)
    assert cancelled is not None
    assert (cancelled.state, cancelled.cancel_requested_at) == (JobState.DELIVERABLE, 2000)
    assert await states(store, job) == [GenerationState.CANCELLED] * 2
    assert await money(store) == (10, 0, 0)


async def test_generations_that_the_image_api_may_have_are_only_marked(store: Store) -> None:
    job = await order(store, new_job(images=3))
    await store.write(steps.start, job.id, 0, 2000)
    await store.write(steps.start, job.id, 1, 2000)
    await store.write(steps.accept, job.id, 1, "taken")
    await store.write(steps.request_cancel, job.id, 3000)
    assert await states(store, job) == [SUBMITTING, RUNNING, GenerationState.CANCELLED]
    assert [g.cancel_requested for g in (await seen(store, job)).open] == [True, True]


async def test_a_generation_cancelled_while_submitting_ends_when_it_is_put_back(store: Store) -> None:
    job = await order(store, new_job())
    await store.write(steps.start, job.id, 0, 2000)
    await store.write(steps.request_cancel, job.id, 2500)
    await store.write(steps.put_back, job.id, 0, not_before=9000, now=3000)
    assert (await seen(store, job)).state is JobState.DELIVERABLE
    assert await money(store) == (10, 0, 0)


async def test_cancelling_an_ended_or_unknown_job_changes_nothing(store: Store) -> None:
    job = await run(store, await order(store, new_job()))
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    before = await seen(store, job)
    assert await store.write(steps.request_cancel, job.id, 4000) == before
    assert await store.write(steps.request_cancel, "never", 4000) is None


async def test_a_cancel_during_a_start_never_ends_a_started_generation(store: Store) -> None:
    for _ in range(25):
        job = await order(store, new_job(price=0), max_waiting=99)
        cancel, start = store.write(steps.request_cancel, job.id, 2000), store.write(steps.start, job.id, 0, 2000)
        _, started = await asyncio.gather(cancel, start)
        assert await states(store, job) == [SUBMITTING if started else GenerationState.CANCELLED]


async def test_a_cancel_while_it_is_put_back_leaves_nothing_waiting(store: Store) -> None:
    for _ in range(25):
        job = await order(store, new_job(price=0))
        await store.write(steps.start, job.id, 0, 2000)
        await asyncio.gather(
            store.write(steps.put_back, job.id, 0, not_before=0, now=3000), store.write(steps.request_cancel, job.id, 3000)
        )
        assert await states(store, job) == [GenerationState.CANCELLED]


async def test_simultaneous_cancels_and_ends_do_not_deadlock(store: Store) -> None:
    raced = [await run(store, await order(store, new_job(images=4, price=0))) for _ in range(10)]
    ends = [store.write(steps.settle, job.id, n, SUCCEEDED, 3000) for job in raced for n in range(4)]
    async with asyncio.timeout(5):
        await asyncio.gather(*ends, *(store.write(steps.request_cancel, job.id, 3000) for job in raced))
    assert {(await seen(store, job)).state for job in raced} == {JobState.DELIVERABLE}


async def test_text_that_no_database_stores_is_left_out(store: Store) -> None:
    job = await order(store, new_job(prompt="a\x00 red \ud800fox 🦊"))
    assert (await seen(store, job)).prompt == "a red \N{REPLACEMENT CHARACTER}fox 🦊"
