"""The group itself: who may, the commands for a hurry, and whatever is pressed in its panels."""

from __future__ import annotations

import re

from discord import app_commands
from discord.ext import commands

from cogs import look, panels, reply
from cogs.imageadmin import files, panel
from cogs.imageadmin.changing import settle
from cogs.imageadmin.conduct import Conduct
from cogs.imageadmin.files import Files
from cogs.imageadmin.limits import Limits
from cogs.imageadmin.money import Money
from cogs.imageadmin.rules import Rules
from cogs.reply import Interaction, actor_of

_PANEL = re.compile(r"v1:admin:(?P<deed>pause|resume|lock|unlock|export|refresh)")
_FILE = re.compile(r"v1:admin:(?P<deed>apply|leave):(?P<kept>[0-9]{1,20}):(?P<seen>[0-9a-f]{16})")
_FILE_DEEDS = {"apply": files.apply, "leave": files.leave}


@app_commands.guild_only()
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_guild=True)
class ImageAdmin(
    Money,
    Limits,
    Conduct,
    Rules,
    Files,
    commands.GroupCog,
    group_name="imageadmin",
    group_description="What pictures may cost and show in this server, and who may ask for them",
):
    """For those who may manage the server. Discord's own settings may open the commands to others, so it is checked here, too."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        return actor_of(interaction).may_manage_server

    @app_commands.command(description="Everything at a glance")
    async def panel(self, interaction: Interaction) -> None:
        await panel.show(interaction)

    @app_commands.command(description="Nobody orders pictures until you resume; what is being made is delivered")
    @app_commands.describe(reason="What members are told")
    async def pause(self, interaction: Interaction, reason: app_commands.Range[str, 1, 300] = "") -> None:
        await settle(interaction, {"pause": {"on": True, "reason": reason}}, look.policy.paused)

    @app_commands.command(description="Pictures can be ordered again")
    async def resume(self, interaction: Interaction) -> None:
        await settle(interaction, {"pause": None}, look.policy.paused)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        custom_id, _values = panels.pressed(interaction)
        of_panel, of_file = _PANEL.fullmatch(custom_id), _FILE.fullmatch(custom_id)
        async with reply.answering(interaction):
            if of_panel:
                await panel.press(interaction, of_panel["deed"])
            elif of_file:
                await _FILE_DEEDS[of_file["deed"]](interaction, of_file["kept"], of_file["seen"])
