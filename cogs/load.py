"""Adds every cog, menu and handler to a client."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.client.easel import Easel, intents
from bot.core.errors import NotAllowed
from bot.core.i18n import N_, _
from bot.core.running import idempotency, patience
from bot.domain.request import interaction_key
from cogs.admin import cog as imageadmin
from cogs.admin.cog import ImageAdmin
from cogs.admin.gone import Gone
from cogs.admin.setup.welcome import Joined
from cogs.images import details, edit_form, edit_note, history, more, presses, retry, upscale_form
from cogs.images.create import Create
from cogs.images.forms import model_form
from cogs.images.history import HistoryCog
from cogs.images.menus import MENUS
from cogs.kit import answers, interactions
from cogs.kit.request import request_of, services_of
from cogs.kit.router import Router
from cogs.kit.translator import Languages, Translator
from cogs.members import cancel, models, privacy, settings, tray
from cogs.members.account import AccountCog
from cogs.members.help import About
from cogs.members.models import ModelsCog
from cogs.members.privacy import MyData, PrivacyCog
from cogs.members.settings import SettingsCog
from cogs.members.style import Styles
from cogs.members.tray import Tray
from cogs.moderation import appeals, report
from cogs.moderation import panels as imagemod
from cogs.moderation import presses as moderation_presses
from cogs.moderation.cog import ImageMod
from cogs.money import sponsor, usage
from cogs.money.cog import MoneyCog
from cogs.money.sponsor import Sponsor
from cogs.money.usage import Usage
from cogs.reactions import flags as flag_answers
from cogs.reactions.cog import ReactionsCog
from cogs.reactions.presets import Presets
from cogs.replies.cog import RepliesCog

NOT_SERVED = N_("This bot isn't available on this server. Ask its operator to allow it.")
COGS: tuple[type[commands.Cog], ...] = (
    *(Create, AccountCog, ModelsCog, About, HistoryCog, SettingsCog, Styles, Tray, PrivacyCog, MyData),
    *(MoneyCog, Sponsor, Usage),
    *(Presets, ImageAdmin, ImageMod),
)
ROUTER = Router(
    *(presses.router, more.router, retry.router, edit_form.router, upscale_form.router, details.router, edit_note.router),
    *(report.router, moderation_presses.router, appeals.router, flag_answers.router),
    *(history.router, cancel.router, models.router, model_form.router, settings.router, tray.router, privacy.router),
    *(sponsor.router, usage.router, imageadmin.router, imagemod.router),
)


class Tree(app_commands.CommandTree[Any]):
    """The command tree; all its errors go to one handler."""

    def __init__(self, client: discord.Client, **options: Any) -> None:
        super().__init__(client, **options)
        self.languages = Languages()

    async def on_error(self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError) -> None:
        await interactions.handle_error(interaction, error)

    async def _call(self, interaction: discord.Interaction[Any]) -> None:
        """Defer a command that takes long, and store the member's language after its answer. An autocomplete needs neither."""
        if interaction.type is not discord.InteractionType.application_command:
            await super()._call(interaction)
            return
        async with interactions.handling_errors(interaction):  # of checks; the tree handles those of commands
            await self._answer(interaction)

    async def _answer(self, interaction: discord.Interaction[Any]) -> None:
        command = interaction.command
        if not services_of(interaction).guilds.serves(interaction.guild_id):
            raise NotAllowed(_(NOT_SERVED))
        defers = command is None or command.extras != answers.UNDEFERRED
        with patience.brief(), idempotency.keyed(interaction_key(interaction.id)):
            async with answers.deferring(interaction) if defers else nullcontext():
                await super()._call(interaction)
        await self.languages.note(interaction)


class Presses(commands.Cog):
    """The listener for buttons, menus and forms."""

    def __init__(self, languages: Languages) -> None:
        self._languages = languages

    @commands.Cog.listener()
    async def on_press(self, interaction: discord.Interaction[Any]) -> None:
        async with interactions.handling_errors(interaction):
            if not services_of(interaction).guilds.serves(interaction.guild_id):
                raise NotAllowed(_(NOT_SERVED))
            press = ROUTER.find(interaction)
            with patience.brief(), idempotency.keyed(interaction_key(interaction.id)):
                async with answers.deferring(interaction) if press.defers else nullcontext():
                    await press.handle(await request_of(interaction), interaction)
        await self._languages.note(interaction)


async def load(client: Easel) -> None:
    """Add everything to the running client, before its first event."""
    await services_of(client).members.load()
    tree = client.tree
    assert isinstance(tree, Tree)  # noqa: S101  the composition root sets this tree
    await _add_commands(client)
    await client.add_cog(ReactionsCog(client))
    await client.add_cog(RepliesCog(client))
    await client.add_cog(Presses(tree.languages))
    await client.add_cog(Gone(client))
    await client.add_cog(Joined(client))
    await tree.set_translator(Translator(tree))


async def command_tree() -> app_commands.CommandTree[Any]:
    """The commands on a client that never connects, for tools that only read them."""
    bot = commands.Bot(command_prefix=commands.when_mentioned, help_command=None, tree_cls=Tree, intents=intents())
    await _add_commands(bot)
    return bot.tree


async def _add_commands(bot: commands.Bot | commands.AutoShardedBot) -> None:
    for cog in COGS:
        await bot.add_cog(cog())
    for menu in (*MENUS, *usage.MENUS):
        bot.tree.add_command(menu)
