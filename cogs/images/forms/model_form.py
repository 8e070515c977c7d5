"""The form behind "Create with this model" in /models: a prompt, images, and the model's main options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import discord

from bot.core.i18n import pgettext
from bot.domain.allowance import merge
from bot.domain.job import JobKind
from bot.domain.order import Order
from bot.domain.request import Request
from cogs.images import retry
from cogs.images.forms import choices, rows
from cogs.images.forms.choices import OptionMenus
from cogs.kit import answers
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import CustomId, Router
from cogs.members import models
from cogs.members.model_texts import REFERENCES_MAX

router = Router()

_FORM = CustomId("models-form:{key}", key=models.KEY)
_MENUS_MAX: Final = 2
_TITLE_MAX: Final = 45  # characters


@router.press(models.CREATE, defers=False)
async def ask_for_prompt(request: Request, interaction: Interaction, *, key: str) -> None:
    """Open a form for an image of this model."""
    model, pricing = models.named(request, interaction, key), services_of(interaction).pricing
    menus = OptionMenus(
        model=model,
        kind=JobKind.UPSCALE if model.upscales else JobKind.GENERATE,
        price_of=lambda model, params: pricing.price(model, request.policy, params),
        ratios=merge(request.policy, request.actor.role_ids).aspect_ratios,
    )
    await interaction.response.send_modal(rows.modal(model.title[:_TITLE_MAX], _FORM(key=key), _rows(menus)))


def _rows(menus: OptionMenus) -> Iterator[rows.Row]:
    model = menus.model
    if model.takes_prompt:
        yield rows.prompt(pgettext("modal label", "Prompt"), required=model.prompt_required)
    if model.takes_references:
        least, most = int(model.references_required), min(model.max_references or REFERENCES_MAX, REFERENCES_MAX)
        files = discord.ui.FileUpload[Any](custom_id="references", required=bool(least), min_values=least, max_values=most)
        yield discord.ui.Label(text=pgettext("modal label", "Reference images"), component=files)
    yield from menus.rows(most=_MENUS_MAX)


@router.form(_FORM, defers=False)
async def create(request: Request, interaction: Interaction, given: Mapping[str, Any], *, key: str) -> None:
    """Order the image, in public unless the member chose private answers."""
    private, model = request.preferences.private, models.named(request, interaction, key)
    async with answers.deferring(interaction, private=private, thinking=True):
        wanted = Order(
            request=request.answered(private=private),
            kind=JobKind.UPSCALE if model.upscales else JobKind.GENERATE,
            prompt=str(given.get("prompt") or ""),
            model=model.id,
            options=choices.chosen(given),
            more=str(given.get("options") or ""),  # of forms that were opened by earlier versions
            attachments=given.get("references") or (),
            spoiler=request.preferences.spoiler,
        )
        await retry.order(interaction, wanted)
