"""The full-size images of a finished job, from any source that still has them, as files to upload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import structlog

from bot.core.clock import Clock
from bot.core.errors import DeliveryError, EaselError, ImageError, ProviderBusy, ProviderError, ProviderRefused
from bot.core.i18n import _
from bot.core.running import machine
from bot.core.running.coordination import SharedLocks
from bot.domain.job import Generation, Job, JobState
from bot.media import codec
from bot.media.addresses import HostNotListed
from bot.media.decoding import DecodingPool, for_member
from bot.media.fetch import Fetcher, LinkExpired, TooManyBytes
from bot.providers.response_images import decode, is_inline
from bot.services.pipeline.delivery import spool
from bot.services.pipeline.delivery.fitting import Fitting, ResultImage
from bot.services.pipeline.delivery.links import Links, ResultLink, is_shown_elsewhere, reason_of
from bot.services.pipeline.delivery.spool import Spool
from bot.store import jobs, steps
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

_AT_A_TIME = 4  # jobs
_FETCH_MS = 86_400_000  # an image that cannot be fetched for this time counts as unusable
_START_MS = 600_000
_LONGEST_PAUSE_S = 900.0  # between attempts to fetch it
_HELD_BACK = {  # what the operator must do, by the setting
    "RESULT_MAX_MB": "If you want images of this size, raise RESULT_MAX_MB and restart within a day; else the member is refunded.",
    "RESULT_HOSTS": "If that host is right, add it to RESULT_HOSTS and restart: the image waits. `python -m bot doctor` names the host.",
}
_SHOWN = (JobState.DELIVERED, JobState.STRANDED)


@dataclass(frozen=True, kw_only=True)
class FetchedResults:
    """What a job has to show."""

    images: tuple[ResultImage, ...]
    links: tuple[ResultLink, ...]  # of images that cannot be decoded here


@dataclass(frozen=True, kw_only=True)
class PostedImage:
    """Fresh links to an image in a job's own message."""

    url: str
    small_url: str | None = None  # a WebP of at most `codec.THUMBNAIL_EDGE` px; None: Discord does not know the image's size


