"""Add or remove the spoilers of a message."""

from __future__ import annotations

import asyncio

import discord

from bot.core.errors import TryLater
from bot.core.i18n import _
from cogs.kit import file_texts

_NO_MENTIONS = discord.AllowedMentions.none()
_CONCURRENCY = asyncio.Semaphore(2)  # messages whose files are in memory, tens of MB each


async def set_hidden(message: discord.Message, hidden: bool) -> None:
    """Set or remove the spoilers of a message of ours. Attachments cannot be renamed, so they are uploaded again.

    Raises `TryLater` if an image cannot be fetched: its message exists, so the image should too.
    """
    if all(attachment.is_spoiler() is hidden for attachment in message.attachments):
        return
    async with _CONCURRENCY:
        files = [await _fetched(attachment, spoiler=hidden) for attachment in message.attachments]
        content = file_texts.hidden(message.content) if hidden else file_texts.unhidden(message.content)
        await message.edit(content=content, attachments=files, allowed_mentions=_NO_MENTIONS)


async def _fetched(attachment: discord.Attachment, *, spoiler: bool) -> discord.File:
    try:
        return await attachment.to_file(spoiler=spoiler)
    except discord.HTTPException as error:
        raise TryLater(_("Discord can't load the image right now. Try again later.")) from error
