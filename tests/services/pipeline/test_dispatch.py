"""Dispatch: each image is requested once, despite lost responses, refusals and kills."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from bot.core.errors import AnswerLost
from bot.core.running.loops import Timing
from bot.domain.failures import failed
from bot.domain.job import Failure, GenerationState, Job, JobKind, JobState, Lane
from bot.domain.order import Attachment, ReadFile
from bot.providers.oxen import Oxen
from bot.providers.provider import Accepted, CompletedImage, Submission
from bot.store import jobs, kv, steps
from bot.store.cluster import provider_states
from bot.store.tables import generations
from sandbox.faults import Switchboard
from tests.env.images import png
from tests.env.job_steps import restart
from tests.services.conftest import GIVE_UP_MS, MODEL, Pipeline, eventually

PRICE = 1_000_000


async def provider_ids(pipeline: Pipeline, *job_ids: str) -> list[str | None]:
    return [g.provider_id for job_id in job_ids for g in (await pipeline.orders.job(job_id)).generations]


async def test_an_order_is_sent_to_the_image_api(pipeline: Pipeline) -> None:
    job = await pipeline.order(count=2, seed=40)
    async with pipeline.running("dispatch"):
        await eventually(lambda: all_running(pipeline, job.id))
    sent = [request.json for request in pipeline.images.received("POST", "/api/ai/queue")]
    assert sorted(body["seed"] for body in sent) == [40, 41]
    assert {body["prompt"] for body in sent} == {"a red fox"}
    assert None not in await provider_ids(pipeline, job.id)


async def all_running(pipeline: Pipeline, *job_ids: str) -> bool:
    found = [await pipeline.orders.job(job_id) for job_id in job_ids]
    return all(g.state is GenerationState.RUNNING for job in found for g in job.generations)


async def test_the_caps_limit_how_many_are_sent(pipeline: Pipeline, switchboard: Switchboard) -> None:
    switchboard.turn_on("generation-stuck")
    restarted = await pipeline.restart(MAX_RUNNING_PER_USER="2")
    job = await restarted.order(count=4)
    async with restarted.running():
        await eventually(lambda: runs_count(restarted, job.id, 2))
        assert await restarted.enqueued() == 2
        switchboard.turn_off("generation-stuck")
        await restarted.until(job)
    assert await restarted.spent() == 4 * PRICE


async def runs_count(pipeline: Pipeline, job_id: str, count: int) -> bool:
    return sum(g.state is GenerationState.RUNNING for g in (await pipeline.orders.job(job_id)).generations) == count


async def test_the_slow_lane_is_sent_last_and_completely(pipeline: Pipeline) -> None:
    free_job = await pipeline.order("free", count=4)
    await pipeline.store.write(lambda conn: conn.execute(update(generations).values(lane=Lane.FREE)))
    paid_job = await pipeline.order("paid", count=2)
    async with pipeline.running():
        await pipeline.until(free_job)
        await pipeline.until(paid_job)
    prompts = [request.json["prompt"] for request in pipeline.images.received("POST", "/api/ai/queue")]
    assert (sorted(prompts[:3]), prompts[3:]) == (["free", "paid", "paid"], ["free"] * 3)  # the first three are sent concurrently


async def test_large_references_are_sent_small_enough_for_the_rows_that_echo_them(pipeline: Pipeline) -> None:
    async def read() -> ReadFile:
        return "a.png", png(1600, 1600, noise=True)

    job = await pipeline.order(attachments=[Attachment(url="", filename="a.png", size_bytes=9, read=read)] * 2)
    assert sum(len(each.content) for each in await pipeline.store.read(jobs.references_of, job.id)) > 10_000_000
    packed = await pipeline.app.dispatch._packing.pack(job.generations[0], pipeline.provider)
    assert [each.partition(";")[0] for each in packed.references] == ["data:image/jpeg"] * 2
    assert 3_000_000 < sum(map(len, packed.references)) < 5_500_000


# --- lost responses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queued", [True, False])
async def test_a_call_without_a_queue_is_not_repeated_after_a_switch_to_a_queue(pipeline: Pipeline, queued: bool) -> None:
    """The previous run was killed while sending. A call that returns the image leaves nothing in the queue that a lookup could find."""
    job = await pipeline.order()
    await pipeline.store.write(steps.start, job.id, 0, pipeline.clock(), queued=queued)
    await restart(pipeline.store, pipeline.clock())
    async with pipeline.running():
        await pipeline.until(job)
    assert await pipeline.enqueued() == int(queued)


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_a_lost_response_is_found_and_nothing_is_sent_twice(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.running():
        await pipeline.until(job)
    assert await pipeline.enqueued() == 1
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("enqueue-answer-lost", times=2)
async def test_two_identical_requests_with_lost_responses_get_two_images(pipeline: Pipeline) -> None:
    twins = [await pipeline.order(seed=1) for _ in range(2)]
    async with pipeline.running():
        for twin in twins:
            await pipeline.until(twin)
    assert await pipeline.enqueued() == 2
    assert len(set(await provider_ids(pipeline, *(twin.id for twin in twins)))) == 2
    assert await pipeline.spent() == 2 * PRICE


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_two_identical_requests_with_one_lost_response_get_two_images(pipeline: Pipeline) -> None:
    twins = [await pipeline.order(seed=1) for _ in range(2)]
    async with pipeline.running():
        for twin in twins:
            await pipeline.until(twin)
    assert await pipeline.enqueued() == 2
    assert len(set(await provider_ids(pipeline, *(twin.id for twin in twins)))) == 2


async def upscales(pipeline: Pipeline, count: int) -> list[Job]:
    async def read() -> ReadFile:
        return "a.png", png(16, 16)

    image = Attachment(url="", filename="a.png", size_bytes=9, read=read)
    more: dict[str, Any] = {"kind": JobKind.UPSCALE, "model": "topazlabs-image-upscale", "attachments": [image]}
    return [await pipeline.order("", **more) for _ in range(count)]


@pytest.mark.faults("enqueue-answer-lost", times=2)
async def test_of_two_lost_upscales_none_gets_the_image_of_the_other(pipeline: Pipeline) -> None:
    """Their requests differ only by the image, which is not looked up."""
    jobs_sent = await upscales(pipeline, 2)
    async with pipeline.running():
        for job in jobs_sent:
            ended = await pipeline.until(job)
            assert [g.failure for g in ended.generations] == [Failure.UNCERTAIN]
    assert await pipeline.enqueued() == 2
    assert await pipeline.spent() == 0


@pytest.mark.faults("enqueue-cut", times=1)
async def test_an_upscale_that_never_arrived_gets_no_image_of_another(pipeline: Pipeline, switchboard: Switchboard) -> None:
    switchboard.turn_on("enqueue-answer-lost", times=1)
    jobs_sent = await upscales(pipeline, 2)
    async with pipeline.running():
        ended = [await pipeline.until(job) for job in jobs_sent]
    assert [g.failure for job in ended for g in job.generations] == [Failure.UNCERTAIN] * 2
    assert await pipeline.spent() == 0


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_a_lost_upscale_is_found(pipeline: Pipeline) -> None:
    (job,) = await upscales(pipeline, 1)
    async with pipeline.running("dispatch"):
        await eventually(lambda: all_running(pipeline, job.id))
    assert await pipeline.enqueued() == 1


@pytest.mark.faults("enqueue-cut", times=1)
async def test_a_request_that_never_arrived_is_sent_again_after_two_lookups(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.running():
        await pipeline.until(job)
    assert len(pipeline.images.received("POST", "/api/ai/queue")) == 2
    assert await pipeline.enqueued() == 1
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_a_failed_lookup_is_repeated_and_nothing_is_sent_twice(pipeline: Pipeline, switchboard: Switchboard) -> None:
    job = await pipeline.order()
    async with pipeline.running("dispatch"):
        await eventually(lambda: sent(pipeline, 1))
        switchboard.turn_on("images-error", times=3)
        await eventually(lambda: all_running(pipeline, job.id))
    assert await pipeline.enqueued() == 1


async def sent(pipeline: Pipeline, count: int) -> bool:
    return len(pipeline.images.received("POST", "/api/ai/queue")) >= count


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_a_lost_response_that_cannot_be_looked_up_ends_at_the_deadline(pipeline: Pipeline, switchboard: Switchboard) -> None:
    job = await pipeline.order()
    async with pipeline.running("dispatch"):
        await eventually(lambda: sent(pipeline, 1))
        switchboard.turn_on("images-error")
        pipeline.clock.advance(GIVE_UP_MS + 1000)
        ended = await pipeline.until(job)
    assert ended.generations[0].failure is Failure.UNCERTAIN
    assert await pipeline.spent() == 0


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_a_lost_response_that_cannot_be_looked_up_ends_with_a_cancellation(pipeline: Pipeline, switchboard: Switchboard) -> None:
    job = await pipeline.order()
    async with pipeline.running("dispatch"):
        await eventually(lambda: sent(pipeline, 1))
        switchboard.turn_on("images-error")
        await pipeline.cancel(job)
        pipeline.clock.advance(31_000)
        ended = await pipeline.until(job)
    assert ended.generations[0].state is GenerationState.CANCELLED
    assert await pipeline.spent() == 0


class NeverAnswers(Oxen):
    begun = 0

    async def submit(self, submission: Submission) -> Accepted | CompletedImage:
        NeverAnswers.begun += 1
        await asyncio.Event().wait()
        return await super().submit(submission)


@pytest.mark.parametrize("rule", ["release", "retry"])
async def test_a_call_that_is_never_answered_ends_with_a_cancellation(pipeline: Pipeline, rule: str) -> None:
    NeverAnswers.begun = 0
    endless = await pipeline.restart(client=NeverAnswers, mode="sync", UNCERTAIN_CALLS=rule)
    job = await endless.order()
    async with endless.running("dispatch"):
        await eventually(lambda: has_begun(1))
        await endless.cancel(job)
        endless.clock.advance(31_000)
        ended = await endless.until(job)
    assert (ended.generations[0].state, NeverAnswers.begun) == (GenerationState.CANCELLED, 1)
    assert await endless.spent() == 0


async def has_begun(count: int) -> bool:
    return NeverAnswers.begun >= count


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.faults("images-rate-limited", times=2)
async def test_a_rate_limited_request_is_sent_again(pipeline: Pipeline) -> None:
    await pipeline.restart(mode="poll")
    job = await pipeline.order()
    async with pipeline.running():
        await pipeline.until(job)
    assert [r.status for r in pipeline.images.received("POST", "/api/ai/queue")] == [429, 429, 200]
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("images-rate-limited")
async def test_a_rate_limit_without_a_time_leads_to_a_pause(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(timing=Timing(retry_min_s=30))
    job = await restarted.order()
    async with restarted.running("dispatch"):
        await eventually(lambda: is_postponed(restarted, job.id))
    assert len(restarted.images.received("POST", "/api/ai/queue")) == 1  # it asked for a pause of 0 s


async def is_postponed(pipeline: Pipeline, job_id: str) -> bool:
    (generation,) = (await pipeline.orders.job(job_id)).generations
    return generation.state is GenerationState.WAITING and generation.not_before > pipeline.clock() + 20_000


@pytest.mark.faults("enqueue-empty")
async def test_a_refused_request_fails_and_its_hold_is_released(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.running("dispatch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].error == "The image service refused this request: No worker took the generation."
    assert await pipeline.spent() == 0


@pytest.mark.parametrize("fault", ["out-of-credit", "key-refused"])
async def test_a_refused_account_costs_the_member_nothing(pipeline: Pipeline, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault)
    job = await pipeline.order()
    async with pipeline.running("dispatch"):
        ended = await pipeline.until(job)
    assert "isn't available right now. The bot's operator has been told" in (ended.generations[0].error or "")
    assert await pipeline.spent() == 0


@pytest.mark.faults("images-rate-limited")
async def test_a_request_that_is_not_accepted_in_time_fails(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    pipeline.clock.advance(GIVE_UP_MS + 1)
    async with pipeline.running("dispatch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].error == "The image service took too long."
    assert await pipeline.spent() == 0


# --- cancels and kills -----------------------------------------------------------------------------------------------


@pytest.mark.faults("events-early", "generation-stuck")  # the response to the enqueue comes when the generation has ended
async def test_the_next_run_continues_after_a_kill_while_sending(pipeline: Pipeline, switchboard: Switchboard) -> None:
    job = await pipeline.order()
    async with pipeline.running("dispatch", grace_s=0):
        await eventually(lambda: was_enqueued(pipeline))
    assert [g.state for g in (await pipeline.orders.job(job.id)).generations] == [GenerationState.SUBMITTING]
    switchboard.turn_off("generation-stuck")
    restarted = await pipeline.restart()
    async with restarted.running():
        await restarted.until(job, JobState.DELIVERED)
    assert await restarted.enqueued() == 1
    assert await restarted.spent() == PRICE


async def was_enqueued(pipeline: Pipeline) -> bool:
    return await pipeline.enqueued() == 1


async def test_the_next_run_continues_after_a_kill_before_sending(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await pipeline.store.write(steps.start, job.id, 0, pipeline.clock())  # and then the process was killed
    restarted = await pipeline.restart()
    async with restarted.running():
        await restarted.until(job, JobState.DELIVERED)
    assert await restarted.enqueued() == 1


async def test_in_sync_mode_an_uncertain_call_is_not_repeated(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(mode="sync")
    job = await restarted.order()
    await restarted.store.write(steps.start, job.id, 0, restarted.clock(), queued=False)
    await restart(restarted.store, restarted.clock())
    async with restarted.running("dispatch"):
        ended = await restarted.until(job)
    assert (ended.generations[0].error or "").startswith("The image service's answer got lost")
    assert pipeline.images.received("POST", "/api/ai/images") == []
    assert await restarted.spent() == 0


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_a_lost_response_is_found_in_the_queue_after_a_switch_to_sync_mode(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await pipeline.store.write(steps.start, job.id, 0, pipeline.clock())
    with pytest.raises(AnswerLost):
        await pipeline.provider.submit(Submission(model=MODEL, prompt=job.prompt, seed=job.generations[0].seed))
    restarted = await pipeline.restart(mode="sync")
    async with restarted.running("dispatch", "watch"):
        await restarted.until(job)
    assert await restarted.enqueued() == 1
    assert await restarted.spent() == PRICE


async def test_in_sync_mode_the_image_in_the_response_is_kept(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(mode="sync")
    job = await restarted.order()
    async with restarted.running("dispatch"):
        await restarted.until(job)
    assert await restarted.store.read(jobs.image_of, job.id, 0)
    assert await restarted.spent() == PRICE


async def test_a_job_cancelled_before_sending_is_never_sent(pipeline: Pipeline) -> None:
    job = await pipeline.order(count=3)
    await pipeline.cancel(job)
    async with pipeline.running():
        await pipeline.until(job, JobState.DELIVERED)
    assert await pipeline.enqueued() == 0
    assert await pipeline.spent() == 0


@pytest.mark.faults("enqueue-cut", times=1)
async def test_a_cancelled_job_ends_if_its_lost_response_is_not_found(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    async with pipeline.running():
        await eventually(lambda: sent(pipeline, 1))
        await pipeline.cancel(job)
        ended = await pipeline.until(job)
    assert ended.generations[0].state is GenerationState.CANCELLED
    assert await pipeline.enqueued() == 0
    assert await pipeline.spent() == 0


async def test_without_a_list_of_models_a_job_for_an_unavailable_api_waits(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await pipeline.store.write(kv.forget, "models:", before=pipeline.clock() + 1)
    await pipeline.store.write(provider_states.change, "oxen", [lambda state: state.failed(1, limit=1)])
    restarted = await pipeline.restart()  # a run that has read no list of models yet
    assert restarted.guard.away_since == 1
    async with restarted.running("dispatch", grace_s=0):
        await restarted.store.read(lambda _conn: None)
    assert [g.state for g in (await pipeline.orders.job(job.id)).generations] == [GenerationState.WAITING]


async def test_what_another_process_sends_meanwhile_is_not_ended_as_waiting(pipeline: Pipeline) -> None:
    job = await pipeline.order()
    await pipeline.store.write(steps.start, job.id, 0, pipeline.clock())
    await pipeline.orders.settle_waiting(job.generations[0], failed(Failure.TIMEOUT))
    assert [g.state for g in (await pipeline.orders.job(job.id)).generations] == [GenerationState.SUBMITTING]


async def test_a_restart_does_not_forget_how_many_were_sent_in_this_minute(pipeline: Pipeline) -> None:
    limited = await pipeline.restart(OXEN_RATE_PER_MINUTE="2")
    async with limited.running("dispatch", "watch"):
        for job in [await limited.order() for _ in range(2)]:
            await limited.until(job)
    restarted = await pipeline.restart(OXEN_RATE_PER_MINUTE="2")
    job = await restarted.order()
    await restarted.app.dispatch._sending.turn()
    assert (await restarted.orders.job(job.id)).generations[0].state is GenerationState.WAITING
    restarted.clock.advance(30_000)
    async with restarted.running("dispatch", "watch"):
        await restarted.until(job)
    assert await restarted.enqueued() == 3
