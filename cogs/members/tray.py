"""/tray: the references that a member saved for the next edit."""

from __future__ import annotations

import io

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.i18n import pgettext
from bot.domain.request import Request
from bot.store import tray
from cogs.kit import interactions, panels
from cogs.kit.panels import button, everywhere, panel, row, text
from cogs.kit.request import Interaction, request_of, services_of
from cogs.kit.router import CustomId, Router
from cogs.members import account_texts

router = Router()

_EMPTY = CustomId("tray:clear")


@everywhere
class Tray(commands.GroupCog, group_name="tray", group_description="Manage the reference images for your next edit"):
    """The commands /tray show and clear."""

    @app_commands.command(description="See the images in your tray")
    async def show(self, interaction: Interaction) -> None:
        request = await request_of(interaction)
        services = services_of(interaction)
        items = await services.reader.read(tray.of, request.actor.user_id)
        small = await services.thumbnails.of_references([each.reference for each in items], request.actor.user_id)
        names = [f"tray-{n}.webp" for n in range(1, len(small) + 1)]
        view = panel(text(account_texts.tray(len(small))))
        if small:
            gallery = discord.ui.MediaGallery[discord.ui.LayoutView](*(discord.MediaGalleryItem(f"attachment://{name}") for name in names))
            view = panel(text(account_texts.tray(len(small))), gallery, row(button(pgettext("button", "Empty tray"), _EMPTY(), emoji="🗑️")))
        await panels.show(
            interaction, view, [discord.File(io.BytesIO(each), filename=name) for each, name in zip(small, names, strict=True)]
        )

    @app_commands.command(description="Remove all images from your tray")
    async def clear(self, interaction: Interaction) -> None:
        request = await request_of(interaction)
        await interactions.say(interaction, account_texts.emptied(await services_of(interaction).members.clear_tray(request.actor.user_id)))


@router.press(_EMPTY)
async def empty(request: Request, interaction: Interaction) -> None:
    """Empty the tray, like /tray clear."""
    await services_of(interaction).members.clear_tray(request.actor.user_id)
    await panels.redraw(interaction, panel(text(account_texts.tray(0))))
