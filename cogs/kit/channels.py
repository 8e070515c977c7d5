"""The channel of a request, with its parents, as the rules need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot.domain.request import Channel

if TYPE_CHECKING:
    from bot.client import Easel

log = structlog.get_logger(__name__)


def channel_from(channel: Any, *, guild_id: int | None, channel_id: int) -> Channel:
    """From a channel of discord.py, or from None if the channel is unknown. A thread is age-restricted if its parent is."""
    parent = getattr(channel, "parent", None) if isinstance(channel, discord.Thread) else channel
    thread_parent_id = channel.parent_id if isinstance(channel, discord.Thread) else None
    category_id = getattr(parent, "category_id", None)
    parents = tuple(parent_id for parent_id in (thread_parent_id, category_id) if parent_id is not None)
    is_nsfw = getattr(parent, "is_nsfw", None)  # missing on direct messages and groups
    age_restricted = guild_id is not None and is_nsfw is not None and bool(is_nsfw())
    return Channel(guild_id=guild_id, channel_id=channel_id, parent_ids=parents, age_restricted=age_restricted)


async def fetch_channel(client: Easel, *, guild_id: int | None, channel_id: int) -> Channel:
    """By id, from the gateway's cache or from Discord.

    A channel that Discord does not return counts as one without parents that is not age-restricted.
    """
    if guild_id is None:
        return Channel(guild_id=None, channel_id=channel_id)
    guild = client.get_guild(guild_id)
    channel: Any = guild.get_channel_or_thread(channel_id) if guild else None
    try:
        channel = channel or await client.fetch_channel(channel_id)
        if isinstance(channel, discord.Thread) and channel.parent is None:
            return _thread_in(channel, await client.fetch_channel(channel.parent_id), guild_id)
    except (discord.HTTPException, discord.InvalidData) as error:
        log.info("channel fetch failed", channel=channel_id, error=type(error).__name__)
    return channel_from(channel, guild_id=guild_id, channel_id=channel_id)


def _thread_in(thread: discord.Thread, parent: Any, guild_id: int) -> Channel:
    """A thread whose parent is not cached."""
    channel = channel_from(parent, guild_id=guild_id, channel_id=thread.parent_id)
    return Channel(guild_id=guild_id, channel_id=thread.id, parent_ids=channel.ids, age_restricted=channel.age_restricted)
