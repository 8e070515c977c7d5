"""/help and /ping."""

from __future__ import annotations

import math

from discord import app_commands
from discord.ext import commands

from cogs import reply
from cogs.reply import Interaction

_HELP = """## Easel makes and edits pictures
**/generate** makes a picture from your words. Attach up to four references and name them in the prompt if the model takes them.
**/edit** changes a picture you attach. On a picture that is here already: open the message's menu, **Apps**, **Edit with Easel**.
**/models** lists the models with their prices. Every option completes itself with what the chosen model allows.
**/quota** shows your credits. A price is held when you ask and spent when the picture is there; what fails or is cancelled is given back.
**/cancel** takes back what is not finished.
### Under each picture
✏️ **Edit** it · 🔁 **Again** with a fresh seed · 🔍 **Details** · 🗑️ **Delete** (its requester, or who may manage messages)
-# Nothing you asked for is lost when the bot restarts: the picture arrives late, in its place."""


class About(commands.Cog):
    """What Easel says of itself."""

    @app_commands.command(description="How Easel is used")
    async def help(self, interaction: Interaction) -> None:
        await reply.show(interaction, _HELP)

    @app_commands.command(description="Whether Easel is awake")
    async def ping(self, interaction: Interaction) -> None:
        latency_s = interaction.client.latency  # infinite before the first heartbeat
        speed = f" Discord answers in {latency_s * 1000:.0f} ms." if math.isfinite(latency_s) else ""
        await reply.say(interaction, f"🏓 Awake.{speed}")
