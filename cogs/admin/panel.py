"""The panel of /imageadmin: all settings in one message, with buttons for urgent changes.

A button sets a state and does not toggle it, so two managers who press it at once get the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial
from typing import Any

import discord
from discord.ui import Separator

from bot.core.i18n import _, pgettext
from bot.domain.guild.document import Policy
from bot.domain.guild.settings import GuildSettings
from bot.domain.permissions import Action, check
from bot.domain.request import Request
from cogs.admin import files, panel_texts, posted, settings_texts
from cogs.admin.changing import Patch, change, remove_deleted
from cogs.admin.panel_texts import cut
from cogs.admin.setup import walk
from cogs.admin.setup.ids import PANEL
from cogs.kit import panels, texts
from cogs.kit.panels import Part, beside, button, panel, row, text
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import CustomId, Router, one_of
from cogs.moderation.views import OPEN_CASES

router = Router()

Fit = Callable[[str, int], str]

_PAUSED = discord.Colour(0xB3261E)

_SWITCHES: Mapping[str, Patch] = {
    "pause": {"pause": {"on": True}},
    "resume": {"pause": None},
    "lock": {"flags": {"locked": True}},
    "unlock": {"flags": {"locked": False}},
}
_PRESS = CustomId("admin:{action}", action=one_of(*_SWITCHES, "clean", "export", "refresh"))


class _MaxLength(IntEnum):
    """The most characters of each subject, so that all fit in a panel's 4,000."""

    STATE = 400  # with the guild's name
    WARNINGS = 300
    MONEY = 480
    CHANNELS = 200
    EVERYONE = 220
    ROLES = 300
    PRICES = 150
    CASES = 150
    MODERATORS = 220
    FLAGS = 300
    CHECKS = 250
    STRIKES = 300
    REST = 370
    GONE = 150  # belongs to the rest if nothing is gone


async def show(request: Request, interaction: Interaction) -> None:
    await panels.show(interaction, await _panel(request, interaction))


@router.press(_PRESS)
async def press(request: Request, interaction: Interaction, *, action: str) -> None:
    """Handle a button and refresh the panel. Raises `NotAllowed` if the member is no longer a manager."""
    check(request, Action.MANAGE)
    now = request
    if action in _SWITCHES:
        now = await change(request, interaction, _SWITCHES[action])
    elif action == "clean":
        now = await remove_deleted(request, interaction, request.settings.gone)
    await panels.redraw(interaction, await _panel(now, interaction))
    if action == "export":
        await files.send(now, interaction)


@router.press(PANEL)
async def back(request: Request, interaction: Interaction, **_from: Any) -> None:
    """Handle the button of a step that leads back to the panel."""
    check(request, Action.MANAGE)
    await panels.redraw(interaction, await _panel(request, interaction))


async def _panel(request: Request, interaction: Interaction) -> discord.ui.LayoutView:
    overview = await services_of(interaction).admin.overview(request)
    name = interaction.guild.name if interaction.guild else ""
    policy = overview.policy
    head = _("## Easel on {server}").format(server=texts.quoted(name))
    cases = "\n".join(f"-# {line}" for line in (settings_texts.moderators(policy), settings_texts.cases(policy)))
    fit = partial(_fit, request.settings)
    warned = posted.warnings(interaction.guild, policy)
    parts = [
        beside(_pause(policy), cut(f"{head}\n{settings_texts.paused(policy)}", _MaxLength.STATE)),
        *([text(cut("\n".join(warned), _MaxLength.WARNINGS))] if warned else []),
        Separator(),
        text(_("### 💰 Money"), cut(panel_texts.money(overview), _MaxLength.MONEY)),
        walk.menus("money"),
        text(*_images(interaction, policy, fit)),
        walk.menus("images"),
        Separator(),
        beside(_cases(), _("### 🛡️ Moderation"), cut(panel_texts.waiting(overview), _MaxLength.CASES)),
        text(fit(cases, _MaxLength.MODERATORS)),
        beside(_lock(policy), fit(settings_texts.flags(policy), _MaxLength.FLAGS)),
        walk.menus("moderation"),
        text(*_rules(policy)),
        walk.menus("rules"),
        Separator(),
        text(*_more(policy, fit, is_clean=not request.settings.gone)),
        walk.menus("more"),
        *_gone(request.settings, fit),
        row(_control("export", pgettext("button", "Export"), "📄"), _control("refresh", pgettext("button", "Refresh"), "🔄")),
    ]
    return panel(*parts, colour=_PAUSED if policy.pause.on else panels.ACCENT)


def _fit(settings: GuildSettings, text_: str, limit: int) -> str:
    """The whole lines that fit, with names in place of mentions of what is gone."""
    return cut(panel_texts.without_mentions(text_, settings), limit)


def _images(interaction: Interaction, policy: Policy, fit: Fit) -> list[str]:
    titles = services_of(interaction).orders.models.title
    prices = [settings_texts.price(policy, model, titles(model)) for model in policy.prices]
    return [
        _("### 🖼️ Images"),
        fit(settings_texts.channels(policy), _MaxLength.CHANNELS),
        cut(settings_texts.everyone(policy, titles), _MaxLength.EVERYONE),
        fit(settings_texts.roles(policy, titles), _MaxLength.ROLES),
        cut("\n".join(prices), _MaxLength.PRICES),
    ]


def _rules(policy: Policy) -> list[str]:
    checks, strikes = cut(settings_texts.checks(policy), _MaxLength.CHECKS), cut(settings_texts.strikes(policy), _MaxLength.STRIKES)
    return [_("### 📏 Rules"), settings_texts.rules(policy), checks, strikes]


def _gone(settings: GuildSettings, fit: Fit) -> list[Part]:
    """What is deleted on Discord, and a button that removes it from the settings."""
    if not settings.gone:
        return []
    return [beside(_control("clean", pgettext("button", "Remove"), "🧹"), fit(panel_texts.gone(settings), _MaxLength.GONE))]


def _more(policy: Policy, fit: Fit, *, is_clean: bool) -> list[str]:
    subjects = (settings_texts.gallery, settings_texts.log, settings_texts.members, settings_texts.age_restricted)
    small = [f"-# {subject(policy)}".replace("\n", " ") for subject in subjects]
    return [
        fit("\n".join(small), _MaxLength.REST + is_clean * _MaxLength.GONE),
        "-# " + _("Reactions that run edits are in `/presets`."),
    ]


# --- controls --------------------------------------------------------------------------------------------------------


def _pause(policy: Policy) -> Part:
    if policy.pause.on:
        return _control("resume", pgettext("button", "Resume"), "▶️", style=discord.ButtonStyle.success)
    return _control("pause", pgettext("button", "Pause"), "⏸️", style=discord.ButtonStyle.danger)


def _lock(policy: Policy) -> Part:
    if policy.flags.locked:
        return _control("unlock", pgettext("button", "Unlock flags"), "🔓", style=discord.ButtonStyle.success)
    return _control("lock", pgettext("button", "Lock flags"), "🔒")


def _cases() -> Part:
    return button(pgettext("button", "Open cases"), OPEN_CASES(), emoji="🛡️")


def _control(action: str, label: str, emoji: str, *, style: discord.ButtonStyle = discord.ButtonStyle.secondary) -> Part:
    return button(label, _PRESS(action=action), emoji=emoji, style=style)
