"""Thumbnails that cannot be fetched in time, or from Discord."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bot.domain.job import Job, JobState
from bot.services.thumbnails import images_of
from bot.store import history
from tests.env.fake_discord import DiscordRoute
from tests.env.images import LARGE, MADE
from tests.env.jobs import FAILED
from tests.services.conftest import Pipeline


async def delivered(pipeline: Pipeline) -> Job:
    job = await pipeline.ended_job(LARGE, FAILED, MADE)
    async with pipeline.running():
        return await pipeline.until(job, JobState.DELIVERED)


async def kept(pipeline: Pipeline, job: Job) -> list[int]:
    return [n for _job_id, n in sorted(await pipeline.store.read(history.thumbnails_of, [job]))]


async def test_only_delivered_images_have_thumbnails(pipeline: Pipeline) -> None:
    job = await delivered(pipeline)
    assert [images_of(replace(job, state=state)) for state in (JobState.DELIVERED, JobState.STRANDED, JobState.DELETED)] == [(0, 2), (), ()]


async def test_inline_images_are_made_smaller_if_discord_does_not_respond(pipeline: Pipeline) -> None:
    pipeline.discord.closed = {DiscordRoute.ATTACHMENT}
    job = await delivered(pipeline)
    found = await pipeline.app.services.thumbnails.fetch([(job, n) for n in images_of(job)])
    assert sorted(found) == [(job.id, 0), (job.id, 2)]
    assert await kept(pipeline, job) == [0, 2]


async def test_what_is_not_there_in_time_is_left_out(pipeline: Pipeline) -> None:
    job = await delivered(pipeline)
    pipeline.discord.blocked[job.id] = asyncio.Event()
    assert await replace(pipeline.app.services.thumbnails, limit_s=0.01).fetch([(job, 0)]) == {}


async def test_thumbnails_of_a_deleted_job_are_not_kept(pipeline: Pipeline) -> None:
    job = await delivered(pipeline)
    assert await pipeline.store.write(history.take_away, job.id, pipeline.clock())
    await pipeline.app.services.thumbnails.fetch([(job, 2)])
    assert await kept(pipeline, job) == []
