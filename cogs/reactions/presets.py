"""/presets: edits that managers assign to emoji."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.errors import EaselError, InvalidRequest
from bot.core.i18n import _
from bot.domain import presets
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import without_price
from bot.domain.catalog.purposes import serves
from bot.domain.gestures import is_single_emoji, normalized_emoji
from bot.domain.guild.settings import PRESET_NAME_MAX, PRESET_PROMPT_MAX, Preset
from bot.domain.job import JobKind
from bot.domain.permissions import Action, may
from bot.domain.request import Request
from cogs.kit import autocomplete, interactions, panels, texts
from cogs.kit.request import Interaction, request_of, services_of
from cogs.reactions import preset_texts

_MAX_CHOICES = 25  # Discord shows no more
_ID_MAX = 2**63 - 1


@autocomplete.brief
async def suggest_model(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The models that can edit images, with their prices."""
    try:
        found = services_of(interaction).orders.models.catalog.search(without_price(typed), most=None)
    except EaselError:
        return []
    request, pricing = await request_of(interaction), services_of(interaction).pricing
    models = [pricing.priced(model, request.policy) for model in found]
    editing = [model for model in models if serves(model, JobKind.EDIT) and model.price_microcredits is not None]
    return [app_commands.Choice(name=f"{model.title} · {texts.price(model)}"[:100], value=model.id) for model in editing[:_MAX_CHOICES]]


@autocomplete.brief
async def suggest_preset(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The guild's presets."""
    named, wanted = _named_presets(await request_of(interaction)), typed.strip().casefold()
    return [app_commands.Choice(name=name, value=emoji) for name, emoji in named if wanted in name.casefold()][:_MAX_CHOICES]


def _named_presets(request: Request) -> list[tuple[str, str]]:
    return [(f"{_shown(preset.emoji)} {preset.name}", preset.emoji) for preset in request.settings.presets]


@app_commands.guild_only()
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_guild=True)
class Presets(commands.GroupCog, group_name="presets", group_description="Manage the edits that reactions run on this server"):
    """For managers. Checked here too, because a guild's integration settings may open the commands to others."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        return may(await request_of(interaction), Action.MANAGE)

    @app_commands.command(description="Set the edit that an emoji runs")
    @app_commands.describe(
        emoji="Emoji to react with, standard or from this server",
        name="Name of the preset",
        prompt="Prompt for the edit",
        model="Model to use. Leave out for the default",
        options="More options of the model, as name=value",
    )
    @app_commands.autocomplete(model=suggest_model)
    async def add(
        self,
        interaction: Interaction,
        emoji: app_commands.Range[str, 1, 64],
        name: app_commands.Range[str, 1, PRESET_NAME_MAX],
        prompt: app_commands.Range[str, 1, PRESET_PROMPT_MAX],
        model: app_commands.Range[str, 1, 100] | None = None,
        options: app_commands.Range[str, 1, 500] | None = None,
    ) -> None:
        request, services = await request_of(interaction), services_of(interaction)
        orders = services.orders
        preset = presets.checked(
            orders.models.catalog,
            orders.default_model,
            emoji=await one_emoji(interaction, emoji),
            name=name,
            prompt=prompt,
            model=model,
            options=options or "",
        )
        settings = await services.guilds.add_preset(request, preset)
        offered = presets.model_of(preset, orders.models.catalog, orders.default_model)
        info = services.pricing.priced(offered, settings.policy, presets.params_of(preset, offered))
        sentence = _("{emoji} now runs {name} with {model} at {price}.")
        await interactions.say(
            interaction,
            sentence.format(emoji=preset.emoji, name=texts.quoted(preset.name), model=texts.quoted(info.title), price=texts.price(info)),
        )

    @app_commands.command(description="Remove a preset")
    @app_commands.describe(preset="Choose from the list")
    @app_commands.autocomplete(preset=suggest_preset)
    async def remove(self, interaction: Interaction, preset: app_commands.Range[str, 1, 100]) -> None:
        request = await request_of(interaction)
        removed = await services_of(interaction).guilds.remove_preset(request, autocomplete.chosen(_named_presets(request), preset))
        sentence = _("Removed {name} from {emoji}.")
        await interactions.say(interaction, sentence.format(emoji=removed.emoji, name=texts.quoted(removed.name)))

    @app_commands.command(name="list", description="See this server's presets and their prices")
    async def list_(self, interaction: Interaction) -> None:
        request = await request_of(interaction)
        await panels.show(interaction, preset_texts.presets(request.settings, lambda preset: _model_of(request, interaction, preset)))

    @app_commands.command(description="Restore the default presets")
    async def reset(self, interaction: Interaction) -> None:
        settings = await services_of(interaction).guilds.reset_presets(await request_of(interaction))
        signs = " ".join(preset.emoji for preset in settings.presets)
        await interactions.say(interaction, _("Reset the presets to the defaults: {emoji}").format(emoji=signs))


async def one_emoji(interaction: Interaction, text: str) -> str:
    """One emoji that all members here can react with. Raises `InvalidRequest` otherwise."""
    if is_single_emoji(text):
        return text.strip()
    sign = discord.PartialEmoji.from_str(text.strip())
    if sign.id is None:
        raise InvalidRequest(_("{given} isn't an emoji. Choose one emoji.").format(given=texts.quoted(text)))
    elsewhere = InvalidRequest(_("That emoji is from another server. Choose a standard emoji or one from this server."))
    if sign.id > _ID_MAX or interaction.guild is None:
        raise elsewhere
    try:
        return str(await interaction.guild.fetch_emoji(sign.id))
    except discord.NotFound:
        raise elsewhere from None


def _model_of(request: Request, interaction: Interaction, preset: Preset) -> ModelInfo | None:
    """The preset's model at its price here; None if it is not offered."""
    orders = services_of(interaction).orders
    try:
        model = presets.model_of(preset, orders.models.catalog, orders.default_model)
        return services_of(interaction).pricing.priced(model, request.policy, presets.params_of(preset, model))
    except EaselError:
        return None


def _shown(emoji: str) -> str:
    """An emoji in autocomplete, which does not render custom emoji."""
    return f":{discord.PartialEmoji.from_str(emoji).name}:" if normalized_emoji(emoji).startswith("<") else emoji
