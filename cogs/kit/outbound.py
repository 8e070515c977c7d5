"""Sending in the background: Discord's errors as `DeliveryError`, and replies that fall back to plain messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord

from bot.core.errors import RouteClosed, TooLarge, TryLater

Messageable = discord.PartialMessageable | discord.DMChannel
Send = Callable[[Mapping[str, Any]], Awaitable[discord.Message]]  # takes the arguments that make it a reply
NO_ANSWER = (aiohttp.ClientError, OSError, TimeoutError)  # the message may or may not have been sent

_UPLOAD_REFUSED = 40005
_NO_REPLIES = 160002  # a reply needs the permission Read Message History


@asynccontextmanager
async def delivery_errors() -> AsyncIterator[None]:
    """Raise Discord's errors as `RouteClosed`, `TooLarge` or `TryLater`."""
    try:
        yield
    except discord.RateLimited as error:
        raise TryLater("Discord's rate limit was reached.", retry_after_s=error.retry_after) from error
    except discord.HTTPException as error:
        raise _delivery_error(error) from error
    except NO_ANSWER as error:
        raise TryLater(f"Discord did not answer ({type(error).__name__}).") from error


async def send_reply(channel: Messageable, message_id: int | None, send: Send) -> discord.Message:
    """Call `send` as a reply that does not ping, or without a reply if the message is gone or replies are not permitted."""
    if message_id is None:
        return await send({})
    reference = discord.MessageReference(message_id=message_id, channel_id=channel.id, fail_if_not_exists=False)
    try:
        return await send({"reference": reference, "mention_author": False})
    except discord.Forbidden as error:
        if error.code != _NO_REPLIES:
            raise
    return await send({})


def _delivery_error(error: discord.HTTPException) -> RouteClosed | TooLarge | TryLater:
    if error.code == _UPLOAD_REFUSED or error.status == 413:
        return TooLarge("Discord refuses an upload of this size.")
    if error.status == 429 or error.status >= 500:
        return TryLater(f"Discord is busy (status {error.status}).")
    return RouteClosed(f"Discord refused the request (status {error.status}, code {error.code}).")
