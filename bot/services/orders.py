"""The service behind every command: order, cancel, settle, and what a member may know of their jobs and credits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import NotFound, Refusal
from bot.core.i18n import _
from bot.domain import permissions
from bot.domain.admission import Admission
from bot.domain.job import Generation, GenerationState, Job, JobState, Outcome, Reference
from bot.domain.money.accounts import sponsorship_of
from bot.domain.money.quota import Bucket
from bot.domain.order import Attachment, OperatorLimits, Order, Outage, Receipt
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.providers.guard import ProviderGuard
from bot.services.catalog import Models
from bot.services.money.pricing import Pricing
from bot.services.pipeline.intake import Intake
from bot.store import history, jobs, kv, messages
from bot.store.engine.base import Store
from bot.store.money import sponsorships

log = structlog.get_logger(__name__)

_ANSWER_MS = 120_000  # a first answer that takes longer never comes


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Takes orders and keeps them. Every method is one transaction at most; every refusal happens before it."""

    store: Store
    guards: Mapping[str, ProviderGuard]
    models: Models
    intake: Intake
    pricing: Pricing
    limits: OperatorLimits
    clock: Clock

    # --- orders --------------------------------------------------------------------------------------------------

    async def order(self, order: Order) -> Receipt:
        """Check, fetch the references, then write job and hold in one transaction. Raise `Refusal`, nothing charged.

        Call `answered` once the member was told, whatever came of telling.
        """
        job, references, admission = await self.intake.prepare(order)
        return await self._take_in(job, references, admission, empties_tray=len(references) > len(order.attachments))

    async def again(self, old: Job, request: Request, *, is_readable: bool = True, reaction: str | None = None) -> Receipt:
        """The same request once more, on the caller's quota and with fresh seeds. `is_readable`: they see where it stands."""
        return await self._take_in(*await self.intake.prepare_again(old, request, is_readable=is_readable, reaction=reaction))

    async def take_reference(self, attachment: Attachment) -> Reference:
        """Fetch, check and clean an image. Raise `BadReference`."""
        return await self.intake.take_reference(attachment)

    async def answered(self, job_id: str, message_id: int | None) -> None:
        """The member was told in this message (`None`: it could not be told). Delivery may use the message from now on."""
        await self.store.write(jobs.answered, job_id, message_id, self.clock())

    # --- cancelling and settling ---------------------------------------------------------------------------------

    async def cancel(self, request: Request, job_id: str) -> Job:
        """Take back what can be taken back. The image API has the last word on what it already makes."""
        job = await self.job(job_id)
        permissions.check(request, Action.CANCEL, await self.image(request, job))
        if job.state is not JobState.OPEN:
            raise NotFound(_("This is finished already; there is nothing to cancel."))
        cancelled = await self.store.write(jobs.request_cancel, job_id, self.clock())
        return cancelled or job

    async def settle(self, generation: Generation, outcome: Outcome) -> None:
        """Write how it ended, once. The store finishes a write it has begun, whatever becomes of this task."""
        if await self.store.write(jobs.settle, generation.job_id, generation.n, outcome, self.clock()):
            log.info("settled", job=generation.job_id, n=generation.n, state=outcome.state, error=outcome.error)

    async def message_deleted(self, job_id: str, message_id: int) -> None:
        """A message that shows the job was deleted by its author. The job goes with its own message, and a copy alone."""
        await self.store.write(history.message_deleted, job_id, message_id, self.clock())

    async def message_hidden(self, job_id: str, message_id: int) -> None:
        """Its author put the job behind a spoiler in this message: by the outbox it is so wherever it is shown."""
        await self.store.write(messages.set_spoiler, job_id, True, self.clock(), but=message_id)

    # --- what a member may know ----------------------------------------------------------------------------------

    async def job(self, job_id: str) -> Job:
        """Raise `NotFound` where it is not, or no longer, kept."""
        job = await self.store.read(jobs.get, job_id)
        if job is None:
            raise NotFound(_("That picture is not known here any more."))
        return job

    async def image(self, request: Request, job: Job) -> Target:
        """The job's image as rights look at it: of the server that the request comes from, where that decides about it."""
        guild_id = request.guild_id
        if guild_id is None or guild_id == job.place.guild_id:
            return permissions.image_of(job)
        is_theirs = await self.store.read(messages.belongs_to, job.id, guild_id)
        return permissions.image_of(job, guild_id=guild_id if is_theirs else None)

    async def waiting_for(self, job: Job) -> Receipt:
        """Where an open job stands now."""
        ahead, usual_ms, host_id = await self.store.read(_standing, job)
        model = self.models.catalog.get(job.model)
        return Receipt(job=job, model=model, ahead=ahead, usual_ms=usual_ms, outage=self._outage(job), host_id=host_id)

    def _outage(self, job: Job) -> Outage | None:
        """The provider that what still waits is kept by."""
        kept = [self.guards[g.provider] for g in job.generations if g.state is GenerationState.WAITING and g.provider in self.guards]
        return next((Outage(title=guard.title, since=guard.away_since) for guard in kept if guard.away_since is not None), None)

    @property
    def provider_titles(self) -> Mapping[str, str]:
        """The image APIs by name, as people call them."""
        return {name: guard.title for name, guard in self.guards.items()}

    @property
    def bucket(self) -> Bucket:
        return self.limits.bucket

    @property
    def default_model(self) -> str:
        return self.limits.default_model

    # --- between two steps of a member ---------------------------------------------------------------------------

    async def keep(self, name: str, value: Any) -> None:
        """Remember something small (JSON) across a restart, for a day."""
        await self.store.write(kv.put, name, value, self.clock())

    async def _take_in(self, job: Job, references: Sequence[Reference], admission: Admission, *, empties_tray: bool = False) -> Receipt:
        if job.place.token is not None:  # an interaction is answered first; a reaction waits for nothing
            job = replace(job, answer_until=self.clock() + _ANSWER_MS)
        terms: dict[str, Any] = {"payment": admission.payment, "max_waiting": admission.max_waiting, "empties_tray": empties_tray}
        try:
            job = await self.store.write(jobs.add, job, references, **terms, now=job.created_at)
            log.info("ordered", job=job.id, kind=job.kind, model=job.model, count=len(job.generations), user=job.place.user_id)
            return await self.waiting_for(job)
        except Refusal:
            raise  # nothing was written
        except BaseException:
            # Nobody will tell the member. Where the write came through all the same, delivery finds its way alone.
            await self.answered(job.id, None)
            raise


def _standing(conn: Connection, job: Job) -> tuple[int, int | None, int | None]:
    """Where a job stands: images of others before it, its model's usual time (ms), and who sponsors it."""
    sponsorship_id = sponsorship_of(job.generations[0].account)
    sponsorship = sponsorships.by_id(conn, sponsorship_id) if sponsorship_id else None
    return jobs.position(conn, job), jobs.usual_ms(conn, job.model), sponsorship.host_id if sponsorship else None
