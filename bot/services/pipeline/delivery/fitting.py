"""How each image is shown: as it is, else re-encoded, else smaller, else as a link to the image API's own copy, else not at all.

An animation is never made a still in silence: it is linked, or shown as a still with a note that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Final

import structlog

from bot.core.errors import ImageError
from bot.core.i18n import _
from bot.core.running import machine
from bot.domain.job import Job
from bot.media import codec
from bot.media.decoding import DecodingPool
from bot.services.pipeline.delivery import spool
from bot.services.pipeline.delivery.links import SPACE, Links, ResultLink, reason_of

log = structlog.get_logger(__name__)

_REQUEST_BYTES: Final = 25 * 1024 * 1024 - 64 * 1024  # Discord's limit for all files of a message, and the rest of the request
_SHOWN_BY_DISCORD: Final = frozenset({".png", ".jpg", ".webp", ".gif"})


@dataclass(frozen=True, kw_only=True)
class ResultImage:
    """A finished image on disk, ready to be uploaded."""

    n: int  # its number in the job, from 0
    path: Path
    filename: str
    alt: str  # alternative text
    width_px: int
    height_px: int
    frames: int = 1  # more than one: an animation
    changed: str | None = None  # what was changed of it to show it here, for the member


@dataclass(frozen=True, kw_only=True)
class FittedResults:
    """The images of one message as they are shown."""

    images: tuple[ResultImage, ...]
    links: tuple[ResultLink, ...] = ()
    unusable: Mapping[int, str] = field(default_factory=dict)  # why an image cannot be shown at all, by its number


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """Fits images into upload limits. Everything raises `MachineTrouble`."""

    links: Links
    decoding: DecodingPool

    async def for_message(self, job: Job, images: Sequence[ResultImage], limit_bytes: int, *, space: int = SPACE) -> FittedResults:
        """The images of a message, each in at most `limit_bytes` and all in what a request holds. `space`: characters for links."""
        limit_bytes = _each(images, limit_bytes)
        shown: list[ResultImage] = []
        links: list[ResultLink] = []
        unusable: dict[int, str] = {}
        for image in images:
            try:
                shown.append(await self._file(image, limit_bytes))
            except ImageError as error:
                link = await self._link(job, image.n, reason_of(error), space=space - sum(len(each.url) for each in links))
                if link is not None:
                    links.append(link)
                elif (still := await self._still(image, limit_bytes, error)) is not None:
                    shown.append(still)
                else:
                    log.warning("result cannot be shown", job=job.id, n=image.n, reason=error.sentence)
                    unusable[image.n] = reason_of(error)
        return FittedResults(images=tuple(shown), links=tuple(links), unusable=unusable)

    async def as_links(self, job: Job, images: Sequence[ResultImage], reason: str) -> Mapping[int, ResultLink]:
        """Links to those of the images that have one, by number."""
        links: dict[int, ResultLink] = {}
        for image in images:
            link = await self._link(job, image.n, reason, space=SPACE - sum(len(each.url) for each in links.values()))
            links |= {} if link is None else {image.n: link}
        return links

    async def for_file(self, images: Sequence[ResultImage], limit_bytes: int) -> list[ResultImage]:
        """Those of the images that can be uploaded at all, as `for_message` does it."""
        limit_bytes = _each(images, limit_bytes)
        found = []
        for image in images:
            try:
                found.append(await self._file(image, limit_bytes))
            except ImageError as error:
                if (still := await self._still(image, limit_bytes, error)) is not None:
                    found.append(still)
                    continue
                log.info("image not sent", n=image.n, reason=error.sentence)
        return found

    async def _link(self, job: Job, n: int, reason: str, *, space: int) -> ResultLink | None:
        generation = next(each for each in job.generations if each.n == n)
        return await self.links.to_show(generation, reason=reason, space=space)

    async def _file(self, image: ResultImage, limit_bytes: int) -> ResultImage:
        """The image as it is, or re-encoded. Raises `ImageError`."""
        # Fast enough for the event loop: the file was just written.
        if PurePath(image.filename).suffix in _SHOWN_BY_DISCORD and image.path.stat().st_size <= limit_bytes:
            return image
        fitted = await self.decoding.run(codec.fit, image.path, limit_bytes)
        return await _written(image, fitted, limit_bytes)

    async def _still(self, image: ResultImage, limit_bytes: int, error: ImageError) -> ResultImage | None:
        """The first frame of an animation that is too large; None if it is another error, or not even that fits."""
        if not isinstance(error, codec.AnimationTooLarge):
            return None
        try:
            still = await self.decoding.run(codec.still, image.path, limit_bytes)
        except ImageError:
            return None
        return await _written(image, still, limit_bytes)


def notes_of(images: Iterable[ResultImage]) -> list[str]:
    """What was changed of these images: a sentence for each that was."""
    template = _("Image {number} was {changed}.")
    return [template.format(number=image.n + 1, changed=image.changed) for image in images if image.changed is not None]


def _each(images: Sequence[ResultImage], limit_bytes: int) -> int:
    """The limit for each image of a message."""
    most = max(_REQUEST_BYTES, limit_bytes)
    sizes = [image.path.stat().st_size for image in images]
    return most // len(images) if sum(min(size, limit_bytes) for size in sizes) > most else limit_bytes


async def _written(image: ResultImage, fitted: codec.FittedImage, limit_bytes: int) -> ResultImage:
    path = image.path.with_name(f"{image.path.name}-{limit_bytes}")
    await machine.in_thread(spool.write, path, fitted.content)
    filename = f"{image.filename.rpartition('.')[0]}.{fitted.extension}"
    return replace(image, path=path, filename=filename, width_px=fitted.width, height_px=fitted.height, changed=fitted.changed)