class ShownResults(Protocol):
    """The port to results that were shown before."""

    async def posted_images(self, job: Job) -> Mapping[int, PostedImage]:
        """The images in the job's own message, by number. Raises `DeliveryError`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Results:
    """Fetches and inspects images. The files exist until the context exits. Everything raises `MachineTrouble`."""

    store: Store
    links: Links
    fitting: Fitting
    attachments: Fetcher  # for Discord's
    decoding: DecodingPool
    shown: ShownResults
    locks: SharedLocks
    spool: Spool
    max_bytes: int
    max_pixels: int
    started_at: int  # of the bot (Unix ms)
    clock: Clock
    _slots: asyncio.Semaphore = field(init=False, repr=False, default_factory=lambda: asyncio.Semaphore(_AT_A_TIME))

    @asynccontextmanager
    async def fetched(self, job: Job, *, trouble_at: int = 0) -> AsyncIterator[FetchedResults]:
        """The usable images for the first delivery; unusable ones without a link are recorded and refunded.

        `trouble_at`: when (Unix ms) this machine was last too short of something to fetch them. Raises `ProviderError` if fetching an
        image must be retried later.
        """
        async with self._folder(job) as folder:
            images, links = [], []
            for generation in usable(job):
                try:
                    images.append(await self._original(job, generation, folder, trouble_at))
                except ImageError as error:
                    reason = reason_of(error)
                    link = await self.links.to_show(generation, reason=reason) if is_shown_elsewhere(error) else None
                    if link is not None:
                        links.append(link)
                        continue
                    log.warning("unusable result", job=job.id, n=generation.n, reason=reason)
                    await self.store.write(steps.spoil, job.id, generation.n, reason, self.clock())
            yield FetchedResults(images=tuple(images), links=tuple(links))

    @asynccontextmanager
    async def open(self, job: Job, *, limit_bytes: int) -> AsyncIterator[tuple[ResultImage, ...]]:
        """The available images of a delivered job, each in at most `limit_bytes`. Raises `ImageError` if there are none.

        Also raises `ImageError` before the delivery, because the images were not screened yet.
        """
        if not await self._was_shown(job):
            raise ImageError(_("This image hasn't arrived yet."))
        async with self._slots, self._folder(job) as folder:
            found = [image for generation in usable(job) if (image := await self._from_any_source(job, generation, folder))]
            if not found:
                raise ImageError(_("The original image is no longer available."))
            fitted = await self.fitting.for_file(found, limit_bytes)
            if not fitted:
                raise ImageError(_("The original image can't be sent here."))
            yield tuple(fitted)

    @asynccontextmanager
    async def withheld(self, job: Job, *, limit_bytes: int) -> AsyncIterator[tuple[ResultImage, ...]]:
        """The images that a check withheld, while the image API or the store still has them: for moderators, and for the author once they
        have decided so. They do not have the names of shown images, by which members' commands would find them.
        """
        async with self._slots, self._folder(job) as folder:
            found = []
            for generation in job.withheld if job.state is not JobState.DELETED else ():
                try:
                    image = await self._image(job, generation, await self._content(job, generation, folder))
                except (ImageError, ProviderError) as error:
                    log.info("withheld image not available", job=job.id, n=generation.n, reason=error.sentence)
                    continue
                found.append(replace(image, filename=f"withheld-{job.id}-{generation.n + 1}{Path(image.filename).suffix}"))
            yield tuple(await self.fitting.for_file(found, limit_bytes))

    async def thumbnail_of_withheld(self, job: Job, n: int) -> bytes | None:
        """A small WebP of one of them, which is not stored; None if it is not available."""
        async with self._folder(job) as folder:
            try:
                generation = next(each for each in job.withheld if each.n == n)
                return await self.decoding.run(codec.thumbnail, await self._content(job, generation, folder))
            except (ImageError, ProviderError) as error:
                log.info("withheld image not available", job=job.id, n=n, reason=error.sentence)
        return None

    async def thumbnail(self, job: Job, n: int, *, attachment_url: str | None) -> bytes:
        """A small WebP of the image API's original, else of the attachment. Raises `ImageError` or `ProviderError` if there is neither."""
        generation = next(each for each in usable(job) if each.n == n)
        async with self._folder(job) as folder:
            try:
                path = await self._content(job, generation, folder)
            except (ImageError, ProviderError):
                if attachment_url is None:
                    raise
                path = await self._attached(attachment_url, folder)
            return await self.decoding.run(codec.thumbnail, path)

    # --- the sources, best first -----------------------------------------------------------------------------------

    async def _from_any_source(self, job: Job, generation: Generation, folder: Path) -> ResultImage | None:
        for source in (self._content, self._attachment):
            try:
                return await self._image(job, generation, await source(job, generation, folder))
            except (ImageError, ProviderError, DeliveryError) as error:
                log.info("image not found at source", job=job.id, n=generation.n, source=source.__name__, reason=error.sentence)
        return None

    async def _original(self, job: Job, generation: Generation, folder: Path, trouble_at: int) -> ResultImage:
        """The original from the image API. It was paid for, so any failure is retried for a day (`ProviderBusy`).

        Links and storage recover; for a host that is not listed or an image above RESULT_MAX_MB, the operator can change the setting.

        Raises `ImageError` after that day, and at once for what stays as it is: an inline image, and what others may show.
        """
        if (path := await self._inline(generation, folder)) is not None:
            return await self._image(job, generation, path)
        try:
            return await self._image(job, generation, await self._downloaded(generation, folder))
        except (ImageError, ProviderError) as error:
            if isinstance(error, ImageError) and (is_shown_elsewhere(error) or not generation.result_url):
                raise
            # After a start it is tried for a while: the bot may have been stopped for the day, or its clock set forward.
            began = max(generation.ended_at or job.created_at, trouble_at, self.started_at - _FETCH_MS + _START_MS)
            age_ms = self.clock() - began
            if age_ms >= _FETCH_MS and not isinstance(error, HostNotListed):
                raise ImageError(_("It couldn't be downloaded for a day.")) from error
            if (setting := _setting_for(error)) is not None:
                about = {"change": setting, "provider": generation.provider, "job": job.id}
                # Not `reason`, which is told to the operator: this is in the member's language.
                log.critical("result held back", **about, sentence=error.sentence, do=_HELD_BACK[setting])
            raise ProviderBusy(error.sentence, retry_after_s=_pause_s(error, age_ms)) from error

    async def _content(self, _job: Job, generation: Generation, folder: Path) -> Path:
        return await self._inline(generation, folder) or await self._downloaded(generation, folder)

    async def _inline(self, generation: Generation, folder: Path) -> Path | None:
        """What the image API returned in its answer. Raises `ImageError`."""
        url = generation.result_url or ""
        kept = None if url and generation.queued else await self.store.read(jobs.image_of, generation.job_id, generation.n)
        if kept is None and is_inline(url):
            try:
                kept = await decode(url, max_bytes=self.max_bytes)
            except ProviderRefused as error:
                raise ImageError(error.sentence) from error
        return None if kept is None else await machine.in_thread(spool.write, folder / f"inline-{generation.n}", kept)

    async def _downloaded(self, generation: Generation, folder: Path) -> Path:
        """By its link, which is renewed once if it has expired."""
        url, fetcher = generation.result_url or "", self.links.fetcher_of(generation)
        try:
            return await fetcher.fetch_to_file(url, max_bytes=self.max_bytes, folder=folder)
        except LinkExpired:
            url = await self.links.renewed(generation)
        return await fetcher.fetch_to_file(url, max_bytes=self.max_bytes, folder=folder)

    async def _attachment(self, job: Job, generation: Generation, folder: Path) -> Path:
        """From the attachment of the job's message."""
        posted = (await self.shown.posted_images(job)).get(generation.n)
        if posted is None:
            raise ImageError(_("Its message was deleted."))
        return await self._attached(posted.url, folder)

    async def _attached(self, url: str, folder: Path) -> Path:
        return await self.attachments.fetch_to_file(url, max_bytes=self.max_bytes, folder=folder)

    async def _was_shown(self, job: Job) -> bool:
        """Whether the job was delivered. Waits for a running delivery, which holds the job's lock until it is recorded."""
        if job.state in _SHOWN:
            return True
        async with self.locks.of(job.id):
            kept = await self.store.read(jobs.get, job.id)
        return kept is not None and kept.state in _SHOWN

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _image(self, job: Job, generation: Generation, path: Path) -> ResultImage:
        info = await self.decoding.inspect(path, max_pixels=self.max_pixels)
        name = f"easel-{job.id}-{generation.n + 1}.{info.extension}"
        return ResultImage(
            n=generation.n,
            path=path,
            filename=f"SPOILER_{name}" if job.spoiler else name,
            alt=generation.prompt,
            width_px=info.width,
            height_px=info.height,
            frames=info.frames,
        )

    @asynccontextmanager
    async def _folder(self, job: Job) -> AsyncIterator[Path]:
        """A folder of its own, with space for all its images."""
        async with self.spool.folder_for(job.id, size_bytes=len(usable(job)) * self.max_bytes) as folder:
            with for_member(job.place.user_id):
                yield folder


def _setting_for(error: EaselError) -> str | None:
    """The setting that would let this result through."""
    if isinstance(error, TooManyBytes):
        return "RESULT_MAX_MB"
    return "RESULT_HOSTS" if isinstance(error, HostNotListed) else None


def _pause_s(error: EaselError, age_ms: int) -> float | None:
    """Seconds until the next attempt, which grow with the age of the image; None at first: the outbox's own pauses are shorter."""
    asked_s = getattr(error, "retry_after_s", None) or 0.0
    pause_s = max(asked_s, age_ms / 20_000)
    return min(pause_s, _LONGEST_PAUSE_S) if asked_s or pause_s > 60 else None


def usable(job: Job) -> list[Generation]:
    """The generations whose images were neither withheld nor unusable."""
    return [generation for generation in job.succeeded if generation.error is None]
