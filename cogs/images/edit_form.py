"""The modal that asks for an edit. Its context is stored, so it can still be submitted after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self, TypeVar

import discord
from pydantic import TypeAdapter

from bot.core import commands
from bot.core.errors import InvalidRequest, NotFound
from bot.core.i18n import _, ngettext, pgettext
from bot.domain import permissions, visibility
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import show
from bot.domain.catalog.params import MAX_MORE
from bot.domain.catalog.purposes import serves
from bot.domain.gestures import DESCRIBES, Reaction, normalized_emoji
from bot.domain.job import Job, JobKind
from bot.domain.money.quota import in_credits
from bot.domain.order import PROMPT_MAX, Attachment, Order, ReadFile, Receipt
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.store import kv
from cogs.kit import answers, interactions, message_images, texts
from cogs.kit.channels import KnownChannels
from cogs.kit.request import Interaction, client_of, request_of, services_of
from cogs.kit.router import DISCORD_ID, CustomId, Router
from cogs.reactions import notes

router = Router()

_FORM = CustomId("form:{form}", form=DISCORD_ID)
_MAX_OPTIONS = 25  # of a select; Discord shows no more
_HINT_MAX = 100  # characters of a placeholder or a description
_REFERENCES_MAX = 3  # beside the image itself, as in /edit


@dataclass(frozen=True, kw_only=True)
class Form:
    """The context of an open modal. Kept for a day, under the id of the interaction that opened it."""

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


_FORMS = TypeAdapter(Form)
AnyForm = TypeVar("AnyForm", bound=Form)


# --- opening ---------------------------------------------------------------------------------------------------------


async def ask_for_edit_of(interaction: Interaction, message: discord.Message, *, by_reaction: bool = False) -> None:
    """Open the modal for the images of a message. Raises a `Refusal` if there are none or their owner does not allow it."""
    found = await message_images.find(client_of(interaction), message)
    found.check_any()
    found.check_known()
    await _open(interaction, found, reacted_to=message.id if by_reaction else None)


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
    left = await pricing.left(request)
    await interaction.response.send_modal(_modal(_FORM(form=interaction.id), len(found.images), editing, preset, left=left))


async def keep(
    interaction: Interaction, request: Request, found: message_images.FoundImages, form: AnyForm, forms: TypeAdapter[AnyForm]
) -> None:
    """Store the context of a form. Raises a `Refusal` if the images of a job, without its message, may not be shown in the answer."""
    if form.job_id is not None and found.job is not None:
        audience = visibility.audience_of(request.answered(private=form.private))
        visibility.check(KnownChannels(client_of(interaction)).origin_of(found.job), audience)
    await services_of(interaction).orders.keep(f"form:{interaction.id}", forms.dump_python(form, mode="json", exclude_defaults=True))


def _modal(custom_id: str, images: int, models: Sequence[ModelInfo], preset: ModelInfo, *, left: int) -> discord.ui.Modal:
    """At most five rows, Discord's limit. `left` is in microcredits."""
    prompt = discord.ui.TextInput[Any](
        custom_id="prompt",
        style=discord.TextStyle.paragraph,
        max_length=PROMPT_MAX,
        placeholder=_("Make it night, with a full moon")[:_HINT_MAX],
    )
    options = discord.ui.TextInput[Any](custom_id="options", required=False, max_length=MAX_MORE, placeholder=_example(preset))
    references = discord.ui.FileUpload[Any](custom_id="references", required=False, min_values=0, max_values=_REFERENCES_MAX)
    modal = discord.ui.Modal(title=pgettext("modal title", "Edit with Easel"), custom_id=custom_id)
    if images > 1:
        modal.add_item(discord.ui.Label(text=pgettext("modal label", "Image"), component=picker(images)))
    modal.add_item(discord.ui.Label(text=pgettext("modal label", "What should change?"), component=prompt))
    modal.add_item(
        discord.ui.Label(text=pgettext("modal label", "Model"), description=_others(models), component=_models(models, preset, left))
    )
    how, how_many = _("As name=value, separated by spaces."), _("Up to 3 more images.")
    modal.add_item(discord.ui.Label(text=pgettext("modal label", "Options"), description=how[:_HINT_MAX], component=options))
    modal.add_item(
        discord.ui.Label(text=pgettext("modal label", "More reference images"), description=how_many[:_HINT_MAX], component=references)
    )
    return modal


def picker(images: int) -> discord.ui.Select[Any]:
    label = pgettext("select option", "Image {number}")
    options = [discord.SelectOption(label=label.format(number=n + 1), value=str(n), default=n == 0) for n in range(images)]
    return discord.ui.Select(custom_id="picture", options=options[:_MAX_OPTIONS])


