"""The request of an interaction, a reaction or a message: actor, channel, settings and preferences, each read once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord

from bot.core.clock import system
from bot.domain.actor import Actor
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import TOKEN_LIFE_MS, ReplyTarget
from bot.domain.preferences import Preferences
from bot.domain.request import Channel, Request, interaction_key
from bot.services.services import Services
from cogs.kit.channels import ASKING_S, asked_of_discord, channel_from, fetch_place, not_known_yet

if TYPE_CHECKING:
    from bot.client.easel import Easel

Interaction = discord.Interaction[Any]

_EXTRAS_KEY = "request"


def client_of(interaction: Interaction) -> Easel:
    client: Easel = interaction.client
    return client


def services_of(source: Interaction | discord.Client) -> Services:
    """The services of a client, or of an interaction's client."""
    client: Any = source.client if isinstance(source, discord.Interaction) else source
    services: Services = client.services
    return services


def actor_of(interaction: Interaction) -> Actor:
    """The member of an interaction, with their permissions in its channel."""
    return _permitted(as_actor(interaction.user), interaction.permissions)


def as_actor(user: discord.User | discord.Member) -> Actor:
    """A user with their roles, without permissions. `member.roles` would leave out those that the gateway has not described."""
    member = user if isinstance(user, discord.Member) else None
    return Actor(
        user_id=user.id,
        role_ids=frozenset(member._roles) | {member.guild.id} if member else frozenset(),  # noqa: SLF001  as above
        joined_at=int(member.joined_at.timestamp() * 1000) if member and member.joined_at else None,
    )


def guild_locale_of(interaction: Interaction) -> str | None:
    """None outside guilds."""
    return str(interaction.guild_locale) if interaction.guild_locale is not None else None


async def request_of(interaction: Interaction) -> Request:
    """The interaction's request, built once. Its answer is private if the member's preferences say so."""
    built: Request | None = interaction.extras.get(_EXTRAS_KEY)
    if built is None:
        built = interaction.extras[_EXTRAS_KEY] = await _build(interaction)
    return built


async def _build(interaction: Interaction) -> Request:
    guild_id, channel_id, services = interaction.guild_id, interaction.channel_id or 0, services_of(interaction)
    settings, preferences = await services.guilds.settings(guild_id), await services.members.preferences(interaction.user.id)
    return Request(
        actor=actor_of(interaction),
        channel=replace(await _channel_of(interaction), direct=interaction.context.dm_channel),
        reply_to=ReplyTarget(
            user_id=interaction.user.id,
            channel_id=channel_id,
            guild_id=guild_id,
            application_id=interaction.application_id,
            token=interaction.token,
            token_expires_at=system() + TOKEN_LIFE_MS,
            upload_limit_bytes=interaction.filesize_limit,
        ),
        settings=settings,
        preferences=preferences,
        member_locale=str(interaction.locale),
        guild_locale=guild_locale_of(interaction),
        key=interaction_key(interaction.id),
    ).answered(private=preferences.private)


async def _channel_of(interaction: Interaction) -> Channel:
    """Discord sends the channel with the interaction, even if the bot is not in the guild, but not a thread's parent.

    Raises `NotKnownYet`.
    """
    channel, guild_id, channel_id = interaction.channel, interaction.guild_id, interaction.channel_id or 0
    if isinstance(channel, discord.Thread) and channel.parent is None and guild_id is not None and interaction.is_guild_integration():
        try:
            return (await fetch_place(client_of(interaction), guild_id, channel_id)).channel
        except (discord.NotFound, discord.Forbidden) as error:
            raise not_known_yet() from error
    return channel_from(channel, guild_id=guild_id, channel_id=channel_id)


async def request_of_reaction(
    client: Easel, event: discord.RawReactionActionEvent, *, settings: GuildSettings, preferences: Preferences
) -> Request:
    """The answer is a public reply to the message with the reaction. Raises as `fetch_place`."""
    target = ReplyTarget(user_id=event.user_id, channel_id=event.channel_id, guild_id=event.guild_id, reply_to=event.message_id)
    return await _request_from(client, event.member, target, settings=settings, preferences=preferences)


async def request_of_message(client: Easel, message: discord.Message, *, settings: GuildSettings, preferences: Preferences) -> Request:
    """The answer is a public reply to the message. Raises as `fetch_place` and `fetch_member`."""
    guild_id = message.guild.id if message.guild else None
    member = message.author if isinstance(message.author, discord.Member) else None
    if guild_id is not None and member is None:
        member = await fetch_member(client, guild_id, message.author.id)
    target = ReplyTarget(user_id=message.author.id, channel_id=message.channel.id, guild_id=guild_id, reply_to=message.id)
    return await _request_from(client, member, target, settings=settings, preferences=preferences)


async def _request_from(
    client: Easel, member: discord.Member | None, target: ReplyTarget, *, settings: GuildSettings, preferences: Preferences
) -> Request:
    place = await fetch_place(client, target.guild_id, target.channel_id) if target.guild_id else None
    actor = Actor(user_id=target.user_id)
    if member is not None and place is not None:
        actor = _permitted(as_actor(member), place.parent.permissions_for(member))
    return Request(
        actor=actor,
        channel=place.channel if place else Channel(guild_id=None, channel_id=target.channel_id, direct=True),
        reply_to=replace(target, upload_limit_bytes=place.guild.filesize_limit if place else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES),
        settings=settings,
        preferences=preferences,
        member_locale=preferences.locale,
        guild_locale=str(place.guild.preferred_locale) if place else None,
    ).answered(private=False)


async def fetch_member(client: Easel, guild_id: int, user_id: int) -> discord.Member | None:
    """A member as Discord describes them now; None for those who left. Raises `NotKnownYet` if Discord does not say."""
    data = await fetch_member_json(client, guild_id, user_id)
    return None if data is None else client.state.described_member(guild_id, data)


async def fetch_member_json(client: Easel, guild_id: int, user_id: int) -> Any:
    """The same as in Discord's answer."""
    try:
        with asked_of_discord():
            async with asyncio.timeout(ASKING_S):
                return await client.http.get_member(guild_id, user_id)
    except discord.NotFound:
        return None


def _permitted(actor: Actor, permissions: discord.Permissions) -> Actor:
    return replace(actor, may_manage_messages=permissions.manage_messages, may_manage_server=permissions.manage_guild)
