"""What is kept of a form while it is open: for a day, under "form:" and the id in its custom id, so that it survives a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, Self, TypeVar

from pydantic import TypeAdapter

from bot.core.errors import BadReference
from bot.core.i18n import _
from bot.domain import permissions, visibility
from bot.domain.order import Attachment, ReadFile
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.store import kv
from cogs.kit import message_images
from cogs.kit.channels import origin_of
from cogs.kit.request import Interaction, client_of, services_of


class Kept(Protocol):
    """A context of any form."""

    @property
    def user_id(self) -> int: ...  # who may submit it


@dataclass(frozen=True, kw_only=True)
class Form:
    """The context of an open modal for the images of a message or a job."""

    user_id: int
    images: tuple[Attachment, ...]
    job_id: str | None = None  # set if the images are this job's; they then have no URL
    private: bool = False
    spoiler: bool = False
    reacted_to: int | None = None  # the message with the reaction that opened it; its note is deleted once the edit is ordered

    @classmethod
    def of(cls, request: Request, found: message_images.FoundImages, **more: Any) -> Self:
        """For these images, as private and hidden as they are, or as the member prefers."""
        chosen = request.preferences
        return cls(
            user_id=request.actor.user_id,
            images=found.images,
            private=found.private or chosen.private,
            spoiler=found.spoiler or chosen.spoiler,
            **more,
        )


AnyForm = TypeVar("AnyForm", bound=Form)
AnyKept = TypeVar("AnyKept", bound=Kept)


async def keep(
    interaction: Interaction, request: Request, found: message_images.FoundImages, form: AnyForm, forms: TypeAdapter[AnyForm]
) -> None:
    """Store the context of a form. Raises a `Refusal` if the images of a job, without its message, may not be shown in the answer."""
    if form.job_id is not None and found.job is not None:
        audience = visibility.audience_of(request.answered(private=form.private))
        visibility.check(await origin_of(client_of(interaction), found.job), audience)
    await services_of(interaction).orders.keep(f"form:{interaction.id}", forms.dump_python(form, mode="json", exclude_defaults=True))


async def opened(request: Request, interaction: Interaction, form_id: int, forms: TypeAdapter[AnyKept]) -> AnyKept:
    """The context of a form. Raises `NotAllowed` if it is gone, or is someone else's."""
    kept = await services_of(interaction).reader.read(kv.get, f"form:{form_id}")
    context = forms.validate_python(kept) if kept else None
    permissions.check(request, Action.SEND, Target(owner_id=context.user_id if context else None))
    assert context is not None  # noqa: S101  the check has raised
    return context


def picked_image(interaction: Interaction, form: Form, fields: Mapping[str, Any]) -> Attachment:
    """The image of the form that the member picked."""
    return readable(interaction, form.images[int(next(iter(fields.get("picture") or ()), "0"))])


def readable(interaction: Interaction, image: Attachment) -> Attachment:
    """An image that was kept, with a way to read it if there is no link to it."""
    if image.url or image.source is None or image.source.job_id is None:
        return image
    return replace(image, read=partial(_read, interaction, image.source.job_id, image.source.n))


async def _read(interaction: Interaction, job_id: str, wanted: int | None) -> ReadFile:
    """File name and content of the image, from any source that still has it. Raises `BadReference` if none has."""
    services = services_of(interaction)
    job = await services.orders.job(job_id)
    async with services.results.open(job, limit_bytes=interaction.filesize_limit) as images:
        for image in images:
            if image.n == wanted:
                return image.filename, await asyncio.to_thread(image.path.read_bytes)
    raise BadReference(_("This image no longer exists."))
