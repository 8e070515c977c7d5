"""Answers to a reaction: a direct message, or a short note that is deleted after a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog

from bot.core.i18n import _, pgettext
from bot.domain.gestures import DESCRIBES, Reaction
from bot.domain.job import message_url
from cogs.kit.outbound import send_reply
from cogs.kit.request import services_of
from cogs.kit.router import DISCORD_ID, CustomId

if TYPE_CHECKING:
    from bot.client.easel import Easel

DESCRIBE = CustomId("describe:{channel}:{message}:{user}", channel=DISCORD_ID, message=DISCORD_ID, user=DISCORD_ID)
FAILED = (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)  # Discord refused, or did not respond

log = structlog.get_logger(__name__)


async def send_direct_message(client: Easel, user_id: int, sentence: str, *, about: discord.PartialMessage) -> None:
    """Send a sentence with a link to the message. A failure is logged and otherwise ignored."""
    link = message_url(about.guild.id if about.guild else None, about.channel.id, about.id)
    try:
        channel = await client.create_dm(discord.Object(user_id))
        await channel.send(f"{sentence}\n-# {link}", allowed_mentions=discord.AllowedMentions.none())
    except FAILED as error:
        log.info("direct message failed", error=type(error).__name__)


# --- notes -----------------------------------------------------------------------------------------------------------


async def ask_to_describe(client: Easel, reaction: Reaction, message: discord.PartialMessage) -> None:
    """Reply with a button that opens the edit form; replaces their previous note. Raises `discord.Forbidden` if the bot may not write."""
    await remove_note(client, reaction)
    view = discord.ui.View(timeout=None)
    custom_id = DESCRIBE(channel=message.channel.id, message=message.id, user=reaction.user_id)
    label = pgettext("button", "Describe the edit")
    view.add_item(discord.ui.Button(label=label, emoji=DESCRIBES, style=discord.ButtonStyle.primary, custom_id=custom_id))
    sentence = _("{member}, what should change? (This message disappears in 2 minutes.)")
    await _post_note(client, reaction, message, sentence.format(member=f"<@{reaction.user_id}>"), view=view)


async def explain_menu(client: Easel, reaction: Reaction, message: discord.PartialMessage) -> None:
    """Reply how to edit images that the bot cannot read. Raises `discord.Forbidden` if the bot may not write."""
    sentence = _("{member}, to edit someone else's image, right-click (or hold) its message > Apps > Edit with Easel.")
    await _post_note(client, reaction, message, sentence.format(member=f"<@{reaction.user_id}>"))


async def say(client: Easel, reaction: Reaction, message: discord.PartialMessage, sentence: str, **more: Any) -> None:
    """Reply with a sentence for the member, whom it names where others read it. Raises `discord.Forbidden` if the bot may not write."""
    member = f"<@{reaction.user_id}> " if message.guild else ""
    vanishes = _("This message disappears in 2 minutes.")
    await _post_note(client, reaction, message, f"{member}{sentence}\n-# {vanishes}", **more)


async def remove_note(client: Easel, reaction: Reaction) -> None:
    """Delete the note that answers a reaction, if any."""
    note = await services_of(client).reactions.take_note(reaction)
    if note is None:
        return
    try:
        await client.get_partial_messageable(note["channel_id"]).get_partial_message(note["message_id"]).delete()
    except FAILED as error:
        log.info("note deletion failed", error=type(error).__name__)


async def _post_note(client: Easel, reaction: Reaction, message: discord.PartialMessage, content: str, **more: Any) -> None:
    pings = discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=[discord.Object(reaction.user_id)])
    channel = client.get_partial_messageable(message.channel.id)
    note = await send_reply(channel, message.id, lambda reply: channel.send(content, allowed_mentions=pings, **more, **reply))
    await services_of(client).reactions.note_posted(reaction, channel_id=note.channel.id, message_id=note.id)
