"""The service behind every command: order, cancel, settle, and what a member may know of their jobs and credits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog

from bot.clock import Clock
from bot.errors import BadReference, InvalidRequest, NotAllowed, NotFound, PictureError, ProviderError
from bot.images import pictures
from bot.images.catalog import ModelInfo
from bot.images.desk import Desk
from bot.images.fetch import Fetcher
from bot.images.ideas import Idea
from bot.images.params import build_params, check_prompt, check_references, check_seed
from bot.jobs.job import Generation, GenerationState, Job, JobState, Kind, Outcome, Place, Reference, new_job_id
from bot.jobs.models import Models
from bot.jobs.pace import Bells
from bot.quota import Bucket
from bot.store import jobs, keepsakes, ledger, outbox
from bot.store.engine import Store

log = structlog.get_logger(__name__)

PROMPT_MAX = 2000  # characters
COUNT_MAX = 4  # pictures: what the image API makes at a time, and what one message shows well
_ANSWER_MS = 120_000  # a first answer that takes longer never comes


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A picture as Discord announces it; nothing of it is believed before it is read."""

    url: str
    filename: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a member asks for, in the member's words."""

    prompt: str
    place: Place
    kind: Kind = Kind.GENERATE
    model: str | None = None  # id or title; None: the default model
    options: Mapping[Idea, str | int | float | None] = field(default_factory=dict)
    more: str = ""  # name=value pairs for the rest of the model's schema
    count: int = 1
    seed: int | None = None
    attachments: Sequence[Attachment] = ()
    spoiler: bool = False
    parent_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A job was taken in; from here on it cannot be lost."""

    job: Job
    model: ModelInfo
    ahead: int  # pictures of others that wait before it
    usual_ms: int | None  # this model's usual time, where known
    away: Away | None = None  # its provider does not answer; the job waits


@dataclass(frozen=True, kw_only=True)
class Away:
    """A provider that does not answer."""

    title: str
    since: int  # Unix ms


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a member may ask for and hand in."""

    bucket: Bucket
    max_waiting: int
    default_model: str
    reference_max_bytes: int
    reference_max_pixels: int


