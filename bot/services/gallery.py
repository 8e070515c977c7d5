"""A server's gallery: images that many liked, shown once, with a little credit for whoever made them."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bot.core.clock import Clock
from bot.domain.gallery import GalleryEntry
from bot.domain.job import Job, JobMessage, MessageRole
from bot.domain.money.accounts import AccountRef, owned_by_one, user_account
from bot.domain.money.quota import Bucket
from bot.domain.request import Request
from bot.store import gallery, messages
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

    async def shown(self, message_id: int) -> GalleryEntry | None:
        """What the gallery has of this message."""
        return await self.store.read(gallery.get, message_id)

    async def posted(self, shown: GalleryEntry, *, channel_id: int, message_id: int) -> None:
        """It stands in the gallery there."""
        role, now = MessageRole.GALLERY, self.clock()
        post = JobMessage(message_id=message_id, channel_id=channel_id, guild_id=shown.guild_id, role=role, at=now, job_id=shown.job_id)
        await self.store.write(messages.record, post)

    def _account_of_maker(self, job: Job) -> AccountRef:
        """The account that the image was paid from, where it is its maker's alone; their roles are not known now, so what fills it
        is not either. Else the one that they have everywhere.
        """
        paid_from = next((g.account for g in job.succeeded), "")
        own = user_account(job.place.user_id)
        if paid_from and paid_from != own and owned_by_one(paid_from):
            return AccountRef(name=paid_from, fills=None)
        return AccountRef(name=own, fills=self.bucket)
