"""Sending in the background: Discord's errors as `DeliveryError`, requests that are not repeated, replies that become plain messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import discord

from bot.client.refusals import delivery_error, is_dm_closed
from bot.core.errors import MessageRefused, NotAllowed, RouteClosed, TryLater
from bot.core.i18n import _
from bot.core.running import machine

if TYPE_CHECKING:
    from bot.client.easel import Easel

Changed = TypeVar("Changed")
Messageable = discord.PartialMessageable | discord.DMChannel
Send = Callable[[Mapping[str, Any]], Awaitable[discord.Message]]  # takes the arguments that make it a reply
NO_ANSWER = (aiohttp.ClientError, OSError, TimeoutError)  # the message may or may not have been sent

UNKNOWN_CHANNEL = 10003
_NO_REPLIES = 160002  # a reply needs the permission Read Message History
_ARCHIVED = 50083
_TOKEN_S = 15 * 60.0  # longer than a token lives
# Discord's error codes: what is refused, and for how many seconds it is not asked again. A bot with too many refused requests is banned.
# Source: https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
_REFUSED: Mapping[int, tuple[str, float]] = {
    50027: ("token", _TOKEN_S),  # invalid webhook token
    10015: ("token", _TOKEN_S),  # unknown webhook
    10062: ("token", _TOKEN_S),  # unknown interaction
    10008: ("message", _TOKEN_S),  # unknown message
    UNKNOWN_CHANNEL: ("channel", 60.0),
    50001: ("channel", 60.0),  # missing access
    50013: ("archived thread", 60.0),  # missing permissions, to reopen one that is locked
}


@asynccontextmanager
async def delivery_errors(*, sends: bool = True) -> AsyncIterator[None]:
    """Raise Discord's errors as `DeliveryError`, and a shortage of this machine as `MachineTrouble`.

    Only a request that `sends` a message is refused for what it holds.
    """
    try:
        yield
    except discord.RateLimited as error:
        raise TryLater("Discord's rate limit was reached.", retry_after_s=error.retry_after) from error
    except discord.HTTPException as error:
        found = delivery_error(error)
        raise RouteClosed(found.sentence) if isinstance(found, MessageRefused) and not sends else found from error
    except (*NO_ANSWER, MemoryError) as error:
        raise machine.trouble_of(error) or TryLater(f"Discord did not answer ({type(error).__name__}).") from error


@contextmanager
def dm_errors() -> Iterator[None]:
    """Raise what keeps a DM from its member as `NotAllowed`, with a sentence for them."""
    try:
        yield
    except discord.Forbidden as error:
        raise NotAllowed(dm_sentence(error)) from error
    except discord.HTTPException as error:
        refused = delivery_error(error)
        raise NotAllowed(refused.sentence) if isinstance(refused, MessageRefused) else error from error


def dm_sentence(error: discord.Forbidden) -> str:
    """Why a member gets no DM. Only some of the answers mean that they are closed."""
    if is_dm_closed(error):
        return _("Easel can't DM you. Allow DMs from this server's members in your privacy settings.")
    return _("Discord doesn't let Easel send DMs right now. Try again in a few minutes.")


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


async def reopening(client: Easel, channel_id: int, change: Callable[[], Awaitable[Changed]]) -> Changed:
    """Call `change`, which changes something in a channel. An archived thread, in which nothing can be changed, is reopened for it."""
    try:
        return await change()
    except discord.HTTPException as error:
        if error.code != _ARCHIVED:
            raise
    with asking(client, **{"archived thread": channel_id}):
        await client.http.edit_channel(channel_id, archived=False)
    return await change()


@contextmanager
def asking(client: Easel, **targets: Hashable) -> Iterator[None]:
    """Send a request about a `token`, a `message` and a `channel` (None: not known).

    Raises `RouteClosed` if Discord has refused one of them lately.
    """
    for kind, target in targets.items():
        if is_refused(client, kind, target):
            raise RouteClosed(f"Discord has refused this {kind} already.")
    try:
        yield
    except discord.HTTPException as error:
        note_refusal(client, error, **targets)
        raise


def note_refusal(client: Easel, error: Exception, **targets: Hashable) -> None:
    """Remember which of the targets this error refuses, if it refuses one."""
    kind, lasts_s = _REFUSED.get(error.code, ("", 0.0)) if isinstance(error, discord.HTTPException) else ("", 0.0)
    if targets.get(kind) is not None:
        now, refused = time.monotonic(), client.refused
        for each in [each for each, until in refused.items() if until <= now]:
            del refused[each]
        refused[kind, targets[kind]] = now + lasts_s


def note_gone(client: Easel, channel_ids: Iterable[int]) -> None:
    """Ask nothing more about these channels: they are deleted, or out of reach."""
    for channel_id in channel_ids:
        client.refused["channel", channel_id] = time.monotonic() + _TOKEN_S


def forget_refusals(client: Easel, channel_ids: Iterable[int]) -> None:
    """Ask again about these channels: the bot was invited again."""
    for channel_id in channel_ids:
        client.refused.pop(("channel", channel_id), None)


def is_refused(client: Easel, kind: str, target: Hashable) -> bool:
    return client.refused.get((kind, target), 0.0) > time.monotonic()
