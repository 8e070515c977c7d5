"""/models: the models in a menu, what each can do and costs, and how to use it. The panel has no stored state."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.errors import NotFound
from bot.core.i18n import _, pgettext
from bot.domain.catalog.models import ModelInfo
from bot.domain.preferences import Preferences
from bot.domain.request import Request
from cogs.kit import panels
from cogs.kit.job_buttons import JOB_BUTTONS
from cogs.kit.panels import MORE, Part, button, everywhere, panel, row, text
from cogs.kit.request import Interaction, request_of, services_of
from cogs.kit.router import CustomId, Router, matching
from cogs.members import model_texts

router = Router()

_OPTIONS_MAX = 25  # of a select menu
KEY = matching(r"[0-9a-f]{16}")  # of a model: ids are too long for a custom id
_CHOOSE = CustomId("models:choose")
CREATE, _DEFAULT = CustomId("models:create:{key}", key=KEY), CustomId("models:default:{key}", key=KEY)


class ModelsCog(commands.Cog):
    """The command /models."""

    @app_commands.command(description="See what each model can do and costs")
    @everywhere
    async def models(self, interaction: Interaction) -> None:
        request = await request_of(interaction)
        preferred = request.preferences.default_model or services_of(interaction).orders.default_model
        await panels.show(interaction, _panel(request, interaction, preferred))


@router.select(_CHOOSE)
async def choose(request: Request, interaction: Interaction, values: Sequence[str]) -> None:
    """Show another model, or more of the menu."""
    value = next(iter(values), "")
    start = value.removeprefix(MORE)
    if value.startswith(MORE) and start.isdecimal():
        await panels.redraw(interaction, _panel(request, interaction, "", start=int(start)))
    else:
        await panels.redraw(interaction, _panel(request, interaction, value))


@router.press(_DEFAULT)
async def make_default(request: Request, interaction: Interaction, *, key: str) -> None:
    """Store the model as the member's default, as /settings does."""
    model = named(request, interaction, key)
    chosen = await services_of(interaction).members.change(
        request.actor.user_id, lambda before: Preferences.model_validate({**dict(before), "default_model": model.id})
    )
    await panels.redraw(interaction, _panel(replace(request, preferences=chosen), interaction, model.id))


# --- parts -----------------------------------------------------------------------------------------------------------


def _panel(request: Request, interaction: Interaction, shown_id: str, *, start: int = 0) -> discord.ui.LayoutView:
    services = services_of(interaction)
    offered = services.pricing.offers(services.orders.models.catalog.models, request)
    shown = next((model for model in offered if model.id == shown_id), None)
    parts: list[Part] = [text(model_texts.heading(len(offered)))]
    if offered:
        options = panels.model_options(offered, shown_id, start=start, most=_OPTIONS_MAX)
        placeholder = pgettext("select placeholder", "Choose a model")
        parts.append(row(discord.ui.Select(custom_id=_CHOOSE(), placeholder=placeholder, options=options)))
    if shown is not None:
        default = request.preferences.default_model or services.orders.default_model
        price_of = partial(services.pricing.price, shown, request.policy)
        parts += [
            text(model_texts.model(shown, price_of, is_default=shown.id == default)),
            row(*_buttons(shown, is_default=shown.id == request.preferences.default_model)),
        ]
    return panel(*parts)


def _buttons(shown: ModelInfo, *, is_default: bool) -> list[Part]:
    has_price, key = shown.price_microcredits is not None, _key(shown)
    create, upscale = pgettext("button", "Create with this model"), pgettext("button", "Upscale with this model")
    keep = pgettext("button", "Make it my default")
    label, emoji = (upscale, JOB_BUTTONS["upscale"].emoji) if shown.upscales else (create, "🎨")
    return [
        button(label, CREATE(key=key), emoji=emoji, style=discord.ButtonStyle.primary, disabled=not has_price),
        button(keep, _DEFAULT(key=key), emoji="📌", disabled=is_default or not has_price),
    ]


def named(request: Request, interaction: Interaction, key: str) -> ModelInfo:
    """The model with this key. Raises `NotFound` if this member may not use it here, or if it is gone."""
    services = services_of(interaction)
    offered = services.pricing.offers(services.orders.models.catalog.models, request)
    found = next((model for model in offered if _key(model) == key), None)
    if found is None:
        raise NotFound(_("That model isn't available here any more. Choose another."))
    return found


def _key(model: ModelInfo) -> str:
    return hashlib.sha256(model.id.encode()).hexdigest()[:16]
