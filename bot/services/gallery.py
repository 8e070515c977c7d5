"""A guild's gallery: images with enough stars are posted once, and their author gets credits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import structlog

from bot.core.clock import Clock
from bot.domain.gestures import Reactors
from bot.domain.job import Job
from bot.domain.request import Channel, Request
from bot.domain.visibility import Audience, border, origin_here
from bot.store import gallery
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Every method is one transaction."""

    store: Store
    clock: Clock

    async def starred(self, request: Request, job: Job, message_id: int, *, shown_in: Channel, present: Reactors | None = None) -> bool:
        """Count the stars of an image. True if it now enters the gallery, `shown_in`; it stays there even if stars are removed later.

        An image that the gallery's readers may not see does not enter, and earns nothing. `present` is who stars it on Discord now, if
        Discord was asked.
        """
        rules, guild_id = request.policy.gallery, request.guild_id
        if guild_id is None or rules.channel_id is None or rules.channel_id in request.settings.gone:
            return False
        if (found := border(origin_here(request, job), Audience(channel=shown_in))) is not None:
            log.info("not in the gallery: its readers may not see the image", job=job.id, guild=guild_id, border=found)
            return False
        showing = partial(gallery.show_if_starred, guild_id=guild_id, rules=rules, present=present)
        came = await self.store.write(showing, job.id, message_id, now=self.clock())
        if came:
            log.info("gallery entry added", job=job.id, guild=guild_id)
        return came
