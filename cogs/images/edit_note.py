"""The button of the note that answers ✏️: opens the edit form for the member who reacted."""

from __future__ import annotations

import discord

from bot.core.errors import NotFound
from bot.core.i18n import _
from bot.domain import permissions
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from cogs.images import edit_form
from cogs.kit.request import Interaction, client_of
from cogs.kit.router import Router
from cogs.reactions.notes import DESCRIBE

router = Router()


@router.press(DESCRIBE, defers=False)
async def describe(request: Request, interaction: Interaction, *, channel: int, message: int, user: int) -> None:
    """Open the form. Only the member who reacted may, and only in the channel of the note: the bot can read others that they cannot."""
    permissions.check(request, Action.ANSWER, Target(owner_id=user))
    if channel != request.channel.channel_id:
        raise NotFound(_("That message was deleted."))
    partial_channel = client_of(interaction).get_partial_messageable(channel, guild_id=request.guild_id)
    try:
        found = await partial_channel.fetch_message(message)
    except discord.NotFound:
        raise NotFound(_("That message was deleted.")) from None
    await edit_form.ask_for_edit_of(interaction, found, by_reaction=True)
