"""What is known of guilds: from the gateway where this process hears of them, else from the API."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Final

import discord

from bot.client.events import GUILD_KNOWN
from bot.client.shards import ShardedBot, shard_of

_ARRIVES_S: Final = 2.0  # discord.py's own time between two guilds at the start
_KEPT_S: Final = 60.0
_OUTSIDE_S: Final = 600.0  # Discord counts each refusal to tell of a guild without the bot
_KEPT_MAX: Final = 1_000


class GuildBot(ShardedBot):
    """Knows guilds, also those of which another process hears."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._asked: dict[int, tuple[float, discord.Guild | None]] = {}  # until when (monotonic) an answer of the API holds, by guild

    async def known_guild(self, guild_id: int) -> discord.Guild | None:
        """A guild whose roles and channels have arrived, if need be in a moment; else only the API can tell of them."""
        if self.state.is_awaited(guild_id):
            with suppress(TimeoutError):
                await self.wait_for(GUILD_KNOWN, check=lambda arrived: arrived == guild_id, timeout=_ARRIVES_S)
        return self.state.known_guild(guild_id)

    async def found_guild(self, guild_id: int) -> discord.Guild | None:
        """A guild, from the gateway or else from the API; None if the bot is not in it. Raises as discord.py does.

        An answer of the API holds for a minute, and ten if the bot is not in the guild. During an outage little is known of a guild.
        """
        found = self.state.get_guild(guild_id)
        if found is not None or self.is_outside(guild_id):
            return found
        until, asked = self._asked.get(guild_id, (0.0, None))
        if until < time.monotonic():
            asked = await self._ask(guild_id)
            self._keep(guild_id, asked)
        return asked

    async def whole_guild(self, guild_id: int) -> discord.Guild | None:
        """As `found_guild`, with its channels and the bot's own member."""
        if not self.is_elsewhere(guild_id) or self.user is None:
            return await self.found_guild(guild_id)
        try:
            guild, channels, own = await asyncio.gather(
                self.http.get_guild(guild_id), self.http.get_all_guild_channels(guild_id), self.http.get_member(guild_id, self.user.id)
            )
        except (discord.NotFound, discord.Forbidden):
            return None
        return self.state.described_guild({**guild, "channels": channels, "members": [own]})

    def is_elsewhere(self, guild_id: int) -> bool:
        """Whether this process hears nothing of a guild, so that only the API can tell of it."""
        return shard_of(guild_id, self.shard_count or 1) not in self.state.named

    def is_outside(self, guild_id: int) -> bool:
        """Whether the bot is certainly not in a guild: its shard is this process's, and has named all of its guilds."""
        return self.state.get_guild(guild_id) is None and not self.is_elsewhere(guild_id)

    @property
    def knows_all_guilds(self) -> bool:
        """Whether every guild of the bot has been described to this process."""
        return len(self.state.named) == self.shard_count and not any(guild.unavailable for guild in self.guilds)

    async def _ask(self, guild_id: int) -> discord.Guild | None:
        try:
            return self.state.described_guild(await self.http.get_guild(guild_id))
        except (discord.NotFound, discord.Forbidden):
            return None

    def _keep(self, guild_id: int, answer: discord.Guild | None) -> None:
        now = time.monotonic()
        if len(self._asked) >= _KEPT_MAX:
            self._asked = {each: kept for each, kept in self._asked.items() if kept[0] > now}
        if len(self._asked) < _KEPT_MAX:
            self._asked[guild_id] = now + (_OUTSIDE_S if answer is None else _KEPT_S), answer
