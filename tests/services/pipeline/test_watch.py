"""Learning how pictures end: an event is a hint, a read is the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.core.errors import ProviderBusy
from bot.core.loops import Timing
from bot.domain.job import GenerationState, Job, JobState
from bot.providers.oxen import Oxen
from bot.providers.provider import Accepted, GenerationReport, Submission
from bot.store import jobs
from sandbox.faults import Switchboard
from tests.env.app import BRISK
from tests.services.conftest import GIVE_UP_MS, MODEL, Pipeline, eventually

PRICE = 1_000_000
UNHURRIED = Timing(retry_min_s=0.05, retry_max_s=0.3)  # polls and the slow beat would come too late for any test
BEATEN = Timing(slow_s=0.3, poll_min_s=60, poll_max_s=60)  # only the slow beat is fast


@asynccontextmanager
async def listening(pipeline: Pipeline) -> AsyncIterator[None]:
    """At work, with the event stream connected."""
    async with pipeline.at_work("dispatch", "watch"):
        await eventually(lambda: listeners(pipeline))
        yield


async def listeners(pipeline: Pipeline) -> int:
    async with pipeline.session.get(f"{pipeline.images.url}/sandbox/generations") as response:
        return int((await response.json())["listeners"])


async def taken(pipeline: Pipeline) -> tuple[Job, str]:
    """A job that the image API has, and its id there; without any service at work."""
    job = await pipeline.order()
    await pipeline.store.write(jobs.start, job.id, 0, pipeline.clock())
    answer = await pipeline.provider.submit(Submission(model=MODEL, prompt=job.prompt, seed=job.generations[0].seed))
    assert isinstance(answer, Accepted)
    return job, answer.provider_id


async def running(pipeline: Pipeline) -> tuple[Job, str]:
    job, provider_id = await taken(pipeline)
    await pipeline.store.write(jobs.accept, job.id, 0, provider_id)
    return job, provider_id


def reads(pipeline: Pipeline, provider_id: str = "") -> int:
    return len(pipeline.images.received("GET", f"/api/ai/queue/{provider_id}"))


# --- events ----------------------------------------------------------------------------------------------------------


async def test_an_event_brings_the_end_and_one_read_is_enough(pipeline: Pipeline) -> None:
    unhurried = await pipeline.again(timing=UNHURRIED)
    async with listening(unhurried):
        job = await unhurried.order()
        await unhurried.until(job)
    assert await unhurried.spent() == PRICE
    assert reads(unhurried) == 1


@pytest.mark.parametrize(
    "fault", ["events-early", "events-doubled", "events-strangers", "events-other-types", "events-garbled", "events-huge", "events-cut"]
)
async def test_events_may_come_as_they_like(pipeline: Pipeline, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault)
    unhurried = await pipeline.again(timing=UNHURRIED)
    async with listening(unhurried):
        orders = [await unhurried.order(seed=1), await unhurried.order(seed=2)]
        ended = [await unhurried.until(job) for job in orders]
    assert [job.generations[0].state for job in ended] == [GenerationState.SUCCEEDED] * 2
    assert await unhurried.spent() == 2 * PRICE


@pytest.mark.parametrize("fault", ["events-lost", "events-silent"])
async def test_lost_events_are_caught_by_the_slow_beat(pipeline: Pipeline, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault)
    beaten = await pipeline.again(timing=BEATEN)
    async with listening(beaten):
        job = await beaten.order()
        await beaten.until(job)
    assert await beaten.spent() == PRICE


async def test_what_ended_before_the_stream_was_connected_is_read_at_once(pipeline: Pipeline) -> None:
    unhurried = await pipeline.again(timing=UNHURRIED)
    job, provider_id = await running(unhurried)
    await eventually(lambda: has_ended(pipeline, provider_id))
    async with listening(unhurried):
        await unhurried.until(job)
    assert await unhurried.spent() == PRICE


async def has_ended(pipeline: Pipeline, provider_id: str) -> bool:
    report = await pipeline.provider.read(provider_id)
    return report is not None and report.result_url is not None


@pytest.mark.faults("events-refused")
async def test_without_a_stream_it_polls_until_the_stream_is_back(pipeline: Pipeline, switchboard: Switchboard) -> None:
    polling = await pipeline.again(timing=BRISK)
    async with polling.at_work("dispatch", "watch"):
        await polling.until(await polling.order())
        switchboard.turn_off("events-refused")
        await eventually(lambda: listeners(polling))
        await polling.until(await polling.order())
    assert await polling.spent() == 2 * PRICE


async def test_in_poll_mode_nobody_listens(pipeline: Pipeline) -> None:
    polling = await pipeline.again(mode="poll")
    async with polling.at_work("dispatch", "watch"):
        await polling.until(await polling.order())
    assert pipeline.images.received("GET", "/api/events") == []


@pytest.mark.faults("events-silent")
async def test_a_stream_that_falls_silent_is_replaced(pipeline: Pipeline) -> None:
    wary = await pipeline.again(silence_s=0.2)
    async with listening(wary):
        await eventually(lambda: asked_for_streams(wary, 2))


async def asked_for_streams(pipeline: Pipeline, count: int) -> bool:
    return len(pipeline.images.received("GET", "/api/events")) >= count


class SlowReader(Oxen):
    """Its answers to a read are on their way until the door opens."""

    door = asyncio.Event()

    async def read(self, provider_id: str) -> GenerationReport | None:
        report = await super().read(provider_id)
        await self.door.wait()
        return report


@pytest.mark.faults("generation-stuck")
async def test_an_event_during_a_read_of_the_same_picture_leads_to_another_read(pipeline: Pipeline, switchboard: Switchboard) -> None:
    SlowReader.door = asyncio.Event()
    slow = await pipeline.again(timing=UNHURRIED, client=SlowReader)
    job, provider_id = await running(slow)
    async with slow.at_work("watch"):
        await eventually(lambda: was_read(slow, provider_id, 1))  # it is still being made
        switchboard.turn_off("generation-stuck")
        await eventually(lambda: has_hints(slow))
        SlowReader.door.set()
        await slow.until(job)
    assert reads(slow, provider_id) == 2


async def has_hints(pipeline: Pipeline) -> bool:
    return any(each.is_hinted for each in pipeline.watch._followed.values())


async def was_read(pipeline: Pipeline, provider_id: str, times: int) -> bool:
    return reads(pipeline, provider_id) >= times


async def test_strangers_events_are_kept_for_a_short_while_and_never_too_many(pipeline: Pipeline) -> None:
    for n in range(1100):
        pipeline.watch._keep_early(f"stranger-{n}")
    assert len(pipeline.watch._early) == 1000
    pipeline.clock.turn(int(BRISK.early_s * 1000) + 1000)
    pipeline.watch._keep_early("the next")
    assert list(pipeline.watch._early) == ["the next"]


# --- ends without events ---------------------------------------------------------------------------------------------


@pytest.mark.faults("generation-fails")
async def test_a_failure_is_told_in_the_image_apis_words_and_costs_nothing(pipeline: Pipeline) -> None:
    async with listening(pipeline):
        ended = await pipeline.until(await pipeline.order())
    assert ended.generations[0].error == "The image service could not make this picture: The model ran out of memory."
    assert await pipeline.spent() == 0


@pytest.mark.faults("generation-cancelled")
async def test_a_picture_that_the_image_api_cancels_by_itself_has_failed(pipeline: Pipeline) -> None:
    beaten = await pipeline.again(timing=BEATEN)  # there is no event of it
    async with listening(beaten):
        ended = await beaten.until(await beaten.order())
    assert ended.generations[0].state is GenerationState.FAILED
    assert ended.generations[0].error == "The image service cancelled this picture."
    assert await beaten.spent() == 0


@pytest.mark.faults("generation-stuck")
async def test_a_cancel_is_carried_out_at_once_and_costs_nothing(pipeline: Pipeline) -> None:
    unhurried = await pipeline.again(timing=UNHURRIED)
    async with listening(unhurried):
        job = await unhurried.order()
        await eventually(lambda: is_running(unhurried, job))
        await unhurried.cancel(job)
        ended = await unhurried.until(job)
    assert ended.generations[0].state is GenerationState.CANCELLED
    assert await unhurried.spent() == 0


async def is_running(pipeline: Pipeline, job: Job) -> bool:
    return (await pipeline.orders.job(job.id)).generations[0].state is GenerationState.RUNNING


@pytest.mark.faults("generation-stuck")
async def test_what_was_cancelled_while_it_was_sent_is_taken_back_once_its_id_is_known(pipeline: Pipeline) -> None:
    unhurried = await pipeline.again(timing=UNHURRIED)
    async with unhurried.at_work("watch"):
        await eventually(lambda: listeners(unhurried))
        job, provider_id = await taken(unhurried)
        await unhurried.cancel(job)
        await unhurried.store.write(jobs.accept, job.id, 0, provider_id)
        unhurried.watch.expect(provider_id)
        ended = await unhurried.until(job)
    assert ended.generations[0].state is GenerationState.CANCELLED
    assert await unhurried.spent() == 0


async def test_a_cancel_that_comes_too_late_still_brings_the_picture(pipeline: Pipeline) -> None:
    job, provider_id = await running(pipeline)
    await eventually(lambda: has_ended(pipeline, provider_id))
    await pipeline.cancel(job)
    async with pipeline.at_work("watch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].state is GenerationState.SUCCEEDED
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("generation-stuck")
async def test_a_picture_that_is_never_finished_is_cancelled_and_given_back(pipeline: Pipeline) -> None:
    job, _ = await running(pipeline)
    pipeline.clock.turn(GIVE_UP_MS + 1000)
    async with pipeline.at_work("watch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].error == "The image service did not finish this picture in time."
    assert len(pipeline.images.received("DELETE", "/api/ai/queue/")) == 1
    assert await pipeline.spent() == 0


class NeverCancels(Oxen):
    """Every cancel fails."""

    async def cancel(self, provider_id: str) -> None:
        raise ProviderBusy(f"{provider_id} cannot be cancelled now.")


async def test_a_cancel_that_fails_does_not_keep_the_end_from_being_read(pipeline: Pipeline) -> None:
    stubborn = await pipeline.again(client=NeverCancels)
    job, _ = await running(stubborn)
    await stubborn.cancel(job)
    async with stubborn.at_work("watch"):
        ended = await stubborn.until(job)
    assert ended.generations[0].state is GenerationState.SUCCEEDED


async def test_a_picture_that_was_finished_during_a_long_absence_still_arrives(pipeline: Pipeline) -> None:
    job, provider_id = await running(pipeline)
    await eventually(lambda: has_ended(pipeline, provider_id))
    pipeline.clock.turn(3 * GIVE_UP_MS)
    async with pipeline.at_work("watch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].state is GenerationState.SUCCEEDED


async def test_a_picture_that_the_image_api_forgot_has_failed_after_a_while(pipeline: Pipeline) -> None:
    beaten = await pipeline.again(timing=BEATEN)
    job = await beaten.order()
    await beaten.store.write(jobs.start, job.id, 0, beaten.clock() - 600_000)
    await beaten.store.write(jobs.accept, job.id, 0, "unheard-of")
    async with beaten.at_work("watch"):
        await eventually(lambda: was_read(beaten, "unheard-of", 2))
        assert (await beaten.orders.job(job.id)).state is JobState.OPEN  # it may be a slip, however old it is
        beaten.clock.turn(121_000)
        ended = await beaten.until(job)
    assert ended.generations[0].error == "The image service no longer knows this picture."
    assert await beaten.spent() == 0


@pytest.mark.faults("images-error", times=3)
async def test_an_image_api_in_trouble_is_read_again(pipeline: Pipeline) -> None:
    async with pipeline.at_work("dispatch", "watch"):
        await pipeline.until(await pipeline.order())
    assert await pipeline.spent() == PRICE
