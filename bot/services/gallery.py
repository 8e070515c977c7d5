"""A server's gallery: images that many liked, shown once, with a little credit for whoever made them."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bot.core.clock import Clock
from bot.domain.job import Job
from bot.domain.money.accounts import AccountRef, owned_by_one, user_account
from bot.domain.money.quota import Bucket
from bot.domain.request import Request
from bot.store import gallery
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Every method is one transaction."""

    store: Store
    bucket: Bucket  # fills a member's own account
    clock: Clock

    async def starred(self, request: Request, job: Job, message_id: int) -> bool:
        """Somebody gave a star to an image; whether that brings it into the gallery. Stars that are taken back later change nothing."""
        rules, guild_id = request.policy.gallery, request.guild_id
        if guild_id is None or rules.channel_id is None:
            return False
        to = self._account_of_maker(job)
        came = await self.store.write(gallery.starred, job.id, message_id, guild_id=guild_id, rules=rules, to=to, now=self.clock())
        if came:
            log.info("into the gallery", job=job.id, guild=guild_id)
        return came

    def _account_of_maker(self, job: Job) -> AccountRef:
        """The account that the image was paid from, where it is its maker's alone; their roles are not known now, so what fills it
        is not either. Else the one that they have everywhere.
        """
        paid_from = next((g.account for g in job.succeeded), "")
        own = user_account(job.place.user_id)
        if paid_from and paid_from != own and owned_by_one(paid_from):
            return AccountRef(name=paid_from, fills=None)
        return AccountRef(name=own, fills=self.bucket)
