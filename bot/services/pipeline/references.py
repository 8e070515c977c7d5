"""Fetches the images that members attach, and makes references of them: checked, upright and without metadata."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from bot.core.errors import BadReference, ImageError, NotAnImage, ProviderError
from bot.core.i18n import _
from bot.core.markdown import escaped
from bot.core.numbers import number
from bot.domain.job import Reference, ReferenceRole
from bot.domain.order import Attachment, OperatorLimits, ReadFile
from bot.domain.request import Request
from bot.media import likeness, masks
from bot.media.decoding import DecodingPool, for_member
from bot.media.fetch import Fetcher
from bot.media.formats import unread


@dataclass(frozen=True, kw_only=True)
class References:
    """Every method raises `BadReference` and `Overloaded`."""

    fetcher: Fetcher
    decoding: DecodingPool
    limits: OperatorLimits

    async def take(self, attachments: Sequence[Attachment], request: Request) -> list[Reference]:
        """Fetch all, after the member's others. Fetches nothing if the declared size of one is too large."""
        if not attachments:
            return []
        for attachment in attachments:
            self._check_size(attachment.filename, attachment.size_bytes)
        size_bytes = len(attachments) * self.limits.reference_max_bytes  # what a link leads to may be larger than it says
        async with self.decoding.turn(request.actor.user_id, size_bytes=size_bytes):
            files = await asyncio.gather(*(self._fetch(attachment) for attachment in attachments))
            for name, content in files:
                with _about(name):  # before any of them is decoded
                    await self.decoding.check(content, max_pixels=self.limits.reference_max_pixels)
            return [await self._clean(attachment, file) for attachment, file in zip(attachments, files, strict=True)]

    async def mask(self, given: Reference, image: Reference, request: Request) -> Reference:
        """The mask for this image."""
        try:
            with for_member(request.actor.user_id):
                content = await self.decoding.run(masks.clean_mask, given.content, image.width_px, image.height_px)
        except ImageError as error:
            raise BadReference(error.sentence) from error
        return replace(
            image, content=content, content_type="image/png", url=None, url_expires_at=None, owner_id=None, role=ReferenceRole.MASK
        )

    async def fingerprint(self, attachment: Attachment, request: Request) -> int:
        """See `bot.media.likeness`."""
        (reference,) = await self.take([attachment], request)
        with for_member(request.actor.user_id):
            return await self.decoding.run(likeness.fingerprint, reference.content)

    # --- parts -----------------------------------------------------------------------------------------------------

    def _check_size(self, name: str, size_bytes: int) -> None:
        limit = self.limits.reference_max_bytes
        if size_bytes > limit:
            allowed = _("{name} is {size} MB. The limit is {limit} MB.")
            size = number(math.ceil(size_bytes / 1e4) / 100)  # rounded up, so that it is never the limit itself
            raise BadReference(allowed.format(name=escaped(name), limit=number(limit / 1e6), size=size))

    async def _fetch(self, attachment: Attachment) -> ReadFile:
        if attachment.read is not None:
            name, content = await attachment.read()
            self._check_size(name, len(content))
            return name, content
        try:
            content = await self.fetcher.fetch_bytes(attachment.url, max_bytes=self.limits.reference_max_bytes)
        except (ImageError, ProviderError) as error:
            raise BadReference(f"{escaped(attachment.filename)}: {error.sentence}") from error
        return attachment.filename, content

    async def _clean(self, attachment: Attachment, file: ReadFile) -> Reference:
        name, content = file
        with _about(name):
            clean = await self.decoding.clean(content, max_pixels=self.limits.reference_max_pixels)
        link = attachment.url if clean.was_bare and _is_unchanging(attachment.url) else ""
        return Reference(
            content=clean.content,
            content_type=clean.content_type,
            width_px=clean.width,
            height_px=clean.height,
            url=link or None,
            url_expires_at=_expiry(link),
            owner_id=attachment.source.owner_id if attachment.source else None,
            frames=clean.frames,
        )


@contextmanager
def _about(name: str) -> Iterator[None]:
    """Say which file an error is about."""
    try:
        yield
    except ImageError as error:
        raise _unusable(name, error) from error


def _unusable(name: str, error: ImageError) -> BadReference:
    if isinstance(error, NotAnImage) and error.type_name:
        return BadReference(unread(escaped(name), error.type_name))
    return BadReference(f"{escaped(name)}: {error.sentence}")


def _is_unchanging(url: str) -> bool:
    """Whether a link always leads to the bytes that were cleaned: behind Discord's proxy of other servers they may change."""
    return not urlsplit(url).path.startswith("/external/")


def _expiry(url: str) -> int | None:
    """When a Discord CDN link expires (Unix ms): its parameter `ex` has hexadecimal Unix seconds."""
    given = parse_qs(urlsplit(url).query).get("ex", [""])[0]
    try:
        return int(given, 16) * 1000
    except ValueError:
        return None
