"""Throws away what nobody needs any more: old references and images, what was kept between two steps, what an erased member left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.domain.gestures import STARS, normalized_emoji
from bot.domain.money.quota import DAY_MS, Bucket
from bot.store import delivery, kv, reactions, tray
from bot.store.engine.base import Store
from bot.store.privacy import erase

log = structlog.get_logger(__name__)

_EVERY_S = 3600
_REACTIONS_KEEP_MS = 30 * DAY_MS  # long after anybody would give the same one again


async def run(*, store: Store, references_keep_ms: int, images_keep_ms: int, bucket: Bucket, clock: Clock) -> None:
    """Once at the start, then every hour, until cancelled."""
    while True:
        now = clock()
        sweeps: dict[str, Callable[[Connection], int]] = {
            "references": partial(delivery.forget_references, before=now - references_keep_ms),
            "images": partial(delivery.forget_images, before=now - images_keep_ms),
            "forms": partial(kv.forget, prefix="form:", before=now - DAY_MS),
            "trays": partial(tray.forget, before=now - DAY_MS),
            "reactions": partial(reactions.forget, before=now - _REACTIONS_KEEP_MS, but=normalized_emoji(STARS)),
            "unfinished": erase.forget_unfinished,
            "accounts": partial(erase.forget_refilled, bucket=bucket, now=now),
        }
        gone = {name: await store.write(sweep) for name, sweep in sweeps.items()}
        if any(gone.values()):
            log.info("tidied", **gone)
        await asyncio.sleep(_EVERY_S)