def _others(models: Sequence[ModelInfo]) -> str | None:
    """Says that the menu does not list all models."""
    count = len(models) - _MAX_OPTIONS
    listed = ngettext("{count} more model with /edit.", "{count} more models with /edit.", count)
    return listed.format(count=count)[:_HINT_MAX] if count > 0 else None


def _models(models: Sequence[ModelInfo], preset: ModelInfo, left: int) -> discord.ui.Select[Any]:
    """The preset comes first, so that the limit never cuts it off."""
    ordered = [preset, *(model for model in models if model != preset)][:_MAX_OPTIONS]
    options = [
        discord.SelectOption(
            label=model.title[:100],
            value=model.id,
            description=price_and_left(texts.price(model), model.price_microcredits or 0, left=left),
            default=model == preset,
        )
        for model in ordered
    ]
    return discord.ui.Select(custom_id="model", options=options, required=False)


def price_and_left(price: str, micro: int, *, left: int) -> str:
    """The description of an option that costs `micro` microcredits, or `price` in words, for a member who has `left` microcredits."""
    sentence = _("{price} · you only have {amount}") if left < micro else _("{price} · you have {amount}")
    return sentence.format(price=price, amount=in_credits(left))[:_HINT_MAX]


def _example(model: ModelInfo) -> str:
    """Example options of this model, as many as fit."""
    text = ""
    for idea, option in model.separate_options.items():
        values = (option.default, *option.values, option.least, 1)
        value = show(next(value for value in values if value is not None))
        name = commands.option(idea)
        pair = f'{name}="{value}"' if " " in value else f"{name}={value}"
        text = f"{text} {pair}".strip() if len(text) + len(pair) < _HINT_MAX else text
    return text


# --- submitting ------------------------------------------------------------------------------------------------------


@router.form(_FORM, defers=False)
async def send(request: Request, interaction: Interaction, given: Mapping[str, Any], *, form: int) -> None:
    """Order the edit, then delete the note that answered the reaction, if any."""
    context = await opened(request, interaction, form, _FORMS)
    async with answers.deferring(interaction, private=context.private, thinking=True):
        receipt = await interactions.order(interaction, _order_edit(request, interaction, context, given), private=context.private)
    if receipt is not None and context.reacted_to is not None:
        reaction = Reaction(message_id=context.reacted_to, user_id=context.user_id, emoji=normalized_emoji(DESCRIBES))
        await notes.remove_note(client_of(interaction), reaction)


async def opened(request: Request, interaction: Interaction, form_id: int, forms: TypeAdapter[AnyForm]) -> AnyForm:
    """The context of a form. Raises `NotAllowed` if it is gone, or was opened by someone else."""
    kept = await services_of(interaction).reader.read(kv.get, f"form:{form_id}")
    context = forms.validate_python(kept) if kept else None
    permissions.check(request, Action.SEND, Target(owner_id=context.user_id if context else None))
    assert context is not None  # noqa: S101  the check has raised
    return context


async def _order_edit(request: Request, interaction: Interaction, form: Form, fields: Mapping[str, Any]) -> Receipt:
    picked = picked_image(interaction, form, fields)
    order = Order(
        request=request.answered(private=form.private),
        kind=JobKind.EDIT,
        prompt=str(fields.get("prompt", "")),
        model=next(iter(fields.get("model") or ()), None),
        more=fields.get("options") or "",
        attachments=[picked, *(fields.get("references") or ())],
        spoiler=form.spoiler,
    )
    return await services_of(interaction).orders.order(KnownChannels(client_of(interaction)).with_sources(order, [picked.source]))


def picked_image(interaction: Interaction, form: Form, fields: Mapping[str, Any]) -> Attachment:
    """The image of the form that the member picked."""
    picked = form.images[int(next(iter(fields.get("picture") or ()), "0"))]
    return picked if form.job_id is None else replace(picked, read=partial(_read, interaction, form.job_id, picked))


async def _read(interaction: Interaction, job_id: str, picked: Attachment) -> ReadFile:
    """File name and content of the image, from any source that still has it. Raises `ImageError` if none has."""
    client = client_of(interaction)
    job = await services_of(client).orders.job(job_id)
    wanted = picked.source.n if picked.source else None
    async with services_of(client).results.open(job, limit_bytes=interaction.filesize_limit) as images:
        for image in images:
            if image.n == wanted:
                return image.filename, await asyncio.to_thread(image.path.read_bytes)
    raise NotFound(_("This image no longer exists."))
