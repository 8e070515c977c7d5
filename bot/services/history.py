"""A member's own images and requests: looked through, shown once more, taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.core.clock import Clock
from bot.core.errors import NotFound
from bot.core.i18n import _
from bot.domain.job import Job, JobState
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.permissions import Action, Target, check
from bot.domain.request import Request
from bot.media import codec
from bot.services.pipeline.results import ResultImage
from bot.store import history, jobs, outbox
from bot.store.engine.base import Store


@dataclass(frozen=True, kw_only=True)
class History:
    """Changes what is shown of a member's jobs. Every method is one transaction at most."""

    store: Store
    clock: Clock

    async def own(self, request: Request, job_id: str) -> Job:
        """One of the actor's jobs. Raise a `Refusal` where it is not theirs, or no longer kept."""
        job = await self.store.read(jobs.get, job_id)
        if job is None or job.state is JobState.DELETED:
            raise NotFound(_("That one is not in your history any more."))
        check(request, Action.BROWSE, Target(guild_id=job.place.guild_id, owner_id=job.place.user_id))
        return job

    async def reposted(self, job: Job, shown: Sequence[ResultImage], *, guild_id: int | None, channel_id: int, message_id: int) -> None:
        """The job was shown once more, for everybody there to see: this message is its own from now on."""
        place = replace(job.place, guild_id=guild_id, channel_id=channel_id)
        unshown = shown if job.state is JobState.STRANDED else ()
        small = {image.n: await asyncio.to_thread(codec.thumbnail, image.path) for image in unshown}
        if not await self.store.write(history.reposted, job.id, place, message_id, self.clock(), small=small):
            # It was taken away while it was being posted.
            data = {"channel_id": channel_id, "message_id": message_id}
            await self.store.write(outbox.add, OutboxItem(kind=ItemKind.REMOVE, due_at=self.clock(), data=data))

    async def take_away(self, job: Job) -> None:
        """The job, its images and the messages that show it. Raise `NotFound` while it is being made or shown."""
        if not await self.store.write(history.take_away, job.id, self.clock()):
            raise NotFound(_("That one is still being made, or was deleted already."))
