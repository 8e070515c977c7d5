"""Throws away what nobody needs any more: old references and pictures, what was kept between two steps, what an erased member left."""

from __future__ import annotations

import asyncio

import structlog

from bot.clock import Clock
from bot.quota import Bucket
from bot.store import erasing, keepsakes, outbox, tray
from bot.store.engine import Store

log = structlog.get_logger(__name__)

_EVERY_S = 3600
_DAY_MS = 86_400_000


async def run(*, store: Store, references_keep_ms: int, pictures_keep_ms: int, bucket: Bucket, clock: Clock) -> None:
    """Once at the start, then every hour, until cancelled."""
    while True:
        now = clock()
        references = await store.write(outbox.forget_references, now - references_keep_ms)
        pictures = await store.write(outbox.forget_pictures, now - pictures_keep_ms)
        forms = await store.write(keepsakes.forget, "tray:", now - _DAY_MS)
        trays = await store.write(tray.forget, now - _DAY_MS)
        left = await store.write(erasing.forget_unfinished) + await store.write(erasing.forget_refilled, bucket, now)
        if references or pictures or forms or trays or left:
            log.info("tidied", references=references, pictures=pictures, forms=forms, trays=trays, left=left)
        await asyncio.sleep(_EVERY_S)
