"""An order that was refused, as it is kept for the form that changes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from pydantic import TypeAdapter

from bot.core.errors import EaselError
from bot.domain.catalog.chosen import chosen_in
from bot.domain.catalog.ideas import Idea
from bot.domain.job import Job, JobKind, Reference, ReferenceRole, Source
from bot.domain.order import Attachment, Order, ReadFile
from bot.services.catalog import Models


@dataclass(frozen=True, kw_only=True)
class KeptOrder:
    """Everything of an order that its next try needs. Links of Discord in it expire after about a day, and so does it."""

    user_id: int
    kind: JobKind = JobKind.GENERATE
    prompt: str = ""
    model: str | None = None
    options: dict[Idea, str | int | float | None] = field(default_factory=dict)
    more: str = ""
    count: int = 1
    seed: int | None = None
    style: str | None = None
    attachments: tuple[Attachment, ...] = ()
    mask: Attachment | None = None
    from_tray: bool = False
    spoiler: bool = False
    private: bool = False
    parent_id: str | None = None
    reaction: str | None = None
    repeats: str | None = None  # the job whose stored reference images it uses, in place of attachments
    images: int = 0  # reference images without those in the tray
    images_refused: bool = False  # one of them cannot be used


KEPT_ORDERS: Final = TypeAdapter(KeptOrder)


def kept(order: Order, *, images_refused: bool = False, model: str | None = None) -> KeptOrder:
    """The order as it was written; `model`: instead of the one that was chosen."""
    chosen = order.request.preferences
    return KeptOrder(
        user_id=order.request.actor.user_id,
        kind=order.kind,
        prompt=order.prompt,
        model=model or order.model,
        options={idea: value for idea, value in order.options.items() if value not in (None, "")},
        more=order.more,
        count=order.count,
        seed=order.seed,
        style=order.style if order.style and chosen.style(order.style) else None,
        attachments=tuple(replace(each, read=None) for each in order.attachments),
        mask=None if order.mask is None else replace(order.mask, read=None),
        from_tray=order.from_tray,
        spoiler=order.spoiler,
        private=order.request.reply_to.private,
        parent_id=order.parent_id,
        reaction=order.reaction,
        images=len(order.attachments),
        images_refused=images_refused,
    )


def of_job(job: Job, models: Models, *, user_id: int, images: int, private: bool, spoiler: bool) -> KeptOrder:
    """The order that a job came from, which this member gives once more. It gets a new seed, as with Again."""
    try:
        options, more = chosen_in(job.params, models.catalog.get(job.model), source=job.source_shape)
    except EaselError:  # the model is gone, and its options with it
        options, more = {}, ""
    return KeptOrder(
        user_id=user_id,
        kind=job.kind,
        prompt=job.prompt,
        model=job.model,
        options=options,
        more=more,
        count=len(job.generations) or 1,
        spoiler=spoiler,
        private=private,
        parent_id=job.id,
        repeats=job.id,
        images=images,
    )


def attachments_of(job: Job, references: Sequence[Reference], role: ReferenceRole) -> list[Attachment]:
    """A job's stored reference images of this role, as attachments of its next try."""
    return [_attachment(job, n, each) for n, each in enumerate(references) if each.role is role]


def _attachment(job: Job, n: int, reference: Reference) -> Attachment:
    name = f"reference-{n + 1}.{reference.content_type.rpartition('/')[2]}"
    origin = {"channel_id": job.origin_channel_id, "message_id": job.origin_message_id, "job_id": job.parent_id, "n": job.parent_n}
    is_first = n == 0 and job.origin_channel_id is not None
    place = origin if is_first else {"channel_id": job.place.channel_id, "message_id": None}
    return Attachment(
        url="",
        filename=name,
        size_bytes=len(reference.content),
        sides_px=(reference.width_px, reference.height_px),
        source=Source(owner_id=reference.owner_id or job.place.user_id, **place),
        read=partial(_content, name, reference.content),
    )


async def _content(name: str, content: bytes) -> ReadFile:
    return name, content
