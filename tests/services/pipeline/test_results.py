"""Full-size images of finished jobs, from any source that still has them; and their thumbnails."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import update

from bot.core.errors import ImageError
from bot.domain.job import Job, JobState
from bot.media import codec
from bot.store import steps
from bot.store.tables import generations
from sandbox.faults import Switchboard
from tests.env.fake_discord import DiscordRoute
from tests.env.images import LARGE, MADE, png
from tests.env.jobs import FAILED
from tests.services.conftest import Pipeline

pytestmark = pytest.mark.usefixtures("spool_is_emptied")

NO_LIMIT = 10**7


async def shown(pipeline: Pipeline, *outcomes: Any, **more: Any) -> Job:
    """A delivered job; without outcomes the image API makes it."""
    job = await pipeline.ended_job(*outcomes, **more) if outcomes else await pipeline.order(**more)
    async with pipeline.running():
        return await pipeline.until(job, JobState.DELIVERED)


async def names(pipeline: Pipeline, job: Job, *, limit_bytes: int = NO_LIMIT) -> list[str]:
    async with pipeline.results.open(job, limit_bytes=limit_bytes) as found:
        assert all(image.path.stat().st_size <= limit_bytes for image in found)
        return [image.filename for image in found]


async def gone_from_the_image_api(pipeline: Pipeline, job: Job) -> None:
    """Expire the job's link, and make the image API not know the generation."""
    await pipeline.store.write(steps.refresh_url, job.id, 0, f"{pipeline.images.url}/results/gone.png?expires=1")
    forgotten = update(generations).where(generations.c.job_id == job.id).values(provider_id="forgotten")
    await pipeline.store.write(lambda conn: conn.execute(forgotten).rowcount)


# --- sources ---------------------------------------------------------------------------------------------------------


async def test_inline_images_are_read_from_the_store(pipeline: Pipeline) -> None:
    job = await shown(pipeline, MADE, FAILED, MADE)
    assert await names(pipeline, job) == [f"easel-{job.id}-1.png", f"easel-{job.id}-3.png"]
    assert pipeline.discord.calls[DiscordRoute.ATTACHMENT] == 0


async def test_other_images_are_fetched_by_the_image_apis_link(pipeline: Pipeline) -> None:
    job = await shown(pipeline)
    assert await names(pipeline, job) == [f"easel-{job.id}-1.png"]


async def test_an_expired_link_is_renewed(pipeline: Pipeline, switchboard: Switchboard) -> None:
    job = await shown(pipeline)
    await pipeline.store.write(steps.refresh_url, job.id, 0, f"{pipeline.images.url}/results/gone.png?expires=1")
    assert len(await names(pipeline, job)) == 1
    assert pipeline.discord.calls[DiscordRoute.ATTACHMENT] == 0


async def test_an_image_that_the_image_api_deleted_is_fetched_from_its_message(pipeline: Pipeline) -> None:
    old, other = await shown(pipeline), await shown(await pipeline.restart())
    pipeline.discord.attachments[old.id, 0] = other.generations[0].result_url or ""
    await gone_from_the_image_api(pipeline, old)
    assert await names(pipeline, await pipeline.orders.job(old.id)) == [f"easel-{old.id}-1.png"]


@pytest.mark.parametrize("closed", [set(), {DiscordRoute.ATTACHMENT}], ids=["gone", "closed"])
async def test_an_image_without_any_source_is_an_error_but_not_refunded(pipeline: Pipeline, closed: set[DiscordRoute]) -> None:
    pipeline.discord.closed = closed
    job = await shown(pipeline)
    await gone_from_the_image_api(pipeline, job)
    job = await pipeline.orders.job(job.id)
    with pytest.raises(ImageError, match="no longer available"):
        await names(pipeline, job)
    assert (await pipeline.orders.job(job.id)).generations[0].error is None  # not a failure of the generation: it was delivered


async def test_a_job_without_an_image_cannot_be_opened(pipeline: Pipeline) -> None:
    job = await shown(pipeline, FAILED)
    with pytest.raises(ImageError):
        await names(pipeline, job)


async def test_an_image_is_made_to_fit_the_limit(pipeline: Pipeline) -> None:
    job = await shown(pipeline, LARGE)
    assert await names(pipeline, job, limit_bytes=300_000) == [f"easel-{job.id}-1.jpg"]


async def test_a_spoiler_keeps_its_file_name(pipeline: Pipeline) -> None:
    job = await shown(pipeline, MADE, spoiler=True)
    assert await names(pipeline, replace(job, spoiler=True)) == [f"SPOILER_easel-{job.id}-1.png"]


# --- thumbnails ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK"])
def test_a_thumbnail_is_webp_and_keeps_the_aspect_ratio(mode: str) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png(900, 450))).convert(mode).save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    small = Image.open(io.BytesIO(codec.thumbnail(buffer.getvalue())))
    assert (small.format, small.size) == ("WEBP", (384, 192))


def test_a_thumbnail_of_noise_is_still_small() -> None:
    assert len(codec.thumbnail(png(1024, 1024, noise=True))) < 60_000
