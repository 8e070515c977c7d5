"""Background loop that closes expired sponsorships and returns the rest to their hosts."""

from __future__ import annotations

import structlog

from bot.core.clock import Clock
from bot.core.running.supervision import apart, pause
from bot.store.engine.base import Store
from bot.store.money import sponsorships

log = structlog.get_logger(__name__)

_EVERY_S = 60


async def run(*, store: Store, clock: Clock) -> None:
    """Check at the start and then every minute, until cancelled. Also returns holds that were released after a sponsorship ended."""
    while True:
        with apart() as attempt:
            for sponsorship in await store.read(sponsorships.due, clock()):
                with attempt():
                    returned = await store.write(sponsorships.close, sponsorship, clock())
                    log.info("sponsorship ended", sponsorship=sponsorship, returned=returned)
        await pause(_EVERY_S)
