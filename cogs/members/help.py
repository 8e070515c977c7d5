"""/help and /ping."""

from __future__ import annotations

import math

from discord import app_commands
from discord.ext import commands

from bot.core.i18n import _
from bot.core.numbers import number
from cogs.kit import interactions, panels
from cogs.kit.panels import everywhere
from cogs.kit.request import Interaction
from cogs.members import help_texts


class About(commands.Cog):
    """The commands /help and /ping."""

    @app_commands.command(description="How to create and edit images")
    @everywhere
    async def help(self, interaction: Interaction) -> None:
        own = interaction.client.user
        await panels.show(interaction, help_texts.help_text(own.mention if own else "@Easel"))

    @app_commands.command(description="Check that the bot is online")
    @everywhere
    async def ping(self, interaction: Interaction) -> None:
        latency_s = interaction.client.latency  # infinite before the first heartbeat
        if not math.isfinite(latency_s):
            await interactions.say(interaction, "🏓 " + _("Online."))
            return
        await interactions.say(
            interaction, "🏓 " + _("Online. Discord answers in {ms} ms.").format(ms=number(latency_s * 1000, decimals=0))
        )
