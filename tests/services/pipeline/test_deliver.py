"""Delivery: every job is shown once, by the best open route."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.core.running.loops import Timing
from bot.domain.job import JobState, ReplyTarget
from bot.domain.outbox import ItemKind
from bot.store import jobs, outbox
from tests.env.app import BRISK
from tests.env.fake_discord import DiscordFault, DiscordRoute
from tests.env.images import MADE
from tests.env.jobs import CANCELLED, FAILED, order_of
from tests.services.conftest import Pipeline, eventually

PLACE = ReplyTarget(user_id=7, channel_id=5, guild_id=1)
BY_INTERACTION = replace(PLACE, token="expired")  # must be answered first; the token has expired
VALID_TOKEN = {"application_id": 3, "token": "token", "token_expires_at": 2**60}
RETRY_STRANDED = Timing(stranded_s=0.1)


async def show(pipeline: Pipeline, *closed: DiscordRoute, **place: Any) -> list[DiscordRoute]:
    """Deliver one job; returns the routes that were tried."""
    pipeline.discord.closed |= set(closed)
    job = await pipeline.ended_job(MADE, place=replace(PLACE, **place))
    async with pipeline.running("outbox"):
        await pipeline.until(job, JobState.DELIVERED, JobState.STRANDED)
    return list(pipeline.discord.calls)


# --- routes ----------------------------------------------------------------------------------------------------------


async def test_the_waiting_message_is_edited_by_token_while_it_is_valid(pipeline: Pipeline) -> None:
    assert await show(pipeline, **VALID_TOKEN) == [DiscordRoute.TOKEN]
    (message,) = pipeline.discord.messages.values()
    assert (message.finished, [name for name, _ in message.files]) == (True, [f"easel-{message.job_id}-1.png"])


async def test_after_the_token_expires_the_message_is_edited_by_the_bot(pipeline: Pipeline) -> None:
    assert await show(pipeline, token="token", token_expires_at=1) == [DiscordRoute.MESSAGE]


async def test_a_new_message_is_sent_if_the_old_one_is_gone(pipeline: Pipeline) -> None:
    assert await show(pipeline, DiscordRoute.TOKEN, DiscordRoute.MESSAGE, **VALID_TOKEN) == [
        DiscordRoute.TOKEN,
        DiscordRoute.MESSAGE,
        DiscordRoute.CHANNEL,
    ]
    assert [message.channel_id for message in pipeline.discord.messages.values() if message.finished] == [5]


async def test_a_direct_message_is_sent_if_the_channel_is_closed(pipeline: Pipeline) -> None:
    assert await show(pipeline, DiscordRoute.MESSAGE, DiscordRoute.CHANNEL) == [
        DiscordRoute.MESSAGE,
        DiscordRoute.CHANNEL,
        DiscordRoute.MEMBER,
    ]
    assert [message.channel_id for message in pipeline.discord.messages.values() if message.finished] == [-7]


async def test_a_private_image_is_never_shown_in_public(pipeline: Pipeline) -> None:
    assert await show(pipeline, private=True) == [DiscordRoute.MEMBER]


async def test_a_stranded_job_is_shown_when_a_route_opens(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(timing=RETRY_STRANDED)
    pipeline.discord.closed |= {DiscordRoute.MESSAGE, DiscordRoute.CHANNEL, DiscordRoute.MEMBER}
    job = await restarted.ended_job(MADE)
    async with restarted.running("outbox"):
        await restarted.until(job, JobState.STRANDED)
        pipeline.discord.closed.clear()
        shown = await restarted.until(job, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(job.id)) == 1
    assert shown.delivered_at is not None


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", DiscordFault)
@pytest.mark.parametrize(
    "closed", [set(), {DiscordRoute.MESSAGE}, {DiscordRoute.MESSAGE, DiscordRoute.CHANNEL}], ids=["edit", "channel", "member"]
)
async def test_a_job_is_shown_once_despite_faults(pipeline: Pipeline, fault: DiscordFault, closed: set[DiscordRoute]) -> None:
    pipeline.discord.closed, pipeline.discord.remembers_nonces = closed, False
    for route in (DiscordRoute.MESSAGE, DiscordRoute.CHANNEL, DiscordRoute.MEMBER):
        pipeline.discord.faults[route].append(fault)
    job = await pipeline.ended_job(MADE)
    async with pipeline.running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(job.id)) == 1


async def test_a_message_with_a_lost_response_is_found_and_not_sent_again(pipeline: Pipeline) -> None:
    pipeline.discord.remembers_nonces = False
    pipeline.discord.faults[DiscordRoute.CHANNEL].append(DiscordFault.LOST)
    assert await show(pipeline, DiscordRoute.MESSAGE) == [DiscordRoute.MESSAGE, DiscordRoute.CHANNEL, DiscordRoute.HISTORY]
    assert pipeline.discord.calls[DiscordRoute.CHANNEL] == 1
    assert sum(message.finished for message in pipeline.discord.messages.values()) == 1


async def test_a_message_that_did_not_arrive_is_sent_again(pipeline: Pipeline) -> None:
    pipeline.discord.faults[DiscordRoute.CHANNEL].append(DiscordFault.BUSY)
    assert await show(pipeline, DiscordRoute.MESSAGE) == [DiscordRoute.MESSAGE, DiscordRoute.CHANNEL, DiscordRoute.HISTORY]
    assert pipeline.discord.calls[DiscordRoute.CHANNEL] == 2


async def test_the_next_run_continues_after_a_kill_between_message_and_record(pipeline: Pipeline) -> None:
    pipeline.discord.closed, pipeline.discord.remembers_nonces = {DiscordRoute.MESSAGE}, False
    job = await pipeline.ended_job(MADE)
    pipeline.discord.faults[DiscordRoute.CHANNEL].append(DiscordFault.LOST)  # sent, but not recorded
    slow = await pipeline.restart(timing=replace(BRISK, retry_min_s=60, retry_max_s=60))
    async with slow.running("outbox", grace_s=0):
        await eventually(lambda: is_posted(pipeline, job.id))
    pipeline.clock.advance(60_000)
    async with (await pipeline.restart()).running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(job.id)) == 1


async def is_posted(pipeline: Pipeline, job_id: str) -> bool:
    return bool(pipeline.discord.results_of(job_id)) and await pipeline.attempts(job_id) == 1


async def test_the_next_run_continues_after_a_kill_after_the_claim(pipeline: Pipeline) -> None:
    job = await pipeline.ended_job(MADE)
    claim: dict[str, Any] = {"kinds": [ItemKind.DELIVER], "free": 1, "pause_ms": lambda _item: 50}
    assert (await pipeline.store.write(outbox.claim, pipeline.clock(), **claim))[0]
    async with (await pipeline.restart()).running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert (len(pipeline.discord.results_of(job.id)), await pipeline.store.read(outbox.get, job.id)) == (1, None)


async def test_the_next_run_continues_after_a_kill_during_an_edit(pipeline: Pipeline) -> None:
    job = await pipeline.ended_job(MADE)
    pipeline.discord.blocked[job.id] = asyncio.Event()
    async with pipeline.running("outbox", grace_s=0):
        await eventually(lambda: was_called(pipeline, DiscordRoute.MESSAGE))
    pipeline.discord.blocked.clear()
    async with (await pipeline.restart()).running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(job.id)) == 1
    assert list(pipeline.folder.iterdir()) == []


async def was_called(pipeline: Pipeline, route: DiscordRoute) -> bool:
    return pipeline.discord.calls[route] > 0


async def test_a_failing_delivery_does_not_block_the_others(pipeline: Pipeline) -> None:
    pipeline.discord.faults[DiscordRoute.MESSAGE].extend([DiscordFault.UNEXPECTED] * 3)
    failing = await pipeline.ended_job(MADE)
    async with pipeline.running("outbox"):
        await eventually(lambda: was_tried(pipeline, failing.id))
        for _ in range(3):
            await pipeline.until(await pipeline.ended_job(MADE), JobState.DELIVERED)
        await pipeline.until(failing, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(failing.id)) == 1


async def was_tried(pipeline: Pipeline, job_id: str) -> bool:
    return await pipeline.attempts(job_id) > 0


async def test_a_slow_delivery_does_not_block_the_others(pipeline: Pipeline) -> None:
    slow = await pipeline.ended_job(MADE)
    pipeline.discord.blocked[slow.id] = asyncio.Event()
    async with pipeline.running("outbox"):
        await eventually(lambda: was_called(pipeline, DiscordRoute.MESSAGE))
        await pipeline.until(await pipeline.ended_job(MADE), JobState.DELIVERED)
        pipeline.discord.blocked[slow.id].set()
        await pipeline.until(slow, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(slow.id)) == 1


async def test_a_delivery_fails_permanently_after_a_week(pipeline: Pipeline) -> None:
    pipeline.discord.closed |= {DiscordRoute.MESSAGE, DiscordRoute.CHANNEL, DiscordRoute.MEMBER}
    job = await pipeline.ended_job(MADE)
    pipeline.clock.advance(8 * 86_400_000)
    async with pipeline.running("outbox"):
        await eventually(lambda: is_given_up(pipeline, job.id))
    assert (await pipeline.orders.job(job.id)).state is JobState.STRANDED


async def is_given_up(pipeline: Pipeline, job_id: str) -> bool:
    return await pipeline.store.read(outbox.get, job_id) is None


# --- before the first response ---------------------------------------------------------------------------------------


async def test_nothing_is_shown_before_the_first_response(pipeline: Pipeline) -> None:
    receipt = await pipeline.orders.order(await order_of(pipeline, "a red fox", BY_INTERACTION))
    await pipeline.cancel(receipt.job)
    async with pipeline.running("outbox"):
        other = await pipeline.ended_job(MADE)
        await pipeline.until(other, JobState.DELIVERED)
        assert pipeline.discord.results_of(receipt.job.id) == []
        await pipeline.orders.answered(receipt.job.id, pipeline.discord.post_waiting_message(receipt.job))
        await pipeline.until(receipt.job, JobState.DELIVERED)
    assert pipeline.discord.calls == {DiscordRoute.MESSAGE: 2}


async def test_a_missing_first_response_delays_delivery_for_two_minutes(pipeline: Pipeline) -> None:
    receipt = await pipeline.orders.order(await order_of(pipeline, "a red fox", BY_INTERACTION))
    await pipeline.cancel(receipt.job)
    pipeline.clock.advance(121_000)
    async with pipeline.running("outbox"):
        await pipeline.until(receipt.job, JobState.DELIVERED)
    assert pipeline.discord.calls == {DiscordRoute.CHANNEL: 1}


# --- content ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [FAILED, CANCELLED], ids=["failed", "cancelled"])
async def test_a_job_without_an_image_gets_a_message(pipeline: Pipeline, outcome: Any) -> None:
    job = await pipeline.ended_job(outcome)
    async with pipeline.running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert [message.files for message in pipeline.discord.results_of(job.id)] == [[]]
    assert await pipeline.spent() == 0


async def test_inline_images_are_kept_after_delivery(pipeline: Pipeline) -> None:
    job = await pipeline.ended_job(MADE, MADE, FAILED, spoiler=True)
    async with pipeline.running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    (message,) = pipeline.discord.results_of(job.id)
    assert [name for name, _ in message.files] == [f"SPOILER_easel-{job.id}-1.png", f"SPOILER_easel-{job.id}-2.png"]
    assert [await pipeline.store.read(jobs.image_of, job.id, n) is not None for n in range(3)] == [True, True, False]


async def test_inline_images_are_deleted_at_delivery_if_the_operator_wants_it(pipeline: Pipeline) -> None:
    restarted = await pipeline.restart(PICTURES_KEEP_DAYS="0")
    job = await restarted.ended_job(MADE)
    async with restarted.running("outbox"):
        await restarted.until(job, JobState.DELIVERED)
    assert await pipeline.store.read(jobs.image_of, job.id, 0) is None
