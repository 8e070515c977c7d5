"""Translations of the commands, and the language of each member's Discord client."""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from gettext import NullTranslations
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import TranslationContextLocation as Location

from bot.core import i18n
from bot.core.errors import DatabaseAway
from cogs.kit.request import Interaction, request_of, services_of

# Discord's limits in characters, by the kind of text (gettext's msgctxt).
# Source: https://discord.com/developers/docs/interactions/application-commands and .../components/reference
LIMITS: Final[Mapping[str, int]] = {
    "command name": 32,
    "command description": 100,
    "option name": 32,
    "option description": 100,
    "choice": 100,
    "menu name": 32,
    "button": 80,
    "select option": 100,
    "select placeholder": 150,
    "modal title": 45,
    "modal label": 45,
}
TYPED: Final = ("command name", "option name")  # members type these, so Discord restricts their characters
_NAMES: Final = (*TYPED, "menu name")  # must be unique among their siblings
_CONTEXTS: Final[Mapping[Location, str]] = {
    Location.command_name: "command name",
    Location.command_description: "command description",
    Location.group_name: "command name",
    Location.group_description: "command description",
    Location.parameter_name: "option name",
    Location.parameter_description: "option description",
    Location.choice_name: "choice",
}
_REMEMBERED_MAX: Final = 10_000  # members


def fits(context: str, text: str) -> bool:
    """Whether Discord accepts a text. Names of commands and options: lower-case letters, digits, - and _."""
    if context not in LIMITS:
        return True
    if not 1 <= len(text) <= LIMITS[context] or text != text.strip():
        return False
    return context not in TYPED or (text == text.lower() and all(sign in "-_" or unicodedata.category(sign)[0] in "LN" for sign in text))


class Translator(app_commands.Translator):
    """Translates the commands' names and descriptions. A text that Discord would refuse stays English."""

    def __init__(self, tree: app_commands.CommandTree[Any]) -> None:
        self._tree = tree
        self._siblings: dict[Any, tuple[str, ...]] = {}  # by what they belong to

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        if i18n.supported(locale.value) is None:
            return None
        catalogue, kind = i18n.catalogue(locale.value), _kind(context)
        if kind == "option name":
            return _option_names(catalogue, self._siblings_of(context.data)).get(string.message)
        if kind in _NAMES:
            return _names(catalogue, kind, self._siblings_of(context.data)).get(string.message)
        text = catalogue.pgettext(kind, string.message)
        return text if text != string.message and fits(kind, text) else None

    def _siblings_of(self, named: Any) -> tuple[str, ...]:
        """The names beside this one, including itself. Collected once for all of them, because each is translated into each language."""
        owner = _owner(named)
        if owner not in self._siblings:
            self._siblings[owner] = tuple(_siblings(self._tree, named))
        return self._siblings[owner]


@dataclass(frozen=True, kw_only=True)
class Translatable:
    """A text of the commands, and its kind, a key of `LIMITS`."""

    context: str
    text: str


async def translatables(tree: app_commands.CommandTree[Any]) -> list[Translatable]:
    """Every translatable text of the commands, each once, in the order of the commands."""
    listener = _Listener()
    for command in sorted(tree.get_commands(), key=lambda command: (isinstance(command, app_commands.ContextMenu), command.name)):
        await command.get_translated_payload(tree, listener)
    return list(listener.found)


class Languages:
    """Stores the language of each member's Discord client, for messages that do not answer an interaction."""

    def __init__(self) -> None:
        self._remembered: OrderedDict[int, str | None] = OrderedDict()  # a cache: saves reads of the store

    async def note(self, interaction: Interaction) -> None:
        """Call this after the answer, so that the answer does not wait for it."""
        with suppress(DatabaseAway):  # it is noted the next time
            await self._note(interaction)

    async def _note(self, interaction: Interaction) -> None:
        user_id, locale = interaction.user.id, i18n.supported(interaction.locale.value)
        if self._remembered.get(user_id, "") == locale:
            self._remembered.move_to_end(user_id)
            return
        if (await request_of(interaction)).preferences.locale != locale:
            await services_of(interaction).members.change(user_id, lambda chosen: chosen.model_copy(update={"locale": locale}))
        self._remembered[user_id] = locale
        if len(self._remembered) > _REMEMBERED_MAX:
            self._remembered.popitem(last=False)


class _Listener(app_commands.Translator):
    """Collects the texts that a translator is asked for."""

    def __init__(self) -> None:
        self.found: dict[Translatable, None] = {}

    async def translate(
        self, string: app_commands.locale_str, _locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        if string.message.strip("…"):  # discord.py's placeholder for "no description"
            self.found[Translatable(context=_kind(context), text=string.message)] = None
        return None


def _kind(context: app_commands.TranslationContextTypes) -> str:
    return "menu name" if isinstance(context.data, app_commands.ContextMenu) else _CONTEXTS[context.location]


def _owner(named: Any) -> Any:
    """What has this name and its siblings; None: the tree's own commands."""
    if isinstance(named, app_commands.Parameter):
        return named.command
    return named.type if isinstance(named, app_commands.ContextMenu) else named.parent


def _siblings(tree: app_commands.CommandTree[Any], named: Any) -> Iterable[str]:
    if isinstance(named, app_commands.Parameter):
        return [parameter.display_name for parameter in named.command.parameters]
    if isinstance(named, app_commands.ContextMenu):
        return [menu.name for menu in tree.get_commands(type=named.type)]
    commands = named.parent.commands if named.parent else tree.get_commands(type=discord.AppCommandType.chat_input)
    return [command.name for command in commands]


@lru_cache(maxsize=1024)
def _option_names(catalogue: NullTranslations, names: tuple[str, ...]) -> Mapping[str, str]:
    """The translations of a command's options: of all of them, or of none, so that they are in one language."""
    offered = {name: text for name in names if (text := i18n.translated(catalogue, "option name", name)) and fits("option name", text)}
    return offered if len(set(offered.values())) == len(names) else {}


@lru_cache(maxsize=1024)
def _names(catalogue: NullTranslations, kind: str, names: tuple[str, ...]) -> Mapping[str, str]:
    """The translations of sibling names that are valid and unique, in this language and in English."""
    offered = {name: catalogue.pgettext(kind, name) for name in names}
    fitting = {name: text for name, text in offered.items() if text != name and fits(kind, text)}
    taken = [*names, *fitting.values()]
    return {name: text for name, text in fitting.items() if taken.count(text) == 1}
