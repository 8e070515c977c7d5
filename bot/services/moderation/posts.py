"""Where the bot's posts for moderators and galleries stand. Each method is one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.clock import Clock
from bot.domain.gallery import GalleryEntry
from bot.domain.job import JobMessage, MessageRole
from bot.domain.moderation.cases import Case
from bot.store import messages
from bot.store.engine.base import Store
from bot.store.moderation import cases


@dataclass(frozen=True, kw_only=True)
class Posts:
    """Records posts. If a method returns None or False, the member has erased their data meanwhile: delete the post again."""

    store: Store
    clock: Clock

    async def case_posted(self, case: Case, *, channel_id: int, message_id: int) -> bool:
        """The moderators see the case in this message."""
        return await self.store.write(cases.posted, case, channel_id=channel_id, message_id=message_id, now=self.clock())

    async def log_posted(self, job_id: str, *, guild_id: int | None, channel_id: int, message_id: int) -> JobMessage | None:
        """The log tells of the job in this message."""
        return await self._record(MessageRole.LOG, job_id, guild_id, channel_id, message_id)

    async def gallery_posted(self, entry: GalleryEntry, *, channel_id: int, message_id: int) -> JobMessage | None:
        """The gallery shows the image in this message."""
        return await self._record(MessageRole.GALLERY, entry.job_id, entry.guild_id, channel_id, message_id)

    async def _record(
        self, role: MessageRole, job_id: str | None, guild_id: int | None, channel_id: int, message_id: int
    ) -> JobMessage | None:
        post = JobMessage(message_id=message_id, channel_id=channel_id, guild_id=guild_id, role=role, at=self.clock(), job_id=job_id)
        return post if await self.store.write(messages.record, post) else None
