"""Autocomplete of the options of /imageadmin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from discord import app_commands

from bot.core.i18n import _, pgettext
from bot.domain.guild.document import Policy
from bot.domain.permissions import Action, may
from bot.domain.prompts.rules import ListName
from cogs.admin import panel_texts
from cogs.admin.changing import ALL
from cogs.admin.settings_texts import LIST_CHOICES
from cogs.kit import autocomplete
from cogs.kit.autocomplete import Suggestions
from cogs.kit.request import Interaction, request_of, services_of

_MAX = 25  # choices; Discord shows no more
_CHOICE_MAX = 100  # characters


def named(choices: Mapping[Any, str]) -> Suggestions:
    """Choices of a command by value, under the names that people read."""
    return [app_commands.Choice(name=name, value=str(value)) for value, name in choices.items()]


@autocomplete.brief
async def models(interaction: Interaction, typed: str) -> Suggestions:
    """Models for a comma-separated list: completes the last entry and keeps the others."""
    before, _comma, last = typed.rpartition(",")
    written = f"{before.strip()}, " if before.strip() else ""
    found = await autocomplete.model(interaction, last.strip())
    texts: list[str] = [ALL] if not written and last.strip().casefold() in ALL else []
    texts += [f"{written}{choice.value}" for choice in found]
    return [app_commands.Choice(name=text, value=text) for text in texts if len(text) <= _CHOICE_MAX][:_MAX]


@autocomplete.brief
async def open_model(interaction: Interaction, typed: str) -> Suggestions:
    """The models that everyone may use."""
    allowed = (await request_of(interaction)).policy.everyone.models
    titles = {model.id: model.title for model in services_of(interaction).orders.models.offered}
    ids = list(titles) if allowed == ALL else list(allowed)
    named = [(titles.get(each, each)[:_CHOICE_MAX], each) for each in ids]
    return [app_commands.Choice(name=name, value=each) for name, each in named if typed.casefold() in name.casefold()][:_MAX]


@autocomplete.brief
async def deleted(interaction: Interaction, typed: str) -> Suggestions:
    """The deleted channels and roles that the settings name."""
    request = await request_of(interaction)
    if not may(request, Action.MANAGE):
        return []
    wanted = typed.strip().casefold()
    named = panel_texts.gone_choices(request.settings).items()
    return [app_commands.Choice(name=name[:_CHOICE_MAX], value=value) for value, name in named if wanted in name.casefold()][:_MAX]


@autocomplete.brief
async def entry(interaction: Interaction, typed: str) -> Suggestions:
    """The words, patterns and fingerprints in the rules."""
    request = await request_of(interaction)
    if not may(request, Action.MANAGE):
        return []
    wanted = typed.strip().casefold()
    fitting = (each for each in named_entries(request.policy) if wanted in each[0].casefold() and len(each[1]) <= _CHOICE_MAX)
    return [app_commands.Choice(name=name[:_CHOICE_MAX], value=text) for name, text in fitting][:_MAX]


def named_entries(policy: Policy) -> list[tuple[str, str]]:
    """The words, patterns and fingerprints in the rules, by the names that the list shows."""
    names = {name: pgettext("choice", shown) for name, shown in LIST_CHOICES.items()}
    entries = [(f"{names[name]}: {text}", text) for name in ListName for text in policy.prompts.list(name).entries]
    return entries + [(_("Image: {fingerprint}").format(fingerprint=each), each) for each in policy.known_bad.hashes]
