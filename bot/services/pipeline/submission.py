"""Builds the request that is sent to an image API for a generation."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace

from bot.core.clock import Clock
from bot.core.settings.field_types import ReferenceMode
from bot.domain.job import Generation, Reference
from bot.providers.provider import Submission
from bot.store import jobs
from bot.store.engine.base import Store

_LINK_MARGIN_MS = 10 * 60_000  # a link must outlive the image API's own queue


def label(generation: Generation) -> Submission:
    """The submission without references: enough for a lookup."""
    return Submission(model=generation.api_model, prompt=generation.prompt, seed=generation.seed, params=generation.params)


async def pack(generation: Generation, *, store: Store, mode: ReferenceMode, takes_links: bool, clock: Clock) -> Submission:
    """The complete submission. References are links if `mode` allows and they are fresh, else data URIs."""
    refs = await store.read(jobs.references_of, generation.job_id)
    mode = mode if takes_links else ReferenceMode.INLINE
    passed_on = [link if (link := _link(ref, mode, clock())) else await asyncio.to_thread(_data_uri, ref) for ref in refs]
    return replace(label(generation), references=passed_on)


def _link(reference: Reference, mode: ReferenceMode, now: int) -> str | None:
    fresh = reference.url_expires_at is not None and reference.url_expires_at - _LINK_MARGIN_MS > now
    return reference.url if mode is ReferenceMode.LINK or (mode is ReferenceMode.AUTO and fresh) else None


def _data_uri(reference: Reference) -> str:
    return f"data:{reference.content_type};base64,{base64.b64encode(reference.content).decode()}"
