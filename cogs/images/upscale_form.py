"""The modal that asks for an upscale: every scale of every upscaler with its price. Its context is stored, as the edit form's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from pydantic import TypeAdapter

from bot.core.errors import InvalidRequest, NotFound
from bot.core.i18n import _, pgettext
from bot.domain.catalog.ideas import Idea
from bot.domain.job import Job, JobKind
from bot.domain.order import Order
from bot.domain.request import Request
from bot.services.money.upscalers import UpscaleOffer, upscale_offers, upscaler
from cogs.images import retry
from cogs.images.forms import rows
from cogs.images.forms.contexts import Form, keep, opened, picked_image
from cogs.kit import answers, message_images, texts
from cogs.kit.request import Interaction, client_of, request_of, services_of
from cogs.kit.router import DISCORD_ID, CustomId, Router

router = Router()

_FORM = CustomId("upscale-form:{form}", form=DISCORD_ID)
_MAX_OPTIONS = 25  # of a select; Discord shows no more
_LABEL_MAX = 100  # characters of an option


@dataclass(frozen=True, kw_only=True)
class UpscaleForm(Form):
    """The context of an open modal, with what its select menu offers: model id and scale."""

    offers: tuple[tuple[str, str | None], ...] = ()


_FORMS = TypeAdapter(UpscaleForm)


async def ask_for_upscale_of(interaction: Interaction, message: discord.Message) -> None:
    """Open the modal for the images of a message. Raises a `Refusal` if there are none or their owner does not allow it."""
    await ask_for_upscale_in(interaction, await message_images.find(client_of(interaction), message))


async def ask_for_upscale_in(interaction: Interaction, found: message_images.FoundImages, *, job_id: str | None = None) -> None:
    """As `ask_for_upscale_of`, for what was found; `job_id`: as the images of this job, without a message."""
    found.check_any()
    found.check_known()
    await _open(interaction, found, job_id=job_id)


async def ask_for_upscale(interaction: Interaction, job: Job) -> None:
    """Open the modal for the images of a job, without its message. Raises a `Refusal` if there are none or it is not allowed."""
    found = message_images.of_job(job)
    if not found.images:
        raise NotFound(_("There's no image to upscale here."))
    await _open(interaction, found, job_id=job.id)


async def _open(interaction: Interaction, found: message_images.FoundImages, *, job_id: str | None = None) -> None:
    """Check before the member chooses; ordering checks everything again."""
    services, request = services_of(interaction), await request_of(interaction)
    await services.members.check_consent(request, found.owner_id)
    offers = _offers(interaction, request)
    form = UpscaleForm.of(request, found, job_id=job_id, offers=tuple((offer.model.id, offer.scale) for offer in offers))
    await keep(interaction, request, found, form, _FORMS)
    left = await services.pricing.left(request)
    shown = _rows(len(found.images), offers, left=left)
    title = pgettext("modal title", "Upscale with Easel")
    await interaction.response.send_modal(rows.modal(title, _FORM(form=interaction.id), shown))


def _rows(images: int, offers: Sequence[UpscaleOffer], *, left: int) -> Iterator[rows.Row]:
    """`left` is in microcredits."""
    if images > 1:
        yield rows.image(images)
    yield discord.ui.Label(text=pgettext("modal label", "Model and scale"), component=_menu(offers, left=left))


def _offers(interaction: Interaction, request: Request) -> Sequence[UpscaleOffer]:
    """As many as a menu holds; those of the usual upscaler first. Raises `InvalidRequest` if there are none."""
    orders, pricing = services_of(interaction).orders, services_of(interaction).pricing
    offered = pricing.offers(orders.models.offered, request)
    usual = upscaler(pricing, offered, request, {}, usual=(request.preferences.default_model, orders.default_model))
    found = upscale_offers(pricing, offered, request)
    if not found:
        raise InvalidRequest(_("No model here can upscale images."))
    return sorted(found, key=lambda offer: offer.model.id != usual)[:_MAX_OPTIONS]


def _menu(offers: Sequence[UpscaleOffer], *, left: int) -> discord.ui.Select[Any]:
    preset = _preset(offers)
    options = [
        discord.SelectOption(
            label=" · ".join(filter(None, (offer.model.title, offer.scale)))[:_LABEL_MAX],
            value=str(n),
            description=rows.price_and_left(texts.amount_of(offer.price), offer.price, left=left),
            default=n == preset,
        )
        for n, offer in enumerate(offers)
    ]
    return discord.ui.Select(custom_id="offer", options=options)


def _preset(offers: Sequence[UpscaleOffer]) -> int:
    """The place of the first model's default scale."""
    scale = offers[0].model.option(Idea.SCALE)
    usual = None if scale is None else str(scale.default)
    return next((n for n, offer in enumerate(offers) if offer.scale == usual and offer.model.id == offers[0].model.id), 0)


@router.form(_FORM, defers=False)
async def send(request: Request, interaction: Interaction, given: Mapping[str, Any], *, form: int) -> None:
    """Order the upscale."""
    context = await opened(request, interaction, form, _FORMS)
    model, scale = context.offers[int(next(iter(given.get("offer") or ()), "0"))]
    async with answers.deferring(interaction, private=context.private, thinking=True):
        order = Order(
            request=request.answered(private=context.private),
            kind=JobKind.UPSCALE,
            prompt="",
            model=model,
            options={Idea.SCALE: scale},
            more=given.get("options") or "",  # of forms that were opened by earlier versions
            attachments=[picked_image(interaction, context, given)],
            spoiler=context.spoiler,
        )
        await retry.order(interaction, order)
