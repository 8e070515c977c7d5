"""What the moderators' posts show, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.clock import Clock
from bot.domain.job import Job, JobMessage, MessageRole
from bot.domain.moderation.cases import Case, CaseFile
from bot.store import jobs, messages
from bot.store.engine.base import Store
from bot.store.moderation import cases


@dataclass(frozen=True, kw_only=True)
class Casebook:
    """Reads and notes; every method is one transaction. Nobody's rights are checked here: this is for the bot's own posts."""

    store: Store
    clock: Clock

    async def case(self, case_id: int) -> Case | None:
        """A case as it is now."""
        return await self.store.read(cases.get, case_id)

    async def job(self, job_id: str | None) -> Job | None:
        """A job, where it is still known."""
        return None if job_id is None else await self.store.read(jobs.get, job_id)

    async def file_of(self, about: Case) -> CaseFile:
        """A case with what it is about."""
        return await self.store.read(cases.file_of, about)

    async def is_hidden(self, job: Job, message_id: int) -> bool:
        """Whether the job's images belong behind spoilers in this message."""
        message = await self.store.read(messages.get, message_id)
        return job.spoiler if message is None else message.spoiler

    async def latest_about(self, job_id: str, guild_id: int | None) -> Case | None:
        """A server's latest case about a job."""
        return next(iter(await self.store.read(cases.of_job, job_id, guild_id=guild_id, limit=1)), None)

    async def posted(self, about: Case, *, channel_id: int, message_id: int) -> bool:
        """The moderators see the case there. False where its author erased everything meanwhile: the message is to be taken away."""
        return await self.store.write(cases.posted, about, channel_id=channel_id, message_id=message_id, now=self.clock())

    async def log_post_of(self, job_id: str) -> JobMessage | None:
        """Where the log tells of a job, if it does."""
        return next(iter(await self.store.read(messages.of_job, job_id, roles=(MessageRole.LOG,))), None)

    async def logged(self, job_id: str, *, guild_id: int | None, channel_id: int, message_id: int) -> JobMessage | None:
        """The log tells of a job there. None where its member erased everything meanwhile: the message is to be taken away."""
        role, now = MessageRole.LOG, self.clock()
        post = JobMessage(message_id=message_id, channel_id=channel_id, guild_id=guild_id, role=role, at=now, job_id=job_id)
        return post if await self.store.write(messages.record, post) else None
