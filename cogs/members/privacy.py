"""/privacy and /mydata: what is stored about a member, its export and its erasure."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.client.refusals import is_dm_closed
from bot.core.i18n import _, pgettext
from bot.domain.request import Request
from bot.services.privacy import Export
from cogs.kit import answers, interactions, panels
from cogs.kit.panels import button, everywhere, panel, row, text
from cogs.kit.request import Interaction, request_of, services_of
from cogs.kit.router import CustomId, Router
from cogs.members import privacy_texts

router = Router()

_STORED, _ERASE, _KEEP = CustomId("privacy:stored"), CustomId("mydata:erase"), CustomId("mydata:keep")


class PrivacyCog(commands.Cog):
    """The command /privacy."""

    @app_commands.command(description="What is stored about you, and how to delete it")
    @everywhere
    async def privacy(self, interaction: Interaction) -> None:
        words = text(privacy_texts.privacy(services_of(interaction).privacy.retention))
        await panels.show(interaction, panel(words, row(button(pgettext("button", "What is stored"), _STORED(), emoji="🗄️"))))


@everywhere
class MyData(commands.GroupCog, group_name="mydata", group_description="Get a copy of your data, or delete it"):
    """The commands /mydata export and erase. Erasing asks for confirmation."""

    @app_commands.command(description="Get a copy of your data by DM")
    async def export(self, interaction: Interaction) -> None:
        request = await request_of(interaction)
        await answers.defer(interaction)
        async with services_of(interaction).privacy.export(request.actor.user_id) as exported:
            await _send(interaction, exported)

    @app_commands.command(description="Delete all your data")
    async def erase(self, interaction: Interaction) -> None:
        erase_button = button(pgettext("button", "Delete everything"), _ERASE(), emoji="🧹", style=discord.ButtonStyle.danger)
        keep_button = button(pgettext("button", "Cancel"), _KEEP())
        await panels.show(
            interaction,
            panel(text(privacy_texts.before_erasing(services_of(interaction).privacy.retention)), row(erase_button, keep_button)),
        )


@router.press(_STORED)
async def show_stored(_request: Request, interaction: Interaction) -> None:
    """What is stored and how long, in a panel of its own."""
    await panels.show(interaction, privacy_texts.stored(services_of(interaction).privacy.retention))


@router.press(_ERASE)
async def erase(request: Request, interaction: Interaction) -> None:
    """Erase, after the confirmation."""
    await answers.defer(interaction)
    counts = await services_of(interaction).privacy.erase(request.actor.user_id)
    await panels.redraw(interaction, panel(text(privacy_texts.erased(counts))))


@router.press(_KEEP)
async def keep(_request: Request, interaction: Interaction) -> None:
    """Close the question without erasing."""
    await panels.redraw(interaction, panel(text(_("Nothing was deleted."))))


async def _send(interaction: Interaction, exported: Export) -> None:
    """Send each file in a message of its own: together they may be larger than Discord takes."""
    first, *others = exported.paths
    try:
        await interaction.user.create_dm()
        await interaction.user.send(privacy_texts.export(exported.counts, files=len(exported.paths)), file=discord.File(first))
    except discord.Forbidden as error:
        if is_dm_closed(error):
            sentence = _("Your DMs are closed, so here it is. Only you can see this.")
        else:
            sentence = _("Discord doesn't let Easel send DMs right now, so here it is. Only you can see this.")
        await answers.send(interaction, content=f"📦 {sentence}", files=[discord.File(first)])
        for path in others:
            await answers.send(interaction, files=[discord.File(path)])
        return
    for path in others:
        await interaction.user.send(file=discord.File(path))
    await interactions.say(interaction, "📦 " + _("Sent to you by DM."))
