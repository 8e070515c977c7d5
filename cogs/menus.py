"""Message menus: what can be done with a message that somebody picked."""

from __future__ import annotations

import discord
from discord import app_commands

from cogs import modals
from cogs.reply import Interaction


@app_commands.context_menu(name="Edit with Easel")
async def edit_with_easel(interaction: Interaction, message: discord.Message) -> None:
    """Works on anybody's picture: Discord hands over the message that was picked, without the message-content intent."""
    await modals.ask_for_edit_of(interaction, message)


MENUS = (edit_with_easel,)
