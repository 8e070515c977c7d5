"""What the moderators' posts show, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass

from bot.jobs.job import Job
from bot.store import cases, jobs, logbook
from bot.store.cases import Case, Told
from bot.store.engine import Store
from bot.store.logbook import LogPost


@dataclass(frozen=True, kw_only=True)
class Casebook:
    """Reads and notes; every method is one transaction. Nobody's rights are checked here: this is for the house's own posts."""

    store: Store

    async def case(self, case_id: int) -> Case | None:
        """A case as it is now."""
        return await self.store.read(cases.get, case_id)

    async def job(self, job_id: str | None) -> Job | None:
        """A job, where it is still known."""
        return None if job_id is None else await self.store.read(jobs.get, job_id)

    async def told_of(self, about: Case) -> list[Told]:
        """What members told of its picture."""
        return await self.store.read(cases.told_of, about)

    async def latest_about(self, job_id: str) -> Case | None:
        """The latest case about a job."""
        return next(iter(await self.store.read(cases.of_job, job_id, limit=1)), None)

    async def posted(self, about: Case, *, channel_id: int, message_id: int) -> None:
        """The moderators see the case there."""
        await self.store.write(cases.posted, about.id, channel_id=channel_id, message_id=message_id)

    async def log_post_of(self, job_id: str) -> LogPost | None:
        """Where the log tells of a job, if it does."""
        return await self.store.read(logbook.post_of, job_id)

    async def logged(self, job_id: str, *, channel_id: int, message_id: int) -> LogPost:
        """The log tells of a job there."""
        post = LogPost(job_id=job_id, channel_id=channel_id, message_id=message_id)
        await self.store.write(logbook.posted, post)
        return post
