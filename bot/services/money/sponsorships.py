"""Gives hosts back what is left of their sponsorships."""

from __future__ import annotations

import asyncio

import structlog

from bot.core.clock import Clock
from bot.store.engine.base import Store
from bot.store.money import sponsorships

log = structlog.get_logger(__name__)

_EVERY_S = 60


async def run(*, store: Store, clock: Clock) -> None:
    """Once at the start, then every minute, until cancelled: those whose time is over, and what became free of closed ones."""
    while True:
        for sponsorship in await store.read(sponsorships.due, clock()):
            returned = await store.write(sponsorships.close, sponsorship, clock())
            log.info("sponsorship over", sponsorship=sponsorship, returned=returned)
        await asyncio.sleep(_EVERY_S)
