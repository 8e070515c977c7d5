"""Sending: each picture is asked for once, whatever is lost, refused or killed on the way."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from bot.core.errors import AnswerLost
from bot.core.loops import Timing
from bot.domain.job import GenerationState, JobState, Lane
from bot.providers.provider import Submission
from bot.store import jobs, kv
from bot.store.tables import generations
from sandbox.faults import Switchboard
from tests.services.conftest import GIVE_UP_MS, MODEL, Pipeline, eventually

PRICE = 1_000_000


async def provider_ids(pipeline: Pipeline, *job_ids: str) -> list[str | None]:
    return [g.provider_id for job_id in job_ids for g in (await pipeline.orders.job(job_id)).generations]


async def test_a_picture_is_sent_and_the_image_api_has_it(pipeline: Pipeline) -> None:
    job = await pipeline.order(count=2, seed=40)
    async with pipeline.at_work("dispatch"):
        await eventually(lambda: all_running(pipeline, job.id))
    sent = [request.json for request in pipeline.images.received("POST", "/api/ai/queue")]
    assert sorted(body["seed"] for body in sent) == [40, 41]
    assert {body["prompt"] for body in sent} == {"a red fox"}
    assert None not in await provider_ids(pipeline, job.id)


async def all_running(pipeline: Pipeline, *job_ids: str) -> bool:
    found = [await pipeline.orders.job(job_id) for job_id in job_ids]
    return all(g.state is GenerationState.RUNNING for job in found for g in job.generations)


async def test_no_more_are_sent_than_the_caps_allow(pipeline: Pipeline, switchboard: Switchboard) -> None:
    switchboard.turn_on("generation-stuck")
    capped = await pipeline.again(MAX_RUNNING_PER_USER="2")
    job = await capped.order(count=4)
    async with capped.at_work():
        await eventually(lambda: makes(capped, job.id, 2))
        assert await capped.enqueued() == 2
        switchboard.turn_off("generation-stuck")
        await capped.until(job)
    assert await capped.spent() == 4 * PRICE


async def makes(pipeline: Pipeline, job_id: str, count: int) -> bool:
    return sum(g.state is GenerationState.RUNNING for g in (await pipeline.orders.job(job_id)).generations) == count


async def test_the_slow_lane_is_sent_after_who_pays_and_all_of_it(pipeline: Pipeline) -> None:
    free = await pipeline.order("free", count=4)
    await pipeline.store.write(lambda conn: conn.execute(update(generations).values(lane=Lane.FREE)))
    paid = await pipeline.order("paid", count=2)
    async with pipeline.at_work():
        await pipeline.until(free)
        await pipeline.until(paid)
    prompts = [request.json["prompt"] for request in pipeline.images.received("POST", "/api/ai/queue")]
    assert (sorted(prompts[:3]), prompts[3:]) == (["free", "paid", "paid"], ["free"] * 3)  # the first three at the same time


# --- lost answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queued", [True, False])
async def test_what_a_call_without_a_queue_may_have_made_is_not_sent_again_once_there_is_a_queue(pipeline: Pipeline, queued: bool) -> None:
    """The run before was killed while it sent this; a call that answers with the image leaves nothing in the queue to be found."""
    job = await pipeline.order()
    await pipeline.store.write(jobs.start, job.id, 0, pipeline.clock(), queued=queued)
    async with pipeline.at_work():
        await pipeline.until(job)
    assert await pipeline.enqueued() == int(queued)


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_a_lost_answer_is_looked_up_and_nothing_is_sent_twice(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.at_work():
        await pipeline.until(job)
    assert await pipeline.enqueued() == 1
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("enqueue-answer-lost", times=2)
async def test_two_identical_requests_whose_answers_are_lost_get_two_different_pictures(pipeline: Pipeline) -> None:
    twins = [await pipeline.order(seed=1) for _ in range(2)]
    async with pipeline.at_work():
        for twin in twins:
            await pipeline.until(twin)
    assert await pipeline.enqueued() == 2
    assert len(set(await provider_ids(pipeline, *(twin.id for twin in twins)))) == 2
    assert await pipeline.spent() == 2 * PRICE


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_of_two_identical_requests_with_one_lost_answer_each_still_gets_its_own(pipeline: Pipeline) -> None:
    twins = [await pipeline.order(seed=1) for _ in range(2)]
    async with pipeline.at_work():
        for twin in twins:
            await pipeline.until(twin)
    assert await pipeline.enqueued() == 2
    assert len(set(await provider_ids(pipeline, *(twin.id for twin in twins)))) == 2


@pytest.mark.faults("enqueue-cut", times=1)
async def test_a_request_that_never_arrived_is_sent_again_after_two_looks(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.at_work():
        await pipeline.until(job)
    assert len(pipeline.images.received("POST", "/api/ai/queue")) == 2
    assert await pipeline.enqueued() == 1
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_what_cannot_be_looked_up_yet_is_looked_up_later_and_not_sent_again(pipeline: Pipeline, switchboard: Switchboard) -> None:
    job = await pipeline.order()
    async with pipeline.at_work("dispatch"):
        await eventually(lambda: sent(pipeline, 1))
        switchboard.turn_on("images-error", times=3)
        await eventually(lambda: all_running(pipeline, job.id))
    assert await pipeline.enqueued() == 1


async def sent(pipeline: Pipeline, count: int) -> bool:
    return len(pipeline.images.received("POST", "/api/ai/queue")) >= count


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.faults("images-rate-limited", times=2)
async def test_a_busy_image_api_is_asked_again_and_takes_it(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.at_work():
        await pipeline.until(job)
    assert [r.status for r in pipeline.images.received("POST", "/api/ai/queue")] == [429, 429, 200]
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("images-rate-limited")
async def test_an_image_api_that_names_no_time_is_not_asked_without_pause(pipeline: Pipeline) -> None:
    patient = await pipeline.again(timing=Timing(retry_min_s=30))
    job = await patient.order()
    async with patient.at_work("dispatch"):
        await eventually(lambda: waits_for_later(patient, job.id))
    assert len(patient.images.received("POST", "/api/ai/queue")) == 1  # it asked for a pause of 0 s


async def waits_for_later(pipeline: Pipeline, job_id: str) -> bool:
    (generation,) = (await pipeline.orders.job(job_id)).generations
    return generation.state is GenerationState.WAITING and generation.not_before > pipeline.clock() + 20_000


@pytest.mark.faults("enqueue-empty")
async def test_a_refusal_is_told_and_gives_the_hold_back(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.at_work("dispatch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].error == "The image service refused this request: No worker took the generation."
    assert await pipeline.spent() == 0


@pytest.mark.parametrize("fault", ["out-of-credit", "key-refused"])
async def test_a_refused_account_is_the_operators_and_costs_the_member_nothing(
    pipeline: Pipeline, switchboard: Switchboard, fault: str
) -> None:
    switchboard.turn_on(fault)
    job = await pipeline.order()
    async with pipeline.at_work("dispatch"):
        ended = await pipeline.until(job)
    assert "does not serve this bot's account at the moment" in (ended.generations[0].error or "")
    assert await pipeline.spent() == 0


@pytest.mark.faults("images-rate-limited")
async def test_what_is_not_taken_for_too_long_is_given_up(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    pipeline.clock.turn(GIVE_UP_MS + 1)
    async with pipeline.at_work("dispatch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].error == "The image service did not finish this picture in time."
    assert await pipeline.spent() == 0


# --- cancelled and killed on the way ---------------------------------------------------------------------------------


@pytest.mark.faults("events-early", "generation-stuck")  # the enqueue answer comes when the picture has ended
async def test_a_run_killed_while_sending_is_taken_up_by_the_next(pipeline: Pipeline, switchboard: Switchboard) -> None:
    job = await pipeline.order()
    async with pipeline.at_work("dispatch", grace_s=0):
        await eventually(lambda: is_enqueued(pipeline))
    assert [g.state for g in (await pipeline.orders.job(job.id)).generations] == [GenerationState.SUBMITTING]
    switchboard.turn_off("generation-stuck")
    after = await pipeline.again()
    async with after.at_work():
        await after.until(job, JobState.DELIVERED)
    assert await after.enqueued() == 1
    assert await after.spent() == PRICE


async def is_enqueued(pipeline: Pipeline) -> bool:
    return await pipeline.enqueued() == 1


async def test_a_run_killed_before_anything_was_sent_is_taken_up_by_the_next(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await pipeline.store.write(jobs.start, job.id, 0, pipeline.clock())  # and then nothing
    after = await pipeline.again()
    async with after.at_work():
        await after.until(job, JobState.DELIVERED)
    assert await after.enqueued() == 1


async def test_in_sync_mode_a_picture_that_may_have_been_paid_is_not_asked_for_again(pipeline: Pipeline) -> None:
    sync = await pipeline.again(mode="sync")
    job = await sync.order()
    await sync.store.write(jobs.start, job.id, 0, sync.clock(), queued=False)
    async with sync.at_work("dispatch"):
        ended = await sync.until(job)
    assert (ended.generations[0].error or "").startswith("The image service's answer was lost")
    assert pipeline.images.received("POST", "/api/ai/images") == []
    assert await sync.spent() == 0


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_an_answer_lost_before_the_mode_changed_is_still_found_in_the_queue(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await pipeline.store.write(jobs.start, job.id, 0, pipeline.clock())
    with pytest.raises(AnswerLost):
        await pipeline.provider.submit(Submission(model=MODEL, prompt=job.prompt, seed=job.generations[0].seed))
    sync = await pipeline.again(mode="sync")
    async with sync.at_work("dispatch", "watch"):
        await sync.until(job)
    assert await sync.enqueued() == 1
    assert await sync.spent() == PRICE


async def test_in_sync_mode_a_picture_arrives_with_the_answer_and_is_kept(pipeline: Pipeline) -> None:
    sync = await pipeline.again(mode="sync")
    job = await sync.order()
    async with sync.at_work("dispatch"):
        await sync.until(job)
    assert await sync.store.read(jobs.image_of, job.id, 0)
    assert await sync.spent() == PRICE


async def test_what_was_cancelled_before_it_was_sent_is_never_sent(pipeline: Pipeline) -> None:
    job = await pipeline.order(count=3)
    await pipeline.cancel(job)
    async with pipeline.at_work():
        await pipeline.until(job, JobState.DELIVERED)
    assert await pipeline.enqueued() == 0
    assert await pipeline.spent() == 0


@pytest.mark.faults("enqueue-cut", times=1)
async def test_a_cancel_while_a_lost_answer_is_looked_for_ends_it_when_nothing_is_found(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.at_work():
        await eventually(lambda: sent(pipeline, 1))
        await pipeline.cancel(job)
        ended = await pipeline.until(job)
    assert ended.generations[0].state is GenerationState.CANCELLED
    assert await pipeline.enqueued() == 0
    assert await pipeline.spent() == 0


async def test_without_any_known_model_what_waits_for_an_absent_api_goes_on_waiting(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await pipeline.store.write(kv.forget, "models:", before=pipeline.clock() + 1)
    blind = await pipeline.again()  # a run that has read no list of models yet
    blind.guard.away_since = 1
    await blind.app.dispatch.turn()
    assert [g.state for g in (await pipeline.orders.job(job.id)).generations] == [GenerationState.WAITING]
