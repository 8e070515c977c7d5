"""Everything at once: lost answers, lost events, dead links, a moody Discord, and a bot that is killed again and again."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from bot.domain.job import GenerationState, Job, JobState, ReplyTarget
from sandbox.faults import Switchboard
from tests.env.fake_discord import Trouble, Way
from tests.env.job_steps import check_ledger
from tests.services.conftest import Pipeline, eventually

PRICE = 1_000_000
STORM = {
    "enqueue-answer-lost": 4,
    "images-error": 4,
    "images-rate-limited": 3,
    "events-cut": 3,
    "events-doubled": 4,
    "events-early": 3,
    "events-lost": 4,
    "events-refused": 2,
    "result-expired": 5,
    "result-cut": 2,
}


async def orders(pipeline: Pipeline) -> list[Job]:
    """Twelve jobs of four members, some of them twins to the letter; twenty pictures."""
    places = [ReplyTarget(user_id=member, channel_id=5, guild_id=member % 2 or None) for member in (1, 2, 3, 4)]
    return [await pipeline.order(place=places[n % 4], count=1 + n % 3 % 2 * 2, seed=n // 2) for n in range(12)]


async def all_told(pipeline: Pipeline, ordered: list[Job]) -> bool:
    return all([(await pipeline.orders.job(job.id)).state is JobState.DELIVERED for job in ordered])


@pytest.mark.parametrize("seed", range(2))
async def test_every_job_is_made_once_paid_once_and_shown_once(pipeline: Pipeline, switchboard: Switchboard, seed: int) -> None:
    chance, run = Random(seed), pipeline
    ordered = await orders(run)
    pipeline.board.nonces_last = False
    pipeline.board.closed |= {Way.MESSAGE} if seed % 2 else set()
    for fault, times in STORM.items():
        switchboard.turn_on(fault, times=times)
    for way in (Way.MESSAGE, Way.CHANNEL, Way.PROGRESS):
        pipeline.board.trouble[way].extend(chance.choices(list(Trouble), k=6))
    for _ in range(4):
        async with run.at_work(grace_s=0):
            await asyncio.sleep(chance.uniform(0, 0.4))  # no matter when: that is the point
        run = await pipeline.again()
    async with run.at_work():
        await eventually(lambda: all_told(run, ordered), timeout_s=20)
    pictures = sum(len(job.generations) for job in ordered)
    ended = [g for job in ordered for g in (await run.orders.job(job.id)).generations]
    assert {g.state for g in ended} == {GenerationState.SUCCEEDED}
    assert len({g.provider_id for g in ended}) == await run.enqueued() == pictures
    assert sum([await run.spent(member) for member in (1, 2, 3, 4)]) == pictures * PRICE
    assert [len(pipeline.board.of(job.id)) for job in ordered] == [1] * len(ordered)
    await check_ledger(run.store)
