"""Add or remove the spoilers of a message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import discord
from discord.utils import MISSING

from bot.client.refusals import reason_of, refused
from bot.core.errors import TryLater
from bot.core.i18n import _
from bot.domain.moderation.cases import HiddenBy
from cogs.kit.texts import CONTENT_MAX, LINK_MARK

_BOLD, _SPOILER = "**", "||"
_NO_MENTIONS = discord.AllowedMentions.none()
_HIDDEN_MARK = "-# 🙈"  # begins the line that says who hid an image
_HIDDEN_BY: Mapping[HiddenBy, Callable[[], str]] = {
    HiddenBy.REPORTS: lambda: _("Hidden by reports until a moderator decides."),
    HiddenBy.MODERATOR: lambda: _("Hidden by a moderator."),
    HiddenBy.AUTHOR: lambda: _("Hidden by its author."),
}
_CONCURRENCY = asyncio.Semaphore(2)  # messages whose files are in memory, tens of MB each


async def set_hidden(message: discord.Message, hides: bool, *, by: HiddenBy | None = None) -> None:
    """Set or remove the spoilers of a message of ours, and the line that says who hid it, in the current language.

    Attachments cannot be renamed, so they are uploaded again. Raises `MessageRefused` if Discord refuses the images, and `TryLater` if one
    cannot be fetched: its message exists, so it should too.
    """
    content = hidden(message.content, by) if hides else unhidden(message.content)
    changed = () if all(attachment.is_spoiler() is hides for attachment in message.attachments) else message.attachments
    if not changed and content == message.content:
        return
    async with _CONCURRENCY:
        files = [await _fetched(attachment, spoiler=hides) for attachment in changed]
        try:
            await message.edit(content=content, attachments=files if changed else MISSING, allowed_mentions=_NO_MENTIONS)
        except discord.HTTPException as error:
            if (reason := reason_of(error)) is None:
                raise
            raise refused(reason) from error


async def take_off(message: discord.Message) -> None:
    """Remove the images of a message of ours that must be hidden, and of which Discord refuses the hidden ones."""
    content = "\n".join([hidden(message.content), _("-# Discord doesn't accept its images.")])[:CONTENT_MAX]
    await message.edit(content=content, attachments=[], allowed_mentions=_NO_MENTIONS)


async def _fetched(attachment: discord.Attachment, *, spoiler: bool) -> discord.File:
    try:
        return await attachment.to_file(spoiler=spoiler)
    except discord.HTTPException as error:
        raise TryLater(_("Discord can't load the image right now. Try again later.")) from error


def hidden(content: str, by: HiddenBy | None = None) -> str:
    """The content of a finished message with its first line, the prompt, and its links to images behind spoilers.

    Below the first line stands who hid it; what stands there stays if that is not known.
    """
    head, *rest = content.split("\n")
    if by is not None:
        rest = [f"{_HIDDEN_MARK} {_HIDDEN_BY[by]()}", *_without_mark(rest)]
    if head.startswith(_BOLD) and not head.startswith(f"{_BOLD}{_SPOILER}"):
        head = f"{_BOLD}{_SPOILER}{head.removeprefix(_BOLD).removesuffix(_BOLD)}{_SPOILER}{_BOLD}"
    return "\n".join([head, *(f"{_SPOILER}{line}{_SPOILER}" if line.startswith(LINK_MARK) else line for line in rest)])[:CONTENT_MAX]


def unhidden(content: str) -> str:
    """The content without those spoilers."""
    head, *rest = content.split("\n")
    rest = _without_mark(rest)
    marks = f"{_BOLD}{_SPOILER}"
    if head.startswith(marks):
        head = f"{_BOLD}{head.removeprefix(marks).removesuffix(f'{_SPOILER}{_BOLD}')}{_BOLD}"
    is_hidden = f"{_SPOILER}{LINK_MARK}"
    return "\n".join([head, *(line.strip(_SPOILER) if line.startswith(is_hidden) else line for line in rest)])


def _without_mark(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if not line.startswith(_HIDDEN_MARK)]
