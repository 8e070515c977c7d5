"""A member's own jobs: read and delete. `bot.services.reposts` posts them again."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.clock import Clock
from bot.core.errors import NotFound
from bot.core.i18n import _
from bot.domain.job import Job, JobState
from bot.domain.permissions import Action, Target, check
from bot.domain.request import Request
from bot.store import history, jobs
from bot.store.engine.base import Store


@dataclass(frozen=True, kw_only=True)
class History:
    """Every method is one transaction at most."""

    store: Store
    clock: Clock

    async def own(self, request: Request, job_id: str) -> Job:
        """One of the actor's jobs. Raises `NotFound` if it is deleted or unknown, `NotAllowed` if it belongs to another member."""
        job = await self.store.read(jobs.get, job_id)
        if job is None or job.state is JobState.DELETED:
            raise NotFound(_("That image is no longer in your history."))
        check(request, Action.BROWSE, Target(guild_id=job.place.guild_id, owner_id=job.place.user_id))
        return job

    async def take_away(self, job: Job) -> None:
        """Delete the job, its images and its messages. Raises `NotFound` if it is deleted, or still in progress."""
        if not await self.store.write(history.delete_own, job.id, self.clock()):
            raise NotFound(_("That image is still in progress, or was already deleted."))
