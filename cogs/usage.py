"""The menu of a member, for moderators."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.errors import NotAllowed
from bot.i18n import _
from cogs import look, reply
from cogs.reply import Interaction, client_of, studio_of


@app_commands.context_menu(name="Image usage")
@app_commands.guild_only()
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_messages=True)
async def image_usage(interaction: Interaction, user: discord.User | discord.Member) -> None:
    """What a member made here and what was reported; also of one who has left."""
    if interaction.guild_id is None or not interaction.permissions.manage_messages:
        raise NotAllowed(_("This is for those who may manage messages in this server."))
    record = await client_of(interaction).conduct.record(user.id, interaction.guild_id)
    await reply.show(interaction, look.conduct.usage(user.id, record, studio_of(interaction).models.title))


MENUS = (image_usage,)
