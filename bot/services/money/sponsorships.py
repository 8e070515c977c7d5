"""Background loop that closes sponsorships that are over or used up, and returns the rest to their hosts."""

from __future__ import annotations

import structlog

from bot.core.clock import Clock
from bot.core.running.supervision import apart, pause
from bot.store.engine.base import Store
from bot.store.money import sponsorships

log = structlog.get_logger(__name__)


async def run(*, store: Store, clock: Clock, every_s: float) -> None:
    """Check at the start and then every `every_s` seconds, until cancelled. Also returns what was released after a sponsorship ended."""
    while True:
        with apart() as attempt:
            for sponsorship in await store.read(sponsorships.due, clock()):
                with attempt():
                    returned = await store.write(sponsorships.close, sponsorship, clock())
                    log.info("sponsorship ended", sponsorship=sponsorship, returned=returned)
        await pause(every_s)
