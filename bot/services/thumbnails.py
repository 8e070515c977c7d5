"""Small versions of delivered images: fetched when they are to be shown for the first time, and then kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from bot.core.errors import DeliveryError, ImageError, MachineTrouble, ProviderError
from bot.domain.job import Job, JobState, Reference, Thumbnails
from bot.media import codec
from bot.media.decoding import DecodingPool
from bot.media.fetch import Fetcher
from bot.media.formats import Format
from bot.services.pipeline.delivery.results import PostedImage, Results, ShownResults, usable
from bot.store import history
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

_AT_A_TIME: Final = 4  # fetched for one panel
_MAX_BYTES: Final = 500_000  # of a small version
_MAX_PIXELS: Final = 4 * codec.THUMBNAIL_EDGE**2

ImageKey = tuple[Job, int]
"""A job, and the number of one of its images."""


@dataclass(frozen=True, kw_only=True)
class ThumbnailCache:
    """Takes what is missing from Discord's media proxy, which resizes the image in the job's message, else from the original."""

    store: Store
    results: Results
    attachments: Fetcher  # for Discord's links
    shown: ShownResults
    decoding: DecodingPool
    limit_s: float  # for one panel, which is then shown without what is still missing

    async def fetch(self, missing: Sequence[ImageKey]) -> Thumbnails:
        """Those that can be had within the time limit. They are stored, unless their job was deleted meanwhile."""
        found: dict[tuple[str, int], bytes] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limit_s):
                await self._fetch(missing, found)
        if found:
            await self.store.write(history.keep_thumbnails, found)
        return found

    async def of_references(self, references: Sequence[Reference], user_id: int) -> list[bytes]:
        """Small versions of a member's references. Raises `Overloaded`."""
        async with self.decoding.turn(user_id):
            return [await self.decoding.run(codec.thumbnail, each.content) for each in references]

    async def _fetch(self, missing: Sequence[ImageKey], found: dict[tuple[str, int], bytes]) -> None:
        slots = asyncio.Semaphore(_AT_A_TIME)

        async def add(job: Job, n: int, message: asyncio.Task[Mapping[int, PostedImage]]) -> None:
            posted = (await message).get(n)
            async with slots:
                small = await self._small(job, n, posted)
            if small is not None:
                found[job.id, n] = small

        async with asyncio.TaskGroup() as group:
            jobs = {job.id: job for job, _n in missing}
            messages = {job.id: group.create_task(self._posted(job, slots), name=f"message of {job.id}") for job in jobs.values()}
            for job, n in missing:
                group.create_task(add(job, n, messages[job.id]), name=f"thumbnail {n} of {job.id}")

    async def _posted(self, job: Job, slots: asyncio.Semaphore) -> Mapping[int, PostedImage]:
        """The images in the job's message, which cannot be read if it is private."""
        if job.place.private:
            return {}
        try:
            async with slots:
                return await self.shown.posted_images(job)
        except (DeliveryError, MachineTrouble) as error:
            log.info("message for thumbnails not found", job=job.id, reason=error.sentence)
            return {}

    async def _small(self, job: Job, n: int, posted: PostedImage | None) -> bytes | None:
        try:
            if posted is not None and posted.small_url is not None:
                return await self._resized(posted.small_url)
        except (ImageError, ProviderError, MachineTrouble) as error:
            log.info("thumbnail refused by the media proxy", job=job.id, n=n, reason=error.sentence)
        try:
            return await self.results.thumbnail(job, n, attachment_url=posted.url if posted else None)
        except (ImageError, ProviderError, MachineTrouble) as error:
            log.info("thumbnail not available", job=job.id, n=n, reason=error.sentence)
        return None

    async def _resized(self, url: str) -> bytes:
        content = await self.attachments.fetch_bytes(url, max_bytes=_MAX_BYTES)
        await self.decoding.run(codec.inspect, content, max_pixels=_MAX_PIXELS, formats={Format.WEBP})
        return content


def images_of(job: Job) -> tuple[int, ...]:
    """The numbers of the images that may be shown: none before the delivery, and none that was withheld or deleted."""
    return tuple(generation.n for generation in usable(job)) if job.state is JobState.DELIVERED else ()
