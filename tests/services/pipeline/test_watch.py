"""Watching generations until they end: complete events settle them, reads do the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.core.errors import ProviderBusy
from bot.core.running.loops import Timing
from bot.domain.job import GenerationState, Job, JobState, Outcome
from bot.domain.queueing.first_read import FirstRead
from bot.providers.oxen import Oxen
from bot.providers.provider import Accepted, Event, GenerationReport, Submission
from bot.services.pipeline.watch import Watch
from bot.store import steps
from bot.store.cluster import provider_states
from sandbox.faults import Switchboard
from tests.env.app import BRISK
from tests.services.conftest import GIVE_UP_MS, MODEL, Pipeline, eventually

PRICE = 1_000_000
SLOW_POLLS = Timing(retry_min_s=0.05, retry_max_s=0.3)  # polls would come too late for a test
FAST_SLOW_POLL = Timing(slow_s=0.3, poll_min_s=60, poll_max_s=60)  # only the slow poll is fast


@asynccontextmanager
async def listening(pipeline: Pipeline) -> AsyncIterator[None]:
    """Run dispatch and watch, with the event stream connected."""
    async with pipeline.running("dispatch", "watch"):
        await eventually(lambda: listeners(pipeline))
        yield


async def listeners(pipeline: Pipeline) -> int:
    async with pipeline.session.get(f"{pipeline.images.url}/sandbox/generations") as response:
        return int((await response.json())["listeners"])


async def submitted_job(pipeline: Pipeline, *, waits_ms: int = 0) -> tuple[Job, str]:
    """A job that was sent to the image API after a wait, and its id there; the id is not recorded."""
    job = await pipeline.order()
    pipeline.clock.advance(waits_ms)
    await pipeline.store.write(steps.start, job.id, 0, pipeline.clock())
    answer = await pipeline.provider.submit(Submission(model=MODEL, prompt=job.prompt, seed=job.generations[0].seed))
    assert isinstance(answer, Accepted)
    return job, answer.provider_id


async def running_job(pipeline: Pipeline, *, read_in_ms: int = 0, waits_ms: int = 0) -> tuple[Job, str]:
    job, provider_id = await submitted_job(pipeline, waits_ms=waits_ms)
    now = pipeline.clock()
    read = FirstRead(provider=None, now=now, sent_at=now, polled_at=now + read_in_ms, patient_at=0)
    await pipeline.store.write(steps.accept, job.id, 0, provider_id, read=read)
    return job, provider_id


def reads(pipeline: Pipeline, provider_id: str = "") -> int:
    return len(pipeline.images.received("GET", f"/api/ai/queue/{provider_id}"))


# --- events ----------------------------------------------------------------------------------------------------------


async def test_a_complete_event_settles_without_a_read(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(timing=SLOW_POLLS)
    async with listening(restarted):
        job = await restarted.order()
        await restarted.until(job)
    assert await restarted.spent() == PRICE
    assert reads(restarted) == 0


@pytest.mark.parametrize(
    "fault", ["events-early", "events-doubled", "events-strangers", "events-other-types", "events-garbled", "events-huge", "events-cut"]
)
async def test_every_job_ends_despite_faults_of_the_event_stream(pipeline: Pipeline, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault)
    restarted = await pipeline.restart(timing=SLOW_POLLS)
    async with listening(restarted):
        orders = [await restarted.order(seed=1), await restarted.order(seed=2)]
        ended = [await restarted.until(job) for job in orders]
    assert [job.generations[0].state for job in ended] == [GenerationState.SUCCEEDED] * 2
    assert await restarted.spent() == 2 * PRICE


@pytest.mark.parametrize("fault", ["events-lost", "events-silent"])
async def test_lost_events_are_found_by_the_slow_poll(pipeline: Pipeline, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault)
    polling = await pipeline.restart(timing=FAST_SLOW_POLL)
    async with listening(polling):
        job = await polling.order()
        await polling.until(job)
    assert await polling.spent() == PRICE


async def test_generations_that_ended_before_the_connection_are_read_at_once(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(timing=SLOW_POLLS)
    job, provider_id = await running_job(restarted)
    await eventually(lambda: has_ended(pipeline, provider_id))
    async with listening(restarted):
        await restarted.until(job)
    assert await restarted.spent() == PRICE


async def has_ended(pipeline: Pipeline, provider_id: str) -> bool:
    report = await pipeline.provider.read(provider_id)
    return report is not None and report.result_url is not None


@pytest.mark.faults("events-refused")
async def test_without_a_stream_generations_are_polled(pipeline: Pipeline, switchboard: Switchboard) -> None:
    polling = await pipeline.restart(timing=BRISK)
    async with polling.running("dispatch", "watch"):
        await polling.until(await polling.order())
        switchboard.turn_off("events-refused")
        await eventually(lambda: listeners(polling))
        await polling.until(await polling.order())
    assert await polling.spent() == 2 * PRICE


async def test_poll_mode_opens_no_stream(pipeline: Pipeline) -> None:
    polling = await pipeline.restart(mode="poll")
    async with polling.running("dispatch", "watch"):
        await polling.until(await polling.order())
    assert pipeline.images.received("GET", "/api/events") == []


@pytest.mark.faults("events-silent")
async def test_a_silent_stream_is_reconnected(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(silence_s=0.2)
    async with listening(restarted):
        await eventually(lambda: asked_for_streams(restarted, 2))


async def asked_for_streams(pipeline: Pipeline, count: int) -> bool:
    return len(pipeline.images.received("GET", "/api/events")) >= count


class SlowReader(Oxen):
    """Responses to reads are held until `release` is set."""

    release = asyncio.Event()

    async def read(self, provider_id: str) -> GenerationReport | None:
        report = await super().read(provider_id)
        await self.release.wait()
        return report


@pytest.mark.faults("generation-stuck")
async def test_an_event_during_a_read_settles_once(pipeline: Pipeline, switchboard: Switchboard) -> None:
    SlowReader.release = asyncio.Event()
    slow = await pipeline.restart(timing=SLOW_POLLS, client=SlowReader)
    job, provider_id = await running_job(slow)
    async with slow.running("watch"):
        await eventually(lambda: was_read(slow, provider_id, 1))  # while it is still running
        switchboard.turn_off("generation-stuck")
        await slow.until(job)
        SlowReader.release.set()
    assert await slow.spent() == PRICE


@pytest.mark.faults("generation-stuck")
async def test_a_slow_read_is_not_begun_again_before_its_end(pipeline: Pipeline) -> None:
    SlowReader.release = asyncio.Event()
    slow = await pipeline.restart(mode="poll", client=SlowReader)
    _job, provider_id = await running_job(slow)
    async with slow.running("watch"):
        await eventually(lambda: was_read(slow, provider_id, 1))
        for _ in range(3):
            slow.clock.advance(1000)
            await slow.watch._reads.turn()
        SlowReader.release.set()
    assert reads(slow, provider_id) == 1


async def was_read(pipeline: Pipeline, provider_id: str, times: int) -> bool:
    return reads(pipeline, provider_id) >= times


async def test_events_with_unknown_ids_are_limited_by_time_and_number(pipeline: Pipeline) -> None:
    for n in range(1100):
        pipeline.watch._keep_early(Event(provider_id=f"stranger-{n}"))
    assert len(pipeline.watch._early) == 1000
    pipeline.clock.advance(int(BRISK.early_s * 1000) + 1000)
    pipeline.watch._keep_early(Event(provider_id="the next"))
    assert list(pipeline.watch._early) == ["the next"]


async def test_an_early_event_is_handled_once_any_process_has_recorded_the_id(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(timing=SLOW_POLLS)
    async with listening(restarted):
        job, provider_id = await submitted_job(restarted)
        await eventually(lambda: has_come_early(restarted, provider_id))
        later = restarted.clock() + 60_000
        read = FirstRead(provider=None, now=later, sent_at=later, polled_at=later, patient_at=later)
        await restarted.store.write(steps.accept, job.id, 0, provider_id, read=read)
        await restarted.until(job)
    assert (await restarted.spent(), reads(restarted)) == (PRICE, 0)


async def has_come_early(pipeline: Pipeline, provider_id: str) -> bool:
    return provider_id in pipeline.watch._early


@pytest.mark.faults("generation-stuck")
async def test_what_another_process_has_sent_is_read_late_while_one_hears_the_events(pipeline: Pipeline, switchboard: Switchboard) -> None:
    restarted = await pipeline.restart(timing=SLOW_POLLS)
    other = Watch(
        store=restarted.store,
        provider=restarted.provider,
        orders=restarted.orders,
        give_up_ms=GIVE_UP_MS,
        timing=SLOW_POLLS,
        clock=restarted.clock,
    )
    waits_s = list[int]()
    async with listening(restarted):
        await eventually(lambda: is_connected(restarted))
        for is_heard in (True, False):
            if not is_heard:
                switchboard.turn_on("events-refused")
                await eventually(lambda: is_lost(restarted))
            restarted.clock.advance(1)
            job, provider_id = await submitted_job(restarted)
            now = restarted.clock()
            read = await other.first_read(MODEL, sent_at=now)
            await restarted.store.write(steps.accept, job.id, 0, provider_id, read=read)
            (running,) = (await restarted.orders.job(job.id)).generations
            waits_s.append(round((running.not_before - now) / 1000))
    assert waits_s == [60, 2]


async def is_lost(pipeline: Pipeline) -> bool:
    return not await is_connected(pipeline)


class Hints(Oxen):
    """Its events do not say how a generation ended."""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Event]]:
        async with super().listen() as events:
            yield (Event(provider_id=event.provider_id) async for event in events)


async def test_an_event_that_does_not_say_everything_leads_to_one_read(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(timing=SLOW_POLLS, client=Hints)
    async with listening(restarted):
        await restarted.until(await restarted.order())
    assert await restarted.spent() == PRICE
    assert reads(restarted) == 1


async def test_after_a_gap_only_what_ended_in_it_is_read(pipeline: Pipeline, switchboard: Switchboard) -> None:
    restarted = await pipeline.restart(timing=SLOW_POLLS)
    ended, ended_id = await running_job(restarted, read_in_ms=60_000)
    await eventually(lambda: has_ended(pipeline, ended_id))
    switchboard.turn_on("generation-stuck")
    going_on, going_on_id = await running_job(restarted, read_in_ms=1_000)
    before = reads(restarted, ended_id)
    async with listening(restarted):
        await restarted.until(ended)
    assert (reads(restarted, ended_id) - before, reads(restarted, going_on_id)) == (1, 0)
    (later,) = (await restarted.orders.job(going_on.id)).generations
    assert later.not_before > restarted.clock() + 1_000  # it does not delay the reads of what has ended


# --- ends without events ---------------------------------------------------------------------------------------------


@pytest.mark.faults("generation-fails")
async def test_a_failure_has_the_image_apis_reason_and_costs_nothing(pipeline: Pipeline) -> None:
    async with listening(pipeline):
        ended = await pipeline.until(await pipeline.order())
    assert ended.generations[0].error == "The image service couldn't create this image: The model ran out of memory."
    assert await pipeline.spent() == 0


@pytest.mark.faults("generation-cancelled")
async def test_a_generation_cancelled_by_the_image_api_has_failed(pipeline: Pipeline) -> None:
    polling = await pipeline.restart(timing=FAST_SLOW_POLL)  # there is no event for it
    async with listening(polling):
        ended = await polling.until(await polling.order())
    assert ended.generations[0].state is GenerationState.FAILED
    assert ended.generations[0].error == "The image service cancelled this image."
    assert await polling.spent() == 0


@pytest.mark.faults("generation-stuck")
async def test_a_cancelled_job_ends_at_once_and_costs_nothing(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(timing=SLOW_POLLS)
    async with listening(restarted):
        job = await restarted.order()
        await eventually(lambda: is_running(restarted, job))
        await restarted.cancel(job)
        ended = await restarted.until(job)
    assert ended.generations[0].state is GenerationState.CANCELLED
    assert await restarted.spent() == 0


async def is_running(pipeline: Pipeline, job: Job) -> bool:
    return (await pipeline.orders.job(job.id)).generations[0].state is GenerationState.RUNNING


@pytest.mark.faults("generation-stuck")
async def test_a_job_cancelled_while_sending_is_cancelled_once_its_id_is_known(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(timing=SLOW_POLLS)
    async with restarted.running("watch"):
        await eventually(lambda: listeners(restarted))
        job, provider_id = await submitted_job(restarted)
        await restarted.cancel(job)
        await restarted.store.write(steps.accept, job.id, 0, provider_id)
        ended = await restarted.until(job)
    assert ended.generations[0].state is GenerationState.CANCELLED
    assert await restarted.spent() == 0


async def test_a_late_cancel_still_delivers_the_image(pipeline: Pipeline) -> None:
    job, provider_id = await running_job(pipeline)
    await eventually(lambda: has_ended(pipeline, provider_id))
    await pipeline.cancel(job)
    async with pipeline.running("watch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].state is GenerationState.SUCCEEDED
    assert await pipeline.spent() == PRICE


@pytest.mark.faults("generation-stuck")
async def test_a_generation_that_never_ends_is_cancelled_and_refunded(pipeline: Pipeline) -> None:
    job, _ = await running_job(pipeline)
    pipeline.clock.advance(GIVE_UP_MS + 1000)
    async with pipeline.running("watch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].error == "The image service took too long."
    assert len(pipeline.images.received("DELETE", "/api/ai/queue/")) == 1
    assert await pipeline.spent() == 0


class NeverCancels(Oxen):
    async def cancel(self, provider_id: str) -> None:
        raise ProviderBusy(f"{provider_id} cannot be cancelled now.")


async def test_a_failed_cancel_does_not_prevent_the_read(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(client=NeverCancels)
    job, _ = await running_job(restarted)
    await restarted.cancel(job)
    async with restarted.running("watch"):
        ended = await restarted.until(job)
    assert ended.generations[0].state is GenerationState.SUCCEEDED


async def test_an_image_finished_while_the_bot_was_offline_is_still_delivered(pipeline: Pipeline) -> None:
    job, provider_id = await running_job(pipeline)
    await eventually(lambda: has_ended(pipeline, provider_id))
    pipeline.clock.advance(3 * GIVE_UP_MS)
    async with pipeline.running("watch"):
        ended = await pipeline.until(job)
    assert ended.generations[0].state is GenerationState.SUCCEEDED


async def test_a_generation_unknown_to_the_image_api_fails_after_a_while(pipeline: Pipeline) -> None:
    polling = await pipeline.restart(timing=FAST_SLOW_POLL)
    job = await polling.order()
    await polling.store.write(steps.start, job.id, 0, polling.clock() - 600_000)
    await polling.store.write(steps.accept, job.id, 0, "unheard-of")
    async with polling.running("watch"):
        await eventually(lambda: was_read(polling, "unheard-of", 2))
        assert (await polling.orders.job(job.id)).state is JobState.OPEN  # a single such response may be a mistake
        polling.clock.advance(121_000)
        ended = await polling.until(job)
    assert ended.generations[0].error == "The image service lost this request."
    assert await polling.spent() == 0


@pytest.mark.faults("result-link-missing", times=3)
async def test_a_link_that_comes_after_the_success_is_waited_for(pipeline: Pipeline) -> None:
    polling = await pipeline.restart(mode="poll")
    async with polling.running("dispatch", "watch"):
        ended = await polling.until(await polling.order())
    assert ended.generations[0].state is GenerationState.SUCCEEDED


@pytest.mark.faults("result-link-missing")
async def test_a_success_without_a_link_fails_at_the_deadline(pipeline: Pipeline) -> None:
    job, provider_id = await running_job(pipeline)
    async with pipeline.running("watch"):
        await eventually(lambda: was_read(pipeline, provider_id, 2))
        pipeline.clock.advance(GIVE_UP_MS + 1000)
        ended = await pipeline.until(job)
    assert ended.generations[0].error == "The image service finished without an image."
    assert await pipeline.spent() == 0


@pytest.mark.faults("rows-fail")
async def test_a_generation_that_cannot_be_read_ends_soon_after_the_deadline(pipeline: Pipeline, switchboard: Switchboard) -> None:
    switchboard.turn_on("generation-stuck")
    job, provider_id = await running_job(pipeline)
    async with pipeline.running("watch"):
        pipeline.clock.advance(GIVE_UP_MS + 1000)
        await eventually(lambda: was_read(pipeline, provider_id, 2))
        assert (await pipeline.orders.job(job.id)).state is JobState.OPEN  # the bot may have been offline until now
        pipeline.clock.advance(61_000)
        ended = await pipeline.until(job)
    assert ended.generations[0].error == "The image service took too long."
    assert await pipeline.spent() == 0


@pytest.mark.faults("rows-fail", "generation-stuck")
async def test_an_order_that_waited_for_its_image_api_ends_within_twice_the_longest_time(pipeline: Pipeline) -> None:
    job, provider_id = await running_job(pipeline, waits_ms=GIVE_UP_MS - 1000)
    async with pipeline.running("watch"):
        await eventually(lambda: was_read(pipeline, provider_id, 1))
        pipeline.clock.advance(job.created_at + 2 * GIVE_UP_MS - 60_000 - pipeline.clock())
        await eventually(lambda: was_read(pipeline, provider_id, 3))
        pipeline.clock.advance(60_000)
        ended = await pipeline.until(job)
    assert ended.generations[0].error == "The image service took too long."
    assert await pipeline.spent() == 0


@pytest.mark.parametrize("fault", ["rows-fail", "images-error"])
async def test_a_cancelled_generation_ends_although_nothing_is_known_of_it(
    pipeline: Pipeline, switchboard: Switchboard, fault: str
) -> None:
    switchboard.turn_on("generation-stuck")
    job, provider_id = await running_job(pipeline)
    switchboard.turn_on(fault)
    await pipeline.cancel(job)
    async with pipeline.running("watch"):
        await eventually(lambda: was_read(pipeline, provider_id, 2))
        pipeline.clock.advance(31_000)
        ended = await pipeline.until(job)
    assert ended.generations[0].state is GenerationState.CANCELLED
    assert await pipeline.spent() == 0


async def test_with_a_stream_the_first_read_comes_after_twice_the_usual_time(pipeline: Pipeline) -> None:
    slow = await pipeline.restart(timing=SLOW_POLLS)
    job = await slow.order()
    await slow.store.write(steps.start, job.id, 0, slow.clock() - 10_000)
    made = Outcome(state=GenerationState.SUCCEEDED, result_url="https://x.test/a.png")
    await slow.store.write(steps.settle, job.id, 0, made, slow.clock())
    async with listening(slow):
        await eventually(lambda: is_connected(slow))
        now = slow.clock() + 1
        waits_s = ((await slow.watch.first_read(job.model, sent_at=now)).at(now - 1) - now) / 1000
    assert 19 < waits_s < 21


@pytest.mark.faults("events-early", "generation-stuck")  # the response to the enqueue comes when the generation has ended
async def test_what_was_sent_before_the_stream_was_connected_is_read_at_once(pipeline: Pipeline, switchboard: Switchboard) -> None:
    slow = await pipeline.restart(timing=SLOW_POLLS)
    job = await slow.order()
    async with slow.running("dispatch"):
        await eventually(slow.enqueued)
        async with slow.running("watch"):
            await eventually(lambda: is_connected(slow))
            switchboard.turn_on("events-lost")
            switchboard.turn_off("generation-stuck")
            assert (await slow.until(job)).succeeded


async def is_connected(pipeline: Pipeline) -> bool:
    return await pipeline.store.read(provider_states.stream_since, "oxen") is not None


@pytest.mark.faults("images-error", times=3)
async def test_a_failed_read_is_retried(pipeline: Pipeline) -> None:
    async with pipeline.running("dispatch", "watch"):
        await pipeline.until(await pipeline.order())
    assert await pipeline.spent() == PRICE
