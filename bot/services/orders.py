"""Orders: take, repeat, cancel, settle, and read where a job is in the queue."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import DatabaseAway, MaybeSaved, NotFound, Refusal
from bot.core.i18n import _
from bot.core.running import patience
from bot.domain import permissions, visibility
from bot.domain.admission import Admission
from bot.domain.job import Generation, GenerationState, Job, JobState, Outcome, Reference, ReferenceRole
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.money.accounts import sponsorship_of
from bot.domain.money.quota import Bucket
from bot.domain.order import Attachment, OperatorLimits, Order, Outage, Receipt
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.permissions import Action, Target
from bot.domain.queueing import forecast
from bot.domain.queueing.forecast import Capacity, QueueStanding
from bot.domain.request import Request
from bot.domain.retention import image_gone
from bot.domain.scheduling import Caps
from bot.domain.visibility import Origin
from bot.providers.guard import ProviderGuard
from bot.services.catalog import Models
from bot.services.members import Members
from bot.services.money.pricing import Pricing
from bot.services.pipeline.intake import Intake
from bot.store import history, jobs, kv, messages, outbox, steps
from bot.store.cluster import rates
from bot.store.engine.base import Store
from bot.store.moderation import audit_log
from bot.store.money import sponsorships

log = structlog.get_logger(__name__)

_ANSWER_MS = 120_000  # after this time the first response is assumed to be lost
_AT_ONCE_MS = 60_000  # how long deleting or hiding a message may take before the outbox does it
_TOLD_MAX = 1000  # jobs
_USUAL_MS = 60_000  # how long a model's usual time is kept


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Every method is one transaction at most, and raises refusals before it."""

    store: Store
    guards: Mapping[str, ProviderGuard]
    models: Models
    intake: Intake
    members: Members
    pricing: Pricing
    limits: OperatorLimits
    caps: Caps
    clock: Clock
    _usual: dict[str, tuple[int, int]] = field(init=False, repr=False, default_factory=dict)  # by model: until (Unix ms), its usual ms

    _told: OrderedDict[str, Hashable] = field(init=False, repr=False, default_factory=OrderedDict)  # by job: its place, as first told
    _recording: set[asyncio.Task[None]] = field(init=False, repr=False, default_factory=set)

    # --- orders --------------------------------------------------------------------------------------------------

    async def order(self, order: Order) -> Receipt:
        """Check the order, fetch its references, then write job and hold in one transaction. If it raises a `Refusal`, nothing is charged.

        The caller must call `answered` afterwards, even if its response to the member failed.
        """
        user_id = order.request.actor.user_id
        erasures = self.members.erasures(user_id)
        job, references, admission = await self.intake.prepare(order)
        if self.members.erasures(user_id) != erasures:  # no await may follow until the job is written
            raise NotFound(_("You erased your data, so this image won't be created. You weren't charged."))
        receipt = await self._take_in(job, references, admission, empties_tray=_images(references) > len(order.attachments))
        return replace(receipt, is_motion_lost=any(each.frames > 1 for each in references))

    async def again(self, old: Job, request: Request, *, origin: Origin | None = None, reaction: str | None = None) -> Receipt:
        """Repeat a request at the caller's cost and with new seeds. `origin`: where the old one is shown; None: here."""
        origin = origin or visibility.origin_here(request, old)
        return await self._take_in(*await self.intake.prepare_again(old, request, origin=origin, reaction=reaction))

    async def take_reference(self, attachment: Attachment, request: Request) -> Reference:
        """Fetch, check and re-encode an image. Raises `BadReference` and `Overloaded`."""
        (reference,) = await self.intake.references.take([attachment], request)
        return reference

    async def fingerprint(self, attachment: Attachment, request: Request) -> int:
        """The fingerprint of an image, see `bot.media.likeness`. Raises `BadReference` and `Overloaded`."""
        return await self.intake.references.fingerprint(attachment, request)

    async def answered(self, job_id: str, message_id: int | None) -> None:
        """Record the message that answered the member (`None`: answering failed). From now on delivery may edit it."""
        await self.store.write(jobs.mark_answered, job_id, message_id, self.clock())

    # --- cancelling and settling ---------------------------------------------------------------------------------

    async def cancel(self, request: Request, job_id: str) -> Job:
        """Cancel what has not been sent, and request it for the rest: the image API may still finish images that it has begun."""
        job = await self.job(job_id)
        image = await self.image(request, job)
        permissions.check(request, Action.CANCEL, image)
        if job.state is not JobState.OPEN:
            raise NotFound(_("This is already finished, so there's nothing to cancel."))
        by_id = None if permissions.is_owner(request, image) else request.actor.user_id
        cancelled = await self.store.write(_cancel, job, self.clock(), guild_id=request.guild_id, by_id=by_id)
        return cancelled or job

    async def settle(self, generation: Generation, outcome: Outcome) -> None:
        """Record the outcome, once. The store finishes a write it has begun even if this task is cancelled."""
        if await self.store.write(steps.settle, generation.job_id, generation.n, outcome, self.clock()):
            log.info("generation settled", job=generation.job_id, n=generation.n, state=outcome.state, error=outcome.error)

    async def settle_waiting(self, generation: Generation, outcome: Outcome) -> None:
        """As `settle`, for one that was not sent. If it has been sent meanwhile, nothing changes."""
        if await self.store.write(steps.settle_waiting, generation.job_id, generation.n, outcome, self.clock()):
            log.info("waiting generation settled", job=generation.job_id, n=generation.n, error=outcome.error)

    async def delete_message(self, job_id: str, message_id: int, *, channel_id: int, remove: Callable[[], Awaitable[None]]) -> None:
        """The author deletes a message that shows the job: deletes the job if it is its own message, else only the copy.

        `remove` does it on Discord, after that was written: the outbox does it if the bot ends in between.
        """
        now, data = self.clock(), {"channel_id": channel_id, "message_id": message_id}
        removal = OutboxItem(kind=ItemKind.REMOVE, due_at=now + _AT_ONCE_MS, data=data)
        await self.store.write(history.message_deleted, job_id, message_id, now, removal=removal)
        await self._act_at_once(remove, removal)

    async def hide_message(self, job_id: str, message_id: int, *, channel_id: int, hide: Callable[[], Awaitable[None]]) -> None:
        """The author hides the job behind a spoiler: `hide` in this message, as in `delete_message`, and the outbox in all others."""
        now, data = self.clock(), {"channel_id": channel_id, "message_id": message_id}
        cover = OutboxItem(kind=ItemKind.COVER, due_at=now + _AT_ONCE_MS, job_id=job_id, data=data)
        await self.store.write(messages.hide, job_id, message_id, now, cover=cover)
        await self._act_at_once(hide, cover)

    async def _act_at_once(self, act: Callable[[], Awaitable[None]], item: OutboxItem) -> None:
        """Do on Discord what the outbox would do later."""
        await act()
        with patience.endless():
            await self.store.write(outbox.done, item.id)

    # --- reading ---------------------------------------------------------------------------------------------------

    async def job(self, job_id: str) -> Job:
        """Raises `NotFound` if the job is unknown: it was deleted, by retention or with all data of its member."""
        job = await self.store.read(jobs.get, job_id)
        if job is None:
            raise image_gone()
        return job

    async def image(self, request: Request, job: Job) -> Target:
        """The job's image as a permission target. It belongs to the request's guild if it was made or shown there."""
        guild_id = request.guild_id
        if guild_id is None or guild_id == job.place.guild_id:
            return permissions.image_of(job)
        is_theirs = await self.store.read(messages.belongs_to, job.id, guild_id)
        return permissions.image_of(job, guild_id=guild_id if is_theirs else None)

    async def waiting_for(self, job: Job) -> Receipt:
        """The receipt of an open job, with its current place in the queue."""
        standing, host_id, full_at = await self.store.read(_queue_status, job)
        models = {job.model, *(g.model for g in job.open), *(each.model for each in standing.running)}
        known = [(model, await self.usual_ms(model)) for model in models]
        usual, capacity, now = {model: ms for model, ms in known if ms is not None}, self._capacity(job, standing, full_at), self.clock()
        return Receipt(
            job=job,
            model=self.models.catalog.get(job.model),
            ahead=standing.ahead + standing.own_ahead,
            usual_ms=usual.get(job.model),
            is_next=forecast.is_next(job, standing),
            waits_for_own=forecast.waits_for_own(job, standing, capacity),
            left_ms=forecast.left_ms(job, standing, capacity, usual=usual, now=now),
            is_slow=forecast.is_slow(job.open, usual=usual, now=now),
            outage=self._outage(job),
            host_id=host_id,
        )

    def _capacity(self, job: Job, standing: QueueStanding, full_at: int) -> Capacity:
        """Of the image API and the member, for the job's first open image; its image API may have been removed.

        `full_at`: when the image API's rate allows all its turns again (Unix microseconds).
        """
        first = _first_open(job)
        guard, caps = self.guards.get(first.provider), self.caps
        at_a_time = caps.total if guard is None else min(guard.max_running, caps.total)
        limit = caps.per_user if first.running_limit is None else first.running_limit
        unlimited = standing.ahead + standing.own_ahead + len(job.open)
        turns = unlimited if guard is None else guard.is_open * guard.rate.turns(full_at, 1000 * self.clock())
        return Capacity(
            provider=at_a_time,
            member=min(limit, at_a_time, caps.total if job.place.guild_id is None else caps.per_guild),
            turns=turns,
            turn_ms=0 if guard is None else guard.rate.interval_us / 1000,
        )

    async def usual_ms(self, model: str) -> int | None:
        """The model's usual time in ms, at most `_USUAL_MS` old; None until its first image."""
        until, usual_ms = self._usual.get(model, (0, None))
        if until <= self.clock() and (usual_ms := await self.store.read(jobs.usual_ms, model)) is not None:
            self._usual[model] = (self.clock() + _USUAL_MS, usual_ms)
        return usual_ms

    async def _first_receipt(self, job: Job) -> Receipt:
        """The receipt of an order that is stored already: if the database is away now, it says less."""
        try:
            receipt = await self.waiting_for(job)
        except DatabaseAway:
            receipt = Receipt(job=job, model=self.models.catalog.get(job.model), ahead=0, usual_ms=None)
        self._told[job.id] = receipt.position
        if len(self._told) > _TOLD_MAX:
            self._told.popitem(last=False)
        return receipt

    def first_told(self, job_id: str) -> Hashable | None:
        """The place in the queue that the answer to an order said, once; None if this run of the bot does not know."""
        return self._told.pop(job_id, None)

    def _outage(self, job: Job) -> Outage | None:
        """The first provider that the job waits for and that takes no requests now."""
        kept = [self.guards[g.provider] for g in job.generations if g.state is GenerationState.WAITING and g.provider in self.guards]
        closed = (guard for guard in kept if not guard.is_open)
        return next((Outage(title=guard.title, since=guard.away_since) for guard in closed), None)

    @property
    def provider_titles(self) -> Mapping[str, str]:
        """The image APIs' titles by name."""
        return {name: guard.title for name, guard in self.guards.items()}

    @property
    def bucket(self) -> Bucket:
        return self.limits.bucket

    @property
    def default_model(self) -> str:
        return self.limits.default_model

    # --- pending forms ---------------------------------------------------------------------------------------------

    async def keep(self, name: str, value: Any) -> None:
        """Save a small JSON value for a day; it survives a restart."""
        await self.store.write(kv.put, name, value, self.clock())

    async def _take_in(self, job: Job, references: Sequence[Reference], admission: Admission, *, empties_tray: bool = False) -> Receipt:
        if job.place.token is not None or job.is_reply:  # these are answered before delivery; a reaction has no response
            job = replace(job, answer_until=self.clock() + _ANSWER_MS)
        terms: dict[str, Any] = {"payment": admission.payment, "max_waiting": admission.max_waiting, "empties_tray": empties_tray}
        try:
            job = await self.store.write(jobs.add, job, references, **terms, now=job.created_at)
            log.info("job ordered", job=job.id, kind=job.kind, model=job.model, count=len(job.generations), user=job.place.user_id)
            return await self._first_receipt(job)
        except MaybeSaved:  # then delivery must not wait for an answer; and the member must not wait until the database is back
            with patience.endless():
                self._recording.add(recording := asyncio.create_task(self.answered(job.id, None), name="unanswered order"))
            recording.add_done_callback(self._recording.discard)
            raise
        except (Refusal, DatabaseAway):
            raise  # nothing was written
        except BaseException:
            # Nobody will answer the member. If the write was committed anyway, delivery must not wait for the answer.
            await self.answered(job.id, None)
            raise


