"""All faults at once: lost responses, lost events, expired links, faults of Discord, and a bot that is killed repeatedly."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from bot.domain.job import Failure, Generation, GenerationState, Job, JobState, ReplyTarget
from sandbox.faults import Switchboard
from tests.env.fake_discord import DiscordFault, DiscordRoute
from tests.env.job_steps import check_ledger
from tests.services.conftest import Pipeline, eventually

PRICE = 1_000_000
KILLS = 4
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
    """Twelve jobs of four members with twenty images; some of the jobs are identical."""
    places = [ReplyTarget(user_id=member, channel_id=5, guild_id=member % 2 or None) for member in (1, 2, 3, 4)]
    return [await pipeline.order(place=places[n % 4], count=1 + n % 3 % 2 * 2, seed=n // 2) for n in range(12)]


async def all_delivered(pipeline: Pipeline, ordered: list[Job]) -> bool:
    for job in ordered:  # up to the first that is not: this is asked every few milliseconds
        if (await pipeline.orders.job(job.id)).state is not JobState.DELIVERED:
            return False
    return True


def is_lost_twice(generation: Generation) -> bool:
    """Whether it was sent again and got lost again: an error or an identical one took the first try, a kill the second."""
    return generation.failure is Failure.UNCERTAIN and generation.uncertain == 1


@pytest.mark.parametrize("seed", range(2))
async def test_every_job_is_made_paid_and_shown_once_despite_all_faults(pipeline: Pipeline, switchboard: Switchboard, seed: int) -> None:
    dice, run = Random(seed), pipeline
    ordered = await orders(run)
    pipeline.discord.remembers_nonces = False
    pipeline.discord.closed |= {DiscordRoute.MESSAGE} if seed % 2 else set()
    for fault, times in STORM.items():
        switchboard.turn_on(fault, times=times)
    for route in (DiscordRoute.MESSAGE, DiscordRoute.CHANNEL, DiscordRoute.PROGRESS):
        pipeline.discord.faults[route].extend(dice.choices(list(DiscordFault), k=6))
    for _ in range(KILLS):
        async with run.running(grace_s=0):
            await asyncio.sleep(dice.uniform(0, 0.4))  # a kill at a random time
        run = await pipeline.restart()
    async with run.running():
        await eventually(lambda: all_delivered(run, ordered), timeout_s=20)
    ended = [g for job in ordered for g in (await run.orders.job(job.id)).generations]
    made = [g for g in ended if not is_lost_twice(g)]
    assert {g.state for g in made} == {GenerationState.SUCCEEDED}
    assert len(made) >= len(ended) - KILLS  # each of them was on its way during a kill
    assert len({g.provider_id for g in made}) == await run.enqueued() == len(made)
    assert sum([await run.spent(member) for member in (1, 2, 3, 4)]) == len(made) * PRICE
    assert [len(pipeline.discord.results_of(job.id)) for job in ordered] == [1] * len(ordered)
    await check_ledger(run.store)
