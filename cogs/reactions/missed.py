"""Reactions that came while the bot was not connected: no event tells of them.

Only those to the newest images are read. That is one request for each of a few messages, and none of the reactions can be older
than its message: nothing is ordered that its member no longer waits for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import discord
import structlog
from discord.message import convert_emoji_reaction

from bot.core.errors import NotKnownYet
from bot.domain.gestures import meaning_of, normalized_emoji
from bot.domain.job import JobMessage
from bot.store import messages, reactions
from cogs.kit.request import fetch_member_json, services_of
from cogs.reactions.notes import FAILED
from cogs.reactions.reading import who_reacted

if TYPE_CHECKING:
    from bot.client.easel import Easel

_NEW: Final = timedelta(minutes=10)
_MESSAGES_MAX: Final = 20

log = structlog.get_logger(__name__)


async def find(client: Easel, shard_id: int) -> None:
    """Handle the reactions to new images in a shard's guilds that were not handled yet, as if they came now."""
    reader, now = services_of(client).reader, datetime.fromtimestamp(services_of(client).clock() / 1000, UTC)
    since_id = discord.utils.time_snowflake(now - _NEW)
    for shown in await reader.read(messages.newest, since_id, limit=_MESSAGES_MAX):
        if not client.is_of_shard(shard_id, shown.guild_id):
            continue
        try:
            async for event in _missed(client, shown):
                log.info("reaction found that came while not connected", message=shown.message_id)
                client.state.parse_message_reaction_add(event)
        except (*FAILED, NotKnownYet) as error:
            log.info("reactions not read", message=shown.message_id, error=type(error).__name__)


async def _missed(client: Easel, shown: JobMessage) -> AsyncIterator[Any]:
    """The events of the reactions to a message that were not handled."""
    services, own_id = services_of(client), client.user.id if client.user else 0
    settings, guild_id = await services.guilds.settings(shown.guild_id), shown.guild_id
    guild = client.state.known_guild(guild_id) if guild_id is not None else None
    if guild_id is not None and (guild is None or guild.get_channel_or_thread(shown.channel_id) is None):
        return  # also a direct message about an image of that guild
    message: Any = await client.http.get_message(shown.channel_id, shown.message_id)
    seen = await services.reader.read(reactions.seen, shown.message_id)
    for given in message.get("reactions") or ():
        emoji = discord.PartialEmoji.from_dict(given["emoji"])
        if meaning_of(str(emoji), settings) is None:
            continue
        found = await who_reacted(client, shown.channel_id, shown.message_id, convert_emoji_reaction(emoji))
        for user_id, burst in sorted(found.reactions):
            if user_id == own_id or (user_id, normalized_emoji(str(emoji)), burst) in seen:
                continue
            member = None if guild_id is None else await fetch_member_json(client, guild_id, user_id)
            if guild_id is not None and member is None:
                continue
            ids = {"channel_id": shown.channel_id, "message_id": shown.message_id, "user_id": user_id, "message_author_id": own_id}
            of_guild = {} if guild_id is None else {"guild_id": guild_id, "member": member}
            yield {**ids, **of_guild, "emoji": given["emoji"], "burst": burst, "type": int(burst)}
