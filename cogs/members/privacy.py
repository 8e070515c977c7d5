"""/privacy and /mydata: what is stored about a member, its export and its erasure."""

from __future__ import annotations

import io

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.i18n import _, pgettext
from bot.domain.request import Request
from bot.services.privacy import Export
from cogs.kit import answers, interactions, panels
from cogs.kit.panels import button, everywhere, panel, row, text
from cogs.kit.request import Interaction, request_of, services_of
from cogs.kit.router import CustomId, Router
from cogs.members import privacy_texts

router = Router()

_ERASE, _KEEP = CustomId("mydata:erase"), CustomId("mydata:keep")


class PrivacyCog(commands.Cog):
    """The command /privacy."""

    @app_commands.command(description="See what data Easel stores about you")
    @everywhere
    async def privacy(self, interaction: Interaction) -> None:
        await panels.show(interaction, privacy_texts.privacy(services_of(interaction).privacy.retention))


@everywhere
class MyData(commands.GroupCog, group_name="mydata", group_description="Download or erase your data"):
    """The commands /mydata export and erase. Erasing asks for confirmation."""

    @app_commands.command(description="Get a copy of your data by DM")
    async def export(self, interaction: Interaction) -> None:
        request = await request_of(interaction)
        await answers.defer(interaction)
        exported = await services_of(interaction).privacy.export(request.actor.user_id)
        try:
            await interaction.user.send(privacy_texts.export(exported.counts), file=_file(exported))
        except discord.Forbidden:
            sentence = _("Your direct messages are closed to me, so here it is, for your eyes only.")
            await answers.send(interaction, content=f"📦 {sentence}", files=[_file(exported)])
        else:
            await interactions.say(interaction, "📦 " + _("It is in your direct messages."))

    @app_commands.command(description="Erase your data (asks you to confirm)")
    async def erase(self, interaction: Interaction) -> None:
        erase_button = button(pgettext("button", "Erase everything"), _ERASE(), emoji="🧹", style=discord.ButtonStyle.danger)
        keep_button = button(pgettext("button", "Keep everything"), _KEEP())
        await panels.show(interaction, panel(text(privacy_texts.before_erasing()), row(erase_button, keep_button)))


@router.press(_ERASE)
async def erase(request: Request, interaction: Interaction) -> None:
    """Erase, after the confirmation."""
    await answers.defer(interaction)
    counts = await services_of(interaction).privacy.erase(request.actor.user_id)
    await panels.redraw(interaction, panel(text(privacy_texts.erased(counts))))


@router.press(_KEEP)
async def keep(_request: Request, interaction: Interaction) -> None:
    """Close the question without erasing."""
    await panels.redraw(interaction, panel(text(_("Everything stays as it is."))))


def _file(exported: Export) -> discord.File:
    return discord.File(io.BytesIO(exported.content), filename=exported.filename)
