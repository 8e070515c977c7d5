"""Throws away what nobody needs any more: old references, and what was kept between two steps of a member."""

from __future__ import annotations

import asyncio

import structlog

from bot.clock import Clock
from bot.store import keepsakes, outbox, tray
from bot.store.engine import Store

log = structlog.get_logger(__name__)

_EVERY_S = 3600
_DAY_MS = 86_400_000


async def run(*, store: Store, references_keep_ms: int, clock: Clock) -> None:
    """Once at the start, then every hour, until cancelled."""
    while True:
        now = clock()
        references = await store.write(outbox.forget_references, now - references_keep_ms)
        forms = await store.write(keepsakes.forget, "tray:", now - _DAY_MS)
        trays = await store.write(tray.forget, now - _DAY_MS)
        if references or forms or trays:
            log.info("tidied", references=references, forms=forms, trays=trays)
        await asyncio.sleep(_EVERY_S)