def _cancel(conn: Connection, job: Job, now: int, *, guild_id: int | None, by_id: int | None) -> Job | None:
    """`by_id`: the moderator who does it in this guild; None: its member."""
    before, cancelled = jobs.get(conn, job.id), steps.request_cancel(conn, job.id, now)
    if by_id is not None and before is not None and before.state is JobState.OPEN and before.cancel_requested_at is None:
        line = AuditLine(action=AuditAction.CANCELLED, at=now, guild_id=guild_id, actor_id=by_id, target_id=job.place.user_id)
        audit_log.note(conn, replace(line, job_id=job.id))
    return cancelled


def _images(references: Sequence[Reference]) -> int:
    return sum(each.role is ReferenceRole.REFERENCE for each in references)


def _first_open(job: Job) -> Generation:
    return next(iter(job.open), job.generations[0])


def _queue_status(conn: Connection, job: Job) -> tuple[QueueStanding, int | None, int]:
    """A job's place in the queue, its sponsor's user id, and when its image API's rate allows all its turns again."""
    return jobs.standing(conn, job), _host_id(conn, job), rates.full_at(conn, rates.of_api(_first_open(job).provider))


def _host_id(conn: Connection, job: Job) -> int | None:
    sponsorship_id = sponsorship_of(job.generations[0].account)
    sponsorship = sponsorships.by_id(conn, sponsorship_id) if sponsorship_id else None
    return sponsorship.host_id if sponsorship else None
