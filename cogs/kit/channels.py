"""Where something is asked for: a channel with what it is in, from whatever Discord tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot.domain.request import Channel

if TYPE_CHECKING:
    from bot.client import Easel

log = structlog.get_logger(__name__)


def spot_in(channel: Any, *, guild_id: int | None, channel_id: int) -> Channel:
    """A place in a channel of discord.py's (None: nothing is known of it). A thread is as its channel is."""
    parent = getattr(channel, "parent", None) if isinstance(channel, discord.Thread) else channel
    inside = channel.parent_id if isinstance(channel, discord.Thread) else None
    category = getattr(parent, "category_id", None)
    parents = tuple(place for place in (inside, category) if place is not None)
    is_nsfw = getattr(parent, "is_nsfw", None)  # direct messages and groups have no such mark
    age_restricted = guild_id is not None and is_nsfw is not None and bool(is_nsfw())
    return Channel(guild_id=guild_id, channel_id=channel_id, parent_ids=parents, age_restricted=age_restricted)


async def look_up(client: Easel, *, guild_id: int | None, channel_id: int) -> Channel:
    """A place by its ids: as the gateway told of it, else as Discord tells when it is asked.

    What Discord does not tell of is taken as it stands: no thread, not age-restricted.
    """
    if guild_id is None:
        return Channel(guild_id=None, channel_id=channel_id)
    guild = client.get_guild(guild_id)
    channel: Any = guild.get_channel_or_thread(channel_id) if guild else None
    try:
        channel = channel or await client.fetch_channel(channel_id)
        if isinstance(channel, discord.Thread) and channel.parent is None:
            return _under(channel, await client.fetch_channel(channel.parent_id), guild_id)
    except (discord.HTTPException, discord.InvalidData) as error:
        log.info("a channel could not be looked up", channel=channel_id, error=type(error).__name__)
    return spot_in(channel, guild_id=guild_id, channel_id=channel_id)


def _under(thread: discord.Thread, parent: Any, guild_id: int) -> Channel:
    """A thread whose channel the library does not know."""
    around = spot_in(parent, guild_id=guild_id, channel_id=thread.parent_id)
    return Channel(guild_id=guild_id, channel_id=thread.id, parent_ids=around.ids, age_restricted=around.age_restricted)
