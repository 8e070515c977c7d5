"""Records the bot's posts in the moderators', log and gallery channels. Each method is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.core.clock import Clock
from bot.domain.job import GalleryEntry, JobMessage, MessageRole
from bot.domain.moderation.cases import Case
from bot.domain.money.quota import MICRO
from bot.store import gallery, messages
from bot.store.engine.base import Store
from bot.store.moderation import cases


@dataclass(frozen=True, kw_only=True)
class Posts:
    """If a method returns None or False, the member has erased their data in the meantime: the caller must delete the post."""

    store: Store
    clock: Clock

    async def case_posted(self, case: Case, *, channel_id: int, message_id: int) -> bool:
        """Record the post of a case."""
        return await self.store.write(cases.record_post, case, channel_id=channel_id, message_id=message_id, now=self.clock())

    async def log_posted(self, job_id: str, *, guild_id: int | None, channel_id: int, message_id: int) -> JobMessage | None:
        """Record the log post of a job."""
        post = JobMessage(
            message_id=message_id, channel_id=channel_id, guild_id=guild_id, role=MessageRole.LOG, at=self.clock(), job_id=job_id
        )
        return post if await self.store.write(messages.record, post) else None

    async def gallery_posted(self, entry: GalleryEntry, *, channel_id: int, message_id: int, reward: Decimal) -> bool:
        """Record the gallery post of an image, and give its author the reward (credits), once."""
        post = JobMessage(
            message_id=message_id,
            channel_id=channel_id,
            guild_id=entry.guild_id,
            role=MessageRole.GALLERY,
            at=self.clock(),
            job_id=entry.job_id,
        )
        return await self.store.write(gallery.record_post, entry, post, reward=int(reward * MICRO))

    async def gallery_closed(self, entry: GalleryEntry) -> None:
        """The gallery's channel is gone, or its readers may not see the image: a star after the next one was chosen shows it there."""
        await self.store.write(gallery.forget, entry.message_id)
