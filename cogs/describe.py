"""The button of the note that answers ✏️: only whom it calls may press it, and it opens the form for an edit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import discord
from discord.ext import commands

from bot.errors import NotAllowed, NotFound
from bot.gestures import DESCRIBES, plain
from bot.i18n import _
from bot.store.reactions import Given
from cogs import modals, reply
from cogs.acknowledge import DESCRIBE_ID, remove_note
from cogs.reply import Interaction, client_of


class Describe(commands.Cog):
    """Takes every press, of this run's notes and of any earlier one's."""

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        data: Mapping[str, Any] = interaction.data or {}
        pressed = DESCRIBE_ID.fullmatch(str(data.get("custom_id", "")))
        if interaction.type is not discord.InteractionType.component or pressed is None:
            return
        async with reply.answering(interaction):
            await _open(interaction, pressed)

    @commands.Cog.listener()
    async def on_edit_described(self, interaction: Interaction, note: Mapping[str, Any]) -> None:
        """The edit was taken in: the note has done its work."""
        if "reacted_to" in note:
            await remove_note(client_of(interaction), _given(note["reacted_to"], interaction.user.id))


async def _open(interaction: Interaction, pressed: re.Match[str]) -> None:
    if interaction.user.id != int(pressed["user"]):
        sentence = _("This note is for {member}. React with {emoji} to the picture yourself, or press Edit under it.")
        raise NotAllowed(sentence.format(member=f"<@{pressed['user']}>", emoji=DESCRIBES))
    channel = client_of(interaction).get_partial_messageable(int(pressed["channel"]), guild_id=interaction.guild_id)
    try:
        message = await channel.fetch_message(int(pressed["message"]))
    except discord.NotFound:
        raise NotFound(_("That message is gone.")) from None
    await modals.ask_for_edit_of(interaction, message, note={"reacted_to": message.id})


def _given(message_id: int, user_id: int) -> Given:
    return Given(message_id=message_id, user_id=user_id, emoji=plain(DESCRIBES))
