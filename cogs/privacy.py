"""/privacy and /mydata: what is kept of a member, handed out and erased."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping

import discord
from discord import app_commands
from discord.ext import commands

from bot.i18n import _, pgettext
from bot.jobs.privacy import Export
from cogs import look, panels, reply
from cogs.panels import button, everywhere, panel, row, text
from cogs.reply import Interaction, client_of

_ERASE, _KEEP = "v1:mydata:erase", "v1:mydata:keep"


class Privacy(commands.Cog):
    """What Easel says of what it keeps."""

    @app_commands.command(description="What is kept of you, how long, and where it goes")
    @everywhere
    async def privacy(self, interaction: Interaction) -> None:
        await panels.show(interaction, look.privacy.told(client_of(interaction).privacy.keeping))


@everywhere
class MyData(commands.GroupCog, group_name="mydata", group_description="What is kept of you: have it, or have it erased"):
    """Two commands; erasing asks once."""

    @app_commands.command(description="Have everything that is kept of you, as a file by direct message")
    async def export(self, interaction: Interaction) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        made = await client_of(interaction).privacy.export(interaction.user.id)
        try:
            await interaction.user.send(look.privacy.export(made.counts), file=_file(made))
        except discord.Forbidden:
            sentence = _("Your direct messages are closed to me, so here it is, for your eyes only.")
            await interaction.edit_original_response(content=f"📦 {sentence}", attachments=[_file(made)])
        else:
            await interaction.edit_original_response(content="📦 " + _("It is in your direct messages."))

    @app_commands.command(description="Erase what is yours; you are asked once more")
    async def erase(self, interaction: Interaction) -> None:
        yes = button(pgettext("button", "Erase everything"), _ERASE, emoji="🧹", style=discord.ButtonStyle.danger)
        no = button(pgettext("button", "Keep everything"), _KEEP)
        await panels.show(interaction, panel(text(look.privacy.before_erasing()), row(yes, no)))

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        custom_id, _values = panels.pressed(interaction)
        if custom_id not in _ANSWERS:
            return
        async with reply.answering(interaction):
            await _ANSWERS[custom_id](interaction)


async def _erase(interaction: Interaction) -> None:
    await interaction.response.defer()
    counts = await client_of(interaction).privacy.erase(interaction.user.id)
    await panels.redraw(interaction, panel(text(look.privacy.erased(counts))))


async def _keep(interaction: Interaction) -> None:
    await panels.redraw(interaction, panel(text(_("Everything stays as it is."))))


_ANSWERS: Mapping[str, Callable[[Interaction], Awaitable[None]]] = {_ERASE: _erase, _KEEP: _keep}


def _file(made: Export) -> discord.File:
    return discord.File(io.BytesIO(made.content), filename=made.filename)
