"""/help and /ping."""

from __future__ import annotations

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
        ms = interaction.client.latency * 1000
        await reply.say(interaction, f"🏓 Awake. Discord answers in {ms:.0f} ms.")
