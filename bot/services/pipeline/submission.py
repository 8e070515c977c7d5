"""Builds the request that is sent to an image API for a generation."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from bot.core.clock import Clock
from bot.core.running import machine
from bot.core.settings.field_types import ReferenceMode
from bot.domain.job import Generation, Reference, ReferenceRole
from bot.media import codec, masks
from bot.media.decoding import DecodingPool, for_member
from bot.providers.provider import Provider, Submission
from bot.store import jobs
from bot.store.engine.base import Store

_LINK_MARGIN_MS = 10 * 60_000  # a link must outlive the image API's own queue
# Of all inline images of a request to a queue, whose rows echo them: more detail than models use, and rows of a few megabytes.
_INLINE_BYTES = 4_000_000


def label(generation: Generation) -> Submission:
    """The submission without references: enough for a lookup."""
    return Submission(model=generation.api_model, prompt=generation.prompt, seed=generation.seed, params=generation.params)


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Adds the reference images: as links if `mode` allows and they have one that lasts, else as cleaned data URIs."""

    store: Store
    decoding: DecodingPool
    mode: ReferenceMode
    clock: Clock

    async def pack(self, generation: Generation, provider: Provider) -> Submission:
        """The complete submission."""
        kept = await self.store.read(jobs.references_of, generation.job_id)
        refs = [each for each in kept if each.role is not ReferenceRole.MASK]
        mode = self.mode if provider.takes_links else ReferenceMode.INLINE
        links = [link_of(ref, mode, self.clock()) for ref in refs]
        limit_bytes = _INLINE_BYTES // max(1, links.count(None)) if provider.has_queue else None
        passed_on = [link or await self._data_uri(ref, limit_bytes, generation.user_id) for ref, link in zip(refs, links, strict=True)]
        masks_ = [await self._mask(each, passed_on[0], generation.user_id) for each in kept if each.role is ReferenceRole.MASK]
        return replace(label(generation), references=passed_on, mask=next(iter(masks_), None))

    async def _mask(self, mask: Reference, image: str, user_id: int) -> str:
        """The data URI of a mask for `image`, which is passed on as a link or a data URI."""
        with for_member(user_id):
            content = await self.decoding.run(masks.for_image, mask.content, image)
        return await machine.in_thread(lambda: f"data:{mask.content_type};base64,{base64.b64encode(content).decode()}")

    async def _data_uri(self, reference: Reference, limit_bytes: int | None, user_id: int) -> str:
        content, content_type = reference.content, reference.content_type
        if limit_bytes is not None and len(content) > limit_bytes:
            with for_member(user_id):
                content, content_type = await self.decoding.run(codec.shrink, content, content_type, limit_bytes)
        return await machine.in_thread(lambda: f"data:{content_type};base64,{base64.b64encode(content).decode()}")


def link_of(reference: Reference, mode: ReferenceMode, now: int) -> str | None:
    """The link of a reference that has one, because its original has nothing to clean."""
    expires_at = reference.url_expires_at
    match mode:
        case ReferenceMode.AUTO:
            lasts = expires_at is not None and expires_at - _LINK_MARGIN_MS > now
        case ReferenceMode.LINK:
            lasts = expires_at is None or expires_at > now
        case _:
            lasts = False
    return reference.url if lasts else None
