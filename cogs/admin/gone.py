"""What a guild has deleted: channels, threads and roles. Heard of at once, or found when the guild becomes available."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.client.refusals import delivery_error
from bot.core import i18n
from bot.core.clock import Clock
from bot.core.errors import RouteClosed, TryLater
from bot.core.running import patience
from bot.domain.guild.fields import IdKind
from bot.domain.guild.ids import NamedId, named_ids
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import Job
from bot.domain.moderation.audit import AuditAction
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.permissions import managers_of
from bot.services.services import Services
from bot.store.moderation import audit_log
from cogs.admin import panel_texts
from cogs.kit.channels import deleted_ids, writable
from cogs.kit.outbound import Messageable, forget_refusals, note_gone
from cogs.kit.posting import Draft, Poster
from cogs.kit.request import as_actor, services_of
from cogs.money import money_texts

if TYPE_CHECKING:
    from bot.client.easel import Easel

_MANAGERS_MAX = 3  # who changed the settings last


class Gone(commands.Cog):
    """Listens to deletions."""

    def __init__(self, client: Easel) -> None:
        self._client = client
        self._turn = asyncio.Lock()

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """Its archived threads are deleted too, without an event."""
        await self._forget(channel.guild, {channel.id})
        await self._find_deleted(channel.guild)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        guild = self._client.get_guild(event.guild_id)
        if guild is not None:
            await self._forget(guild, {event.thread_id})

    @commands.Cog.listener()
    async def on_guild_role_delete(self, role: discord.Role) -> None:
        await self._forget(role.guild, {role.id})

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        """After a start, an outage, or a gap of the event stream."""
        await self._find_deleted(guild)

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Invited, maybe once more."""
        forget_refusals(self._client, _channel_ids(guild))
        await self._find_deleted(guild)

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The guild was deleted, or it removed the bot. Its settings stay, in case it invites the bot again."""
        note_gone(self._client, _channel_ids(guild))
        with patience.endless():  # Discord says it once
            await self._services.money.end_sponsorships(guild.id)

    @commands.Cog.listener()
    async def on_shard_ready(self, shard_id: int) -> None:
        """A shard's guilds that are not named at its start removed the bot in the meantime; unavailable ones are named."""
        with patience.endless():
            for guild_id in await self._services.money.sponsored_guilds():
                if self._client.is_of_shard(shard_id, guild_id) and self._client.get_guild(guild_id) is None:
                    await self._services.money.end_sponsorships(guild_id)

    async def _find_deleted(self, guild: discord.Guild) -> None:
        """One guild at a time: at a start there may be thousands, and members' requests read the store too."""
        with patience.endless():
            async with self._turn:
                await self._forget(guild, await self._deleted_in(guild))

    async def _deleted_in(self, guild: discord.Guild) -> set[int]:
        settings = await self._services.guilds.settings(guild.id)
        sponsored = await self._services.money.sponsored_channels(guild.id)
        used = named_ids(settings.policy) | {NamedId(kind=IdKind.CHANNEL, id=each) for each in sponsored}
        return await deleted_ids(self._client, guild, [each for each in used if each.id not in settings.gone])

    async def _forget(self, guild: discord.Guild, deleted: Collection[int]) -> None:
        if not deleted:
            return
        note_gone(self._client, deleted)
        with patience.endless():  # Discord says it once
            await self._services.money.end_sponsorships(guild.id, channel_ids=deleted, server=guild.name)
            await self._services.guilds.mark_gone(guild.id, deleted)

    @property
    def _services(self) -> Services:
        return services_of(self._client)


def _channel_ids(guild: discord.Guild) -> list[int]:
    return [each.id for each in (*guild.channels, *guild.threads)]


class GoneNotices:
    """The outbox's handlers that tell managers and hosts. They raise discord.py's own errors; the caller translates them."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._poster = Poster(client, clock=clock)
        self.handlers = {
            ItemKind.GONE: self.tell_of_deleted,
            ItemKind.NO_CHANNEL: self.tell_of_report,
            ItemKind.TELL_HOST: self.tell_host,
        }

    async def tell_of_deleted(self, item: OutboxItem, _job: Job | None) -> None:
        guild, settings = await self._guild(item)
        gone = settings.gone_in_policy(settings.gone.intersection(item.data["ids"]))
        if guild is not None and gone:
            name, policy = guild.name, settings.policy
            await self._tell_managers(item, guild, policy.cases_channel_id, lambda: panel_texts.gone_notice(name, policy, gone))

    async def tell_of_report(self, item: OutboxItem, _job: Job | None) -> None:
        """A report waits, unless a channel for cases was set in the meantime, which shows it."""
        guild, settings = await self._guild(item)
        if guild is not None and settings.policy.cases_channel_id is None:
            name = guild.name
            await self._tell_managers(item, guild, None, lambda: panel_texts.no_channel_notice(name))

    async def _guild(self, item: OutboxItem) -> tuple[discord.Guild | None, GuildSettings]:
        guild = await self._client.found_guild(item.data["guild_id"])
        return guild, await services_of(self._client).guilds.settings(item.data["guild_id"])

    async def _tell_managers(self, item: OutboxItem, guild: discord.Guild, cases_channel_id: int | None, text: Callable[[], str]) -> None:
        """By DM to a manager who changed the settings lately, else in the channel for cases, else by DM to the guild's owner."""
        not_now: discord.HTTPException | None = None
        async for channel, locale in self._readers(guild, cases_channel_id):
            with i18n.speaking(locale):
                content = text()
            try:
                await self._send(item, channel, content)
            except (discord.Forbidden, discord.NotFound) as error:
                not_now = error if isinstance(delivery_error(error), TryLater) else not_now
                continue
            return
        raise not_now or RouteClosed("No manager of this server can be told.")

    async def tell_host(self, item: OutboxItem, _job: Job | None) -> None:
        if item.user_id is None:
            return
        channel, locale = await self._direct(item.user_id)
        with i18n.speaking(locale):
            await self._send(item, channel, money_texts.host_notice(item.data["server"], item.data["amount"]))

    async def _send(self, item: OutboxItem, channel: Messageable, content: str) -> None:
        was_tried, draft = bool(item.attempts), Draft(content=content)
        await self._poster.once(channel, draft, nonce=item.id, was_tried=was_tried, is_same=lambda m: m.content == content)

    async def _readers(self, guild: discord.Guild, cases_channel_id: int | None) -> AsyncIterator[tuple[Messageable, str | None]]:
        """Where managers read, the best first, each with its language."""
        for user_id in await self._managers(guild):
            yield await self._direct(user_id)
        cases_channel = await writable(self._client, guild.id, cases_channel_id)
        if cases_channel is not None:
            yield cases_channel, str(guild.preferred_locale)
        if guild.owner_id is not None:
            yield await self._direct(guild.owner_id)

    async def _managers(self, guild: discord.Guild) -> list[int]:
        """Members who changed the settings last, and are still managers."""
        lines = await services_of(self._client).reader.read(audit_log.latest, guild.id, action=AuditAction.SETTINGS)
        found = []
        for user_id in list(dict.fromkeys(line.actor_id for line in lines if line.actor_id is not None))[:_MANAGERS_MAX]:
            try:
                member = await guild.fetch_member(user_id)
            except discord.NotFound:
                continue
            found.append(replace(as_actor(member), may_manage_server=member.guild_permissions.manage_guild))
        return managers_of(found)

    async def _direct(self, user_id: int) -> tuple[Messageable, str | None]:
        preferences = await services_of(self._client).members.preferences(user_id)
        return await self._client.create_dm(discord.Object(user_id)), preferences.locale
