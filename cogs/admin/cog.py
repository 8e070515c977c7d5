"""The /imageadmin group, its permission check, and the commands panel, pause and resume."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot.core.errors import NotFound
from bot.core.i18n import _
from bot.domain.permissions import Action, may
from cogs.admin import files, panel, panel_texts, settings_texts, suggestions
from cogs.admin.changing import change_and_answer, remove_deleted
from cogs.admin.conduct import ConductCommands
from cogs.admin.files import Files
from cogs.admin.limits import LimitCommands
from cogs.admin.money import MoneyCommands
from cogs.admin.rules import RuleCommands
from cogs.admin.setup import walk
from cogs.kit import interactions
from cogs.kit.request import Interaction, request_of
from cogs.kit.router import Router

router = Router(panel.router, files.router, walk.router)


@app_commands.guild_only()
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_guild=True)
class ImageAdmin(
    MoneyCommands,
    LimitCommands,
    ConductCommands,
    RuleCommands,
    Files,
    commands.GroupCog,
    group_name="imageadmin",
    group_description="Manage Easel on this server",
):
    """For managers. Checked here too, because a guild's integration settings may open the commands to others."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        return may(await request_of(interaction), Action.MANAGE)

    @app_commands.command(description="See all settings and this month's usage")
    async def panel(self, interaction: Interaction) -> None:
        await panel.show(await request_of(interaction), interaction)

    @app_commands.command(description="Set Easel up step by step, with menus and buttons")
    async def setup(self, interaction: Interaction) -> None:
        await walk.begin(await request_of(interaction), interaction)

    @app_commands.command(description="Remove deleted channels and roles from the settings")
    @app_commands.describe(remove="Deleted channel or role. Leave out to remove all of them")
    @app_commands.autocomplete(remove=suggestions.deleted)
    async def deleted(self, interaction: Interaction, remove: app_commands.Range[str, 1, 100] | None = None) -> None:
        request = await request_of(interaction)
        wanted = panel_texts.gone_choices(request.settings)
        if remove is not None:
            typed = remove.strip().casefold()
            wanted = {value: name for value, name in wanted.items() if typed in (value, name.casefold())}
        if not wanted:
            raise NotFound(_("The settings name no such deleted channel or role."))
        now = await remove_deleted(request, interaction, {int(each) for each in wanted})
        # Without the last allowed channel, images may be created everywhere: a manager must read that.
        opened = settings_texts.channels(now.policy) if now.policy.channels != request.policy.channels else ""
        await interactions.say(interaction, panel_texts.gone_removed(wanted.values(), opened))

    @app_commands.command(description="Pause image creation (images in progress still arrive)")
    @app_commands.describe(reason="Reason to show members")
    async def pause(self, interaction: Interaction, reason: app_commands.Range[str, 1, 300] = "") -> None:
        await change_and_answer(interaction, {"pause": {"on": True, "reason": reason}}, settings_texts.paused)

    @app_commands.command(description="Resume image creation")
    async def resume(self, interaction: Interaction) -> None:
        await change_and_answer(interaction, {"pause": None}, settings_texts.paused)
