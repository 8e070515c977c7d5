"""/settings: a member's preferences in one panel. Each choice is stored at once and updates the panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands
from pydantic import ValidationError

from bot.core.errors import InvalidRequest, NotFound
from bot.core.i18n import _, pgettext
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.preferences import Consent, Preferences
from bot.domain.request import Request
from cogs.kit import channels, panels, texts
from cogs.kit.panels import MORE, Part, beside, button, everywhere, panel, row, text
from cogs.kit.request import Interaction, client_of, request_of, services_of
from cogs.kit.router import ON_OFF, CustomId, Router, one_of

router = Router()

_OPTIONS_MAX = 25  # of a select menu
_LABEL_MAX = 100  # characters
_NONE = "-"  # the value of the bot's or the model's default
_SWITCHES = ("private", "spoiler", "tell_when_done", "leaderboard")
_CHOOSE = CustomId("settings:{what}", what=one_of("model", "shape", "consent", "role"))
_SWITCH = CustomId("settings:{switch}:{is_on}", switch=one_of(*_SWITCHES), is_on=ON_OFF)


class SettingsCog(commands.Cog):
    """The command /settings."""

    @app_commands.command(description="Set your defaults, privacy and who can edit your images")
    @everywhere
    async def settings(self, interaction: Interaction) -> None:
        await panels.show(interaction, _panel(await request_of(interaction), interaction))


@router.select(_CHOOSE)
async def choose(request: Request, interaction: Interaction, values: Sequence[str], *, what: str) -> None:
    """Store a choice from a menu. A role can be chosen only in its own guild."""
    value = next(iter(values), _NONE)
    if what == "model" and value.startswith(MORE):
        await panels.redraw(interaction, _panel(request, interaction, models_from=int(value.removeprefix(MORE))))
        return
    if what == "role" and request.guild_id is None:
        raise InvalidRequest(_("You can only choose a role on a server."))
    if what == "role" and value.isdecimal():
        channels.check_role(client_of(interaction), request.required_guild_id, int(value))
    own = None if value == _NONE else value
    changes: dict[str, dict[str, Any]] = {
        "model": {"default_model": own},
        "shape": {"aspect_ratio": own},
        "consent": {"consent": value},
        "role": {"consent": Consent.ROLE, "consent_role_id": int(value) if value.isdecimal() else None},
    }
    await _keep(request, interaction, changes[what])


@router.press(_SWITCH)
async def turn(request: Request, interaction: Interaction, *, switch: str, is_on: bool) -> None:
    """Set a switch. The id has the new state, so pressing twice does not toggle it back."""
    await _keep(request, interaction, {switch: is_on})


async def _keep(request: Request, interaction: Interaction, changes: Mapping[str, Any]) -> None:
    """Store a choice and update the panel."""
    chosen = await services_of(interaction).members.change(request.actor.user_id, lambda before: _changed(before, changes))
    await panels.redraw(interaction, _panel(replace(request, preferences=chosen), interaction))


def _changed(before: Preferences, changes: Mapping[str, Any]) -> Preferences:
    """Raises `NotFound` for a choice that there is no longer."""
    try:
        return Preferences.model_validate({**dict(before), **changes})
    except ValidationError:
        raise NotFound(_("This message is too old. Start again.")) from None


# --- the panel -------------------------------------------------------------------------------------------------------


def _panel(request: Request, interaction: Interaction, *, models_from: int = 0) -> discord.ui.LayoutView:
    chosen, orders = request.preferences, services_of(interaction).orders
    model = _model(orders.models.offered, chosen.default_model or orders.default_model)
    in_guild = request.guild_id is not None
    role = _consent_role(interaction, chosen)
    parts: list[Part] = [
        text("## " + _("Your settings"), "-# " + _("Used everywhere. Options in a command override these.")),
        text("**" + _("Model") + "**"),
        row(_models(orders.models.offered, chosen, orders.models.title(orders.default_model), start=models_from)),
        text("**" + _("Aspect ratio") + "**", _shape_note(chosen, model)),
        row(_shapes(chosen, model)),
        discord.ui.Separator(),
        *_switches(chosen),
        discord.ui.Separator(),
        text("**" + _("Who can edit my images?") + "**", "-# " + _consent_note(interaction, chosen, role)),
        row(_consent(chosen, in_guild=in_guild)),
    ]
    if in_guild and chosen.consent is Consent.ROLE:
        parts.append(row(_role(role if role and role.guild.id == request.guild_id else None)))
    return panel(*parts)


def _model(offered: Sequence[ModelInfo], model_id: str) -> ModelInfo | None:
    return next((model for model in offered if model_id in (model.id, model.title)), None)


def _models(offered: Sequence[ModelInfo], chosen: Preferences, default_title: str, *, start: int) -> discord.ui.Select[Any]:
    """The models with their prices; if a menu cannot hold them all, its last choice shows more."""
    bot_default = pgettext("select option", "This bot's default: {model}").format(model=default_title)
    options = [discord.SelectOption(label=bot_default[:_LABEL_MAX], value=_NONE, default=chosen.default_model is None and start == 0)]
    options += panels.model_options(offered, chosen.default_model, start=start, most=_OPTIONS_MAX - 1)
    return discord.ui.Select(custom_id=_CHOOSE(what="model"), options=options)


def _shapes(chosen: Preferences, model: ModelInfo | None) -> discord.ui.Select[Any]:
    offers = model.choices(Idea.ASPECT_RATIO)[: _OPTIONS_MAX - 2] if model else []
    options = [
        discord.SelectOption(label=pgettext("select option", "The model's default"), value=_NONE, default=chosen.aspect_ratio is None)
    ]
    own = chosen.aspect_ratio
    options += [discord.SelectOption(label=offer.name[:_LABEL_MAX], value=offer.value, default=offer.value == own) for offer in offers]
    if own is not None and own not in {offer.value for offer in offers}:
        options.append(discord.SelectOption(label=own, value=own, default=True))
    return discord.ui.Select(custom_id=_CHOOSE(what="shape"), options=options)


def _shape_note(chosen: Preferences, model: ModelInfo | None) -> str:
    """A note if the default model cannot make the chosen shape; the choice still applies to models that can."""
    if model is None or chosen.aspect_ratio is None:
        return ""
    if chosen.aspect_ratio in {offer.value for offer in model.choices(Idea.ASPECT_RATIO, chosen.aspect_ratio)}:
        return ""
    title = texts.quoted(model.title)
    return "-# " + _("{model} can't do {ratio}. Models that can will use it.").format(model=title, ratio=chosen.aspect_ratio)


def _switches(chosen: Preferences) -> list[Part]:
    """Each with its sentence beside a short button: a phone cuts buttons in a row."""
    found = {
        "private": (pgettext("button", "Private: on"), pgettext("button", "Private: off"), "🔒 " + _("Only you see your images.")),
        "spoiler": (pgettext("button", "Spoiler: on"), pgettext("button", "Spoiler: off"), "🙈 " + _("Your images are behind spoilers.")),
        "tell_when_done": (pgettext("button", "DM: on"), pgettext("button", "DM: off"), "✉️ " + _("You get a DM when an image is done.")),
        "leaderboard": (pgettext("button", "Listed: on"), pgettext("button", "Listed: off"), "🏆 " + _("Leaderboards list you.")),
    }
    return [_switch(name, is_on=getattr(chosen, name), words=found[name]) for name in _SWITCHES]


def _switch(name: str, *, is_on: bool, words: tuple[str, str, str]) -> Part:
    on, off, sentence = words
    style = discord.ButtonStyle.success if is_on else discord.ButtonStyle.secondary
    return beside(button(on if is_on else off, _SWITCH(switch=name, is_on=not is_on), style=style), sentence)


def _consent(chosen: Preferences, *, in_guild: bool) -> discord.ui.Select[Any]:
    labels = {
        Consent.EVERYONE: pgettext("select option", "Everyone"),
        Consent.ROLE: pgettext("select option", "Members with a role"),
        Consent.NOBODY: pgettext("select option", "Only me"),
    }
    shown = [consent for consent in Consent if in_guild or consent is not Consent.ROLE or chosen.consent is Consent.ROLE]
    options = [discord.SelectOption(label=labels[each], value=each, default=each is chosen.consent) for each in shown]
    return discord.ui.Select(custom_id=_CHOOSE(what="consent"), options=options)


def _role(role: discord.Role | None) -> discord.ui.RoleSelect[Any]:
    placeholder = pgettext("select placeholder", "Choose a role")
    return discord.ui.RoleSelect(custom_id=_CHOOSE(what="role"), placeholder=placeholder, default_values=[role] if role else [])


def _consent_role(interaction: Interaction, chosen: Preferences) -> discord.Role | None:
    """The role that was chosen, on any server."""
    if chosen.consent_role_id is None:
        return None
    return next(filter(None, (guild.get_role(chosen.consent_role_id) for guild in interaction.client.guilds)), None)


def _consent_note(interaction: Interaction, chosen: Preferences, role: discord.Role | None) -> str:
    if chosen.consent is Consent.NOBODY:
        return _("Nobody else can edit your images or use them as references.")
    if chosen.consent is Consent.EVERYONE:
        return _("Anyone who can see your image can edit it. Edits name their author and link to your image.")
    if chosen.consent_role_id is None:
        return _("Choose a role. Until then, nobody else can edit your images.")
    if role is None and client_of(interaction).knows_all_guilds:
        return _("The role you chose was deleted. Choose another on its server. Until then, nobody else can edit your images.")
    if role is None or role.guild.id != interaction.guild_id:
        return _("Members with a role you chose on another server. You can only change it there.")
    return _("Members with the role {role}, and nobody outside this server.").format(role=role.mention)
