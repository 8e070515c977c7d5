"""Images that Discord refuses: what it accepts is shown, the rest is refunded, and the job ends."""

from __future__ import annotations

from bot.core.errors import Refused
from bot.domain.job import Job, JobState
from tests.env.fake_discord import DiscordRoute, FakeMessage
from tests.env.images import MADE
from tests.env.jobs import FAILED
from tests.services.conftest import Pipeline


async def delivered(pipeline: Pipeline, *, images: int = 2) -> tuple[Job, list[FakeMessage]]:
    """A job with these images, and the messages that show it."""
    job = await pipeline.ended_job(*[MADE] * images)
    async with pipeline.running("outbox"):
        job = await pipeline.until(job, JobState.DELIVERED)
    return job, pipeline.discord.results_of(job.id)


def refunded(job: Job) -> list[int]:
    return [generation.n for generation in job.generations if generation.refunded_at is not None]


async def test_a_refused_text_costs_no_image(pipeline: Pipeline) -> None:
    pipeline.discord.refuses = lambda message: None if message.bare else Refused.WORDS
    job, (message,) = await delivered(pipeline)
    assert (len(message.files), refunded(job)) == (2, [])


async def test_only_the_refused_image_is_left_out_and_refunded(pipeline: Pipeline) -> None:
    pipeline.discord.refuses = lambda message: Refused.EXPLICIT if 1 in [image.n for image in message.images] else None
    job, (message,) = await delivered(pipeline, images=3)
    assert [name[-5] for name, _size in message.files] == ["1", "3"]
    assert message.notes == ("Image 2 couldn't be used. Discord's filter refused it as explicit. You were refunded.",)
    assert refunded(job) == [1]


async def test_a_refused_sentence_goes_another_way(pipeline: Pipeline) -> None:
    calls = pipeline.discord.calls
    pipeline.discord.refuses = lambda message: Refused.OTHER if message.images or not calls[DiscordRoute.MEMBER] else None
    job, (message,) = await delivered(pipeline, images=1)
    assert (message.channel_id, refunded(job)) == (-job.place.user_id, [0])


async def test_a_failure_is_told_without_the_text_that_is_refused(pipeline: Pipeline) -> None:
    pipeline.discord.refuses = lambda message: None if message.bare else Refused.WORDS
    job = await pipeline.ended_job(FAILED)
    async with pipeline.running("outbox"):
        await pipeline.until(job, JobState.DELIVERED)
    assert len(pipeline.discord.results_of(job.id)) == 1


async def test_a_job_ends_although_every_message_about_it_is_refused(pipeline: Pipeline) -> None:
    pipeline.discord.refuses = lambda _message: Refused.OTHER
    job, messages = await delivered(pipeline, images=1)
    assert (messages, refunded(job)) == ([], [0])