class Studio:
    """Takes orders and keeps them. Every method is one transaction at most; every refusal happens before it."""

    def __init__(
        self,
        *,
        store: Store,
        desks: Mapping[str, Desk],
        models: Models,
        fetcher: Fetcher,
        limits: Limits,
        bells: Bells,
        clock: Clock,
    ) -> None:
        self._store = store
        self._desks = desks
        self._models = models
        self._fetcher = fetcher
        self._limits = limits
        self._bells = bells
        self._clock = clock
        self._unanswered: dict[str, int] = {}  # jobs whose first answer is on its way, and since when (Unix ms)

    @property
    def models(self) -> Models:
        return self._models

    # --- orders --------------------------------------------------------------------------------------------------

    async def order(self, order: Order) -> Receipt:
        """Check, fetch the references, then write job and hold in one transaction. Raise `Refusal`, nothing charged.

        Call `answered` once the member was told, whatever came of telling.
        """
        model = self._models.catalog.get(order.model or self._limits.default_model)
        prompt = check_prompt(model, order.prompt, max_length=PROMPT_MAX)
        params = build_params(model, order.options, order.more)
        check_references(model, len(order.attachments), params)
        if not 1 <= order.count <= COUNT_MAX:
            raise InvalidRequest(f"count: a whole number from 1 to {COUNT_MAX} is allowed, {order.count} was given.")
        seed = _seed(model, order.seed, order.count)
        refs = await asyncio.gather(*(self._take_reference(attachment) for attachment in order.attachments))
        job = self._new_job(order, model, prompt, params, seed)
        return await self._take_in(job, refs)

    async def again(self, job_id: str, place: Place) -> Receipt:
        """The same request once more, on the caller's quota and with fresh seeds."""
        old = await self.job(job_id)
        if old.place.private and old.place.user_id != place.user_id:
            raise NotAllowed("That picture was made in private; only its maker can ask for it again.")
        model = self._models.catalog.get(old.model)
        refs = await self._store.read(jobs.references_of, job_id)
        if old.kind is Kind.EDIT and not refs:
            raise NotFound("The pictures that this one was made from are no longer kept. Use Edit on a picture instead.")
        order = Order(prompt=old.prompt, place=place, kind=old.kind, count=len(old.generations), spoiler=old.spoiler, parent_id=old.id)
        job = self._new_job(order, model, old.prompt, dict(old.params), _seed(model, None, order.count))
        return await self._take_in(job, refs)

    async def answered(self, job_id: str, message_id: int | None) -> None:
        """The member was told in this message (`None`: it could not be told). Delivery may use the message from now on."""
        try:
            if message_id is not None:
                await self._store.write(jobs.answered, job_id, message_id)
        finally:
            self._unanswered.pop(job_id, None)
            self._bells.deliver.ring()

    def being_answered(self, job_id: str) -> bool:
        """Whether the first answer is on its way: nothing may be edited before it has arrived."""
        since = self._unanswered.get(job_id)
        return since is not None and self._clock() - since < _ANSWER_MS

    # --- cancelling and settling ---------------------------------------------------------------------------------

    async def cancel(self, job_id: str, *, user_id: int, moderator: bool = False) -> Job:
        """Take back what can be taken back. The image API has the last word on what it already makes."""
        job = await self.job(job_id)
        if job.place.user_id != user_id and not moderator:
            raise NotAllowed("Only the person who asked for it, or a moderator, can cancel this.")
        if job.state is not JobState.OPEN:
            raise NotFound("This is finished already; there is nothing to cancel.")
        cancelled = await self._store.write(jobs.request_cancel, job_id, self._clock())
        self._bells.watch.ring()
        self._bells.dispatch.ring()
        self._bells.deliver.ring()
        return cancelled or job

    async def settle(self, generation: Generation, outcome: Outcome) -> None:
        """Write how it ended, once; ring for delivery. The store finishes a write it has begun, whatever becomes of this task."""
        if await self._store.write(jobs.settle, generation.job_id, generation.n, outcome, self._clock()):
            log.info("settled", job=generation.job_id, n=generation.n, state=outcome.state, error=outcome.error)
            self._bells.deliver.ring()
            self._bells.dispatch.ring()

    async def taken_away(self, job_id: str) -> None:
        """The result's message was deleted by somebody who may."""
        await self._store.write(outbox.taken_away, job_id)

    # --- what a member may know ----------------------------------------------------------------------------------

    async def job(self, job_id: str) -> Job:
        """Raise `NotFound` where it is not, or no longer, kept."""
        job = await self._store.read(jobs.get, job_id)
        if job is None:
            raise NotFound("That picture is not known here any more.")
        return job

    async def open_jobs(self, user_id: int) -> list[Job]:
        """A member's unfinished jobs, newest first."""
        return await self._store.read(jobs.of_member, user_id, state=JobState.OPEN)

    async def statement(self, user_id: int) -> ledger.Statement:
        """The member's bucket now, and its last ledger lines."""
        account = ledger.user_account(user_id)
        return await self._store.read(ledger.statement, account=account, bucket=self._limits.bucket, now=self._clock())

    async def waiting_for(self, job: Job) -> Receipt:
        """Where an open job stands now."""
        ahead = await self._store.read(jobs.position, job)
        usual_ms = await self._store.read(jobs.usual_ms, job.model)
        model = self._models.catalog.get(job.model)
        return Receipt(job=job, model=model, ahead=ahead, usual_ms=usual_ms, away=self._away(job))

    def _away(self, job: Job) -> Away | None:
        """The provider that what still waits is kept by."""
        kept = [self._desks[g.provider] for g in job.generations if g.state is GenerationState.WAITING and g.provider in self._desks]
        return next((Away(title=desk.title, since=desk.away_since) for desk in kept if desk.away_since is not None), None)

    @property
    def bucket(self) -> Bucket:
        return self._limits.bucket

    @property
    def default_model(self) -> str:
        return self._limits.default_model

    # --- between two steps of a member ---------------------------------------------------------------------------

    async def keep(self, name: str, value: Any) -> None:
        """Remember something small (JSON) across a restart, for a day."""
        await self._store.write(keepsakes.put, name, value, self._clock())

    async def kept(self, name: str) -> Any | None:
        """What was remembered, or None."""
        return await self._store.read(keepsakes.get, name)

    # --- the parts of an order -----------------------------------------------------------------------------------

    def _new_job(self, order: Order, model: ModelInfo, prompt: str, params: Mapping[str, Any], seed: int | None) -> Job:
        now = self._clock()
        job = Job(
            id=new_job_id(),
            kind=order.kind,
            model=model.id,
            prompt=prompt,
            params=params,
            place=order.place,
            state=JobState.OPEN,
            created_at=now,
            spoiler=order.spoiler,
            parent_id=order.parent_id,
        )
        generation = Generation(
            job_id=job.id,
            n=0,
            model=model.id,
            prompt=prompt,
            seed=seed,
            params=params,
            price=_price(model),
            state=GenerationState.WAITING,
            user_id=order.place.user_id,
            guild_id=order.place.guild_id,
            created_at=now,
            provider=model.provider,
            api_model=model.api_id,
        )
        each = [replace(generation, n=n, seed=None if seed is None else seed + n) for n in range(order.count)]
        return replace(job, generations=tuple(each))

    async def _take_in(self, job: Job, refs: Sequence[Reference]) -> Receipt:
        self._unanswered[job.id] = self._clock()
        try:
            await self._store.write(
                jobs.add, job, refs, bucket=self._limits.bucket, max_waiting=self._limits.max_waiting, now=job.created_at
            )
            log.info("ordered", job=job.id, kind=job.kind, model=job.model, count=len(job.generations), user=job.place.user_id)
            return await self.waiting_for(job)
        except BaseException:
            # Nobody will tell the member. Where the write came through all the same, delivery finds its way alone.
            self._unanswered.pop(job.id, None)
            raise
        finally:
            self._bells.dispatch.ring()

    async def _take_reference(self, attachment: Attachment) -> Reference:
        limit = self._limits.reference_max_bytes
        if attachment.size_bytes > limit:
            size = f"{attachment.size_bytes / 1e6:.1f} MB"
            raise BadReference(f"{attachment.filename}: pictures of up to {limit / 1e6:g} MB are taken; this one has {size}.")
        try:
            content = await self._fetcher.fetch_bytes(attachment.url, max_bytes=limit)
            clean = await asyncio.to_thread(pictures.clean_reference, content, max_pixels=self._limits.reference_max_pixels)
        except (PictureError, ProviderError) as error:
            raise BadReference(f"{attachment.filename}: {error.sentence}") from error
        return Reference(
            content=clean.content,
            content_type=clean.content_type,
            width_px=clean.width,
            height_px=clean.height,
            url=attachment.url,
            url_expires_at=_expiry(attachment.url),
        )


def _seed(model: ModelInfo, seed: int | None, count: int) -> int | None:
    """An explicit seed for every generation: reproducible for the member, and the key to a lost answer."""
    if seed is not None:
        check_seed(model, seed, count=count)
        return seed
    if model.seed_field is None:
        return None
    low, high = model.seed_range
    return random.randint(low, max(low, high - (count - 1)))


def _price(model: ModelInfo) -> int:
    if model.price_microcredits is None:
        raise InvalidRequest(f"{model.title} has no price per picture yet. The operator can set one with MODEL_PRICES.")
    return model.price_microcredits


def _expiry(url: str) -> int | None:
    """Discord's links carry their end as `ex`, in hexadecimal Unix seconds."""
    given = parse_qs(urlsplit(url).query).get("ex", [""])[0]
    try:
        return int(given, 16) * 1000
    except ValueError:
        return None
