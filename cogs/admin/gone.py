"""What a guild has deleted: channels, threads and roles. Heard of at once, or found when the guild becomes available."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.services.services import Services
from cogs.kit.channels import deleted_channels
from cogs.kit.request import services_of

if TYPE_CHECKING:
    from bot.client.easel import Easel


class Gone(commands.Cog):
    """Listens to deletions."""

    def __init__(self, client: Easel) -> None:
        self._client = client

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """Its archived threads are deleted too, without an event."""
        await self._forget(channel.guild.id, {channel.id})
        await self._find_deleted(channel.guild)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        await self._forget(event.guild_id, {event.thread_id})

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        """After a start, an outage, or a gap of the event stream."""
        await self._find_deleted(guild)

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Invited, maybe once more."""
        await self._find_deleted(guild)

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The guild was deleted, or it removed the bot. Its settings stay, in case it invites the bot again."""
        await self._services.money.end_sponsorships(guild.id)

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Guilds that are not named at the start removed the bot in the meantime; unavailable ones are named."""
        for guild_id in await self._services.money.sponsored_guilds():
            if self._client.get_guild(guild_id) is None:
                await self._services.money.end_sponsorships(guild_id)

    async def _find_deleted(self, guild: discord.Guild) -> None:
        deleted = await deleted_channels(self._client, guild, await self._used_channels(guild.id))
        await self._forget(guild.id, deleted)

    async def _used_channels(self, guild_id: int) -> Iterable[int]:
        return await self._services.money.sponsored_channels(guild_id)

    async def _forget(self, guild_id: int, deleted: Collection[int]) -> None:
        if deleted:
            await self._services.money.end_sponsorships(guild_id, channel_ids=deleted)

    @property
    def _services(self) -> Services:
        return services_of(self._client)
