"""The modal that asks for an edit. Its context is stored, so it can still be submitted after a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import discord
from pydantic import TypeAdapter

from bot.core.errors import InvalidRequest, NotFound
from bot.core.i18n import _, pgettext
from bot.domain.allowance import merge
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.purposes import serves
from bot.domain.gestures import DESCRIBES, Reaction, normalized_emoji
from bot.domain.job import Job, JobKind
from bot.domain.order import Order
from bot.domain.request import Request
from cogs.images import retry
from cogs.images.forms import choices, rows
from cogs.images.forms.choices import OptionMenus
from cogs.images.forms.contexts import Form, keep, opened, picked_image
from cogs.kit import answers, message_images
from cogs.kit.request import Interaction, client_of, request_of, services_of
from cogs.kit.router import DISCORD_ID, CustomId, Router
from cogs.reactions import notes

router = Router()

_FORM = CustomId("form:{form}", form=DISCORD_ID)
_MENUS_MAX = 2  # menus of options
_FORMS = TypeAdapter(Form)


# --- opening ---------------------------------------------------------------------------------------------------------


async def ask_for_edit_of(interaction: Interaction, message: discord.Message, *, by_reaction: bool = False) -> None:
    """Open the modal for the images of a message. Raises a `Refusal` if there are none or their owner does not allow it."""
    found = await message_images.find(client_of(interaction), message)
    await ask_for_edit_in(interaction, found, reacted_to=message.id if by_reaction else None)


async def ask_for_edit_in(
    interaction: Interaction, found: message_images.FoundImages, *, job_id: str | None = None, reacted_to: int | None = None
) -> None:
    """As `ask_for_edit_of`, for what was found; `job_id`: as the images of this job, without a message."""
    found.check_any()
    found.check_known()
    await _open(interaction, found, job_id=job_id, reacted_to=reacted_to)


async def ask_for_edit(interaction: Interaction, job: Job) -> None:
    """Open the modal for the images of a job, without its message. Raises a `Refusal` if there are none or editing is not allowed."""
    found = message_images.of_job(job)
    if not found.images:
        raise NotFound(_("There's no image to edit here."))
    await _open(interaction, found, job_id=job.id)


async def _open(
    interaction: Interaction, found: message_images.FoundImages, *, job_id: str | None = None, reacted_to: int | None = None
) -> None:
    """Check before the member writes a prompt; ordering checks everything again."""
    orders, pricing, request = services_of(interaction).orders, services_of(interaction).pricing, await request_of(interaction)
    await services_of(interaction).members.check_consent(request, found.owner_id)
    offered = pricing.offers(orders.models.offered, request)
    editing = [model for model in offered if serves(model, JobKind.EDIT) and model.price_microcredits is not None]
    if not editing:
        raise InvalidRequest(_("No model here can edit images."))
    chosen = request.preferences
    wanted = (chosen.default_model, found.job.model if found.job else None, orders.default_model)
    preset = next((model for name in wanted for model in editing if model.id == name), editing[0])
    form = Form.of(request, found, job_id=job_id, reacted_to=reacted_to)
    await keep(interaction, request, found, form, _FORMS)
    menus = OptionMenus(
        model=preset,
        kind=JobKind.EDIT,
        price_of=lambda model, params: pricing.price(model, request.policy, params),
        ratios=merge(request.policy, request.actor.role_ids).aspect_ratios,
    )
    shown = _rows(len(found.images), editing, menus, left=await pricing.left(request))
    await interaction.response.send_modal(rows.modal(pgettext("modal title", "Edit with Easel"), _FORM(form=interaction.id), shown))


def _rows(images: int, models: Sequence[ModelInfo], menus: OptionMenus, *, left: int) -> Iterator[rows.Row]:
    """`left` is in microcredits."""
    if images > 1:
        yield rows.image(images)
    yield rows.prompt(pgettext("modal label", "What should change?"), placeholder=_("Make it night, with a full moon"))
    yield rows.model(models, menus.model, command="/edit", left=left)
    yield from menus.rows(most=_MENUS_MAX)
    limit = menus.model.max_references
    most = rows.REFERENCES_MAX if limit is None else min(rows.REFERENCES_MAX, limit - 1)
    if most > 0:
        yield rows.references(most)


# --- submitting ------------------------------------------------------------------------------------------------------


@router.form(_FORM, defers=False)
async def send(request: Request, interaction: Interaction, given: Mapping[str, Any], *, form: int) -> None:
    """Order the edit, then delete the note that answered the reaction, if any."""
    context = await opened(request, interaction, form, _FORMS)
    async with answers.deferring(interaction, private=context.private, thinking=True):
        receipt = await retry.order(interaction, _order(request, interaction, context, given))
    if receipt is not None and context.reacted_to is not None:
        reaction = Reaction(message_id=context.reacted_to, user_id=context.user_id, emoji=normalized_emoji(DESCRIBES))
        await notes.remove_note(client_of(interaction), reaction)


def _order(request: Request, interaction: Interaction, form: Form, fields: Mapping[str, Any]) -> Order:
    return Order(
        request=request.answered(private=form.private),
        kind=JobKind.EDIT,
        prompt=str(fields.get("prompt", "")),
        model=next(iter(fields.get("model") or ()), None),
        options=choices.chosen(fields),
        more=fields.get("options") or "",  # of forms that were opened by earlier versions
        attachments=[picked_image(interaction, form, fields), *(fields.get("references") or ())],
        spoiler=form.spoiler,
    )
