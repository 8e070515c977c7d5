"""Panels: Components V2 messages, private by default, that buttons update in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import discord
from discord import app_commands

from bot.core.i18n import pgettext
from bot.domain.catalog.models import ModelInfo
from cogs.kit import answers, texts
from cogs.kit.request import Interaction
from cogs.kit.texts import PANEL_MAX

MORE = "+"  # and a number: the value that shows the models from there on
_LABEL_MAX = 100  # characters of an option
ACCENT = discord.Colour(0xC8553D)

Part = discord.ui.Item[Any]
Command = TypeVar("Command")


def everywhere(command: Command) -> Command:
    """Decorator for a command that works in guilds, direct messages and group chats, also if only the user installed the bot."""
    installed = app_commands.allowed_installs(guilds=True, users=True)(command)
    return app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)(installed)


def panel(*parts: Part, colour: discord.Colour = ACCENT) -> discord.ui.LayoutView:
    """A view with these parts in one container."""
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.Container(*parts, accent_colour=colour))
    return view


def text(*lines: str) -> Part:
    """Lines of text; empty ones are left out."""
    return discord.ui.TextDisplay("\n".join(filter(None, lines)))


def beside(control: Part, *lines: str) -> Part:
    """Lines of text beside a button."""
    return discord.ui.Section("\n".join(filter(None, lines)), accessory=control)


def row(*items: Part) -> Part:
    """Up to five buttons, or one select menu."""
    return discord.ui.ActionRow(*items)


def model_options(models: Sequence[ModelInfo], chosen_id: str | None, *, start: int, most: int) -> list[discord.SelectOption]:
    """The models with their prices, the chosen one first. Of more than `most`, the last option, `MORE` and a number, shows others."""
    ordered = sorted(models, key=lambda model: model.id != chosen_id)  # so that it is on the first page
    size = most if len(ordered) <= most else most - 1
    options = [
        discord.SelectOption(
            label=model.title[:_LABEL_MAX],
            value=model.id,
            description=texts.price(model)[:_LABEL_MAX],
            default=model.id == chosen_id,
        )
        for model in ordered[start : start + size]
    ]
    if len(ordered) > size:
        following = start + size if start + size < len(ordered) else 0
        label = pgettext("select option", "More models…") if following else pgettext("select option", "Back to the first models…")
        options.append(discord.SelectOption(label=label, value=f"{MORE}{following}"))
    return options


def button(
    label: str,
    custom_id: str,
    *,
    emoji: str | None = None,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    disabled: bool = False,
) -> Part:
    """A button that a router handles by its custom id."""
    return discord.ui.Button(label=label, custom_id=custom_id, emoji=emoji, style=style, disabled=disabled)


async def show(
    interaction: Interaction, shown: discord.ui.LayoutView | str, files: Sequence[discord.File] = (), *, private: bool = True
) -> int | None:
    """Send a new panel; a text becomes a panel of its own. Returns the message's id."""
    view = panel(text(shown[:PANEL_MAX])) if isinstance(shown, str) else shown
    return await answers.send(interaction, private=private, view=view, files=files)


async def redraw(interaction: Interaction, view: discord.ui.LayoutView, files: Sequence[discord.File] = ()) -> None:
    """Update the panel whose control was used; `files` replace all its attachments."""
    await answers.update(interaction, view=view, files=files)
