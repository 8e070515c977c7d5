"""Sending in the background: what Discord's refusals mean, and replies that do not depend on what they reply to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord

from bot.core.errors import RouteClosed, TooLarge, TryLater

Messageable = discord.PartialMessageable | discord.DMChannel
Send = Callable[[Mapping[str, Any]], Awaitable[discord.Message]]  # takes what makes it a reply
NO_ANSWER = (aiohttp.ClientError, OSError, TimeoutError)  # nothing is known of what was sent

_UPLOAD_REFUSED = 40005
_NO_REPLIES = 160002  # a reply needs the right to read the channel's history


@asynccontextmanager
async def explained() -> AsyncIterator[None]:
    """Discord's refusals as the bot's own errors."""
    try:
        yield
    except discord.RateLimited as error:
        raise TryLater("Discord asks for patience.", retry_after_s=error.retry_after) from error
    except discord.HTTPException as error:
        raise _meaning(error) from error
    except NO_ANSWER as error:
        raise TryLater(f"Discord did not answer ({type(error).__name__}).") from error


async def replying(channel: Messageable, message_id: int | None, send: Send) -> discord.Message:
    """`send` as a reply to this message of the channel, without calling its author; as no reply where it is gone or Discord refuses one."""
    if message_id is None:
        return await send({})
    reference = discord.MessageReference(message_id=message_id, channel_id=channel.id, fail_if_not_exists=False)
    try:
        return await send({"reference": reference, "mention_author": False})
    except discord.Forbidden as error:
        if error.code != _NO_REPLIES:
            raise
    return await send({})


def _meaning(error: discord.HTTPException) -> RouteClosed | TooLarge | TryLater:
    if error.code == _UPLOAD_REFUSED or error.status == 413:
        return TooLarge("Discord refuses an upload of this size.")
    if error.status == 429 or error.status >= 500:
        return TryLater(f"Discord is busy (status {error.status}).")
    return RouteClosed(f"Discord refuses this way (status {error.status}, code {error.code}).")
