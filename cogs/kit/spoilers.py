"""Putting the images of a message behind spoilers, and taking these away."""

from __future__ import annotations

import asyncio

import discord

from bot.core.errors import TryLater
from bot.core.i18n import _
from cogs.kit import file_texts

_NOBODY = discord.AllowedMentions.none()
_AT_A_TIME = asyncio.Semaphore(2)  # messages whose files are held in memory, some tens of MB each


async def set_hidden(message: discord.Message, hidden: bool) -> None:
    """Make a message of ours so, where it is not. Attachments cannot be renamed: they are uploaded anew; the buttons stay.

    Raise `TryLater` where an image cannot be fetched: its message is there, so it is, too.
    """
    shown = message.attachments
    if all(attachment.is_spoiler() is hidden for attachment in shown):
        return
    async with _AT_A_TIME:
        files = [await _fetched(attachment, spoiler=hidden) for attachment in shown]
        content = file_texts.hidden(message.content) if hidden else file_texts.unhidden(message.content)
        await message.edit(content=content, attachments=files, allowed_mentions=_NOBODY)


async def _fetched(attachment: discord.Attachment, *, spoiler: bool) -> discord.File:
    try:
        return await attachment.to_file(spoiler=spoiler)
    except discord.HTTPException as error:
        raise TryLater(_("Discord does not hand out the picture at the moment. Please try again in a while.")) from error
