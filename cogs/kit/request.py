"""The request of an interaction or a reaction: actor, channel, settings and preferences, each read once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord

from bot.core.clock import system
from bot.domain.actor import Actor
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import TOKEN_LIFE_MS, ReplyTarget
from bot.domain.preferences import Preferences
from bot.domain.request import Request
from bot.services.services import Services
from cogs.kit.channels import channel_from, fetch_channel

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
    permissions = interaction.permissions
    return replace(as_actor(interaction.user), may_manage_messages=permissions.manage_messages, may_manage_server=permissions.manage_guild)


def as_actor(user: discord.User | discord.Member) -> Actor:
    """A user with their roles, without permissions."""
    member = user if isinstance(user, discord.Member) else None
    return Actor(
        user_id=user.id,
        role_ids=frozenset(role.id for role in member.roles) if member else frozenset(),
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
    guild_id, channel_id = interaction.guild_id, interaction.channel_id or 0
    channel = channel_from(interaction.channel, guild_id=guild_id, channel_id=channel_id)
    services = services_of(interaction)
    settings, preferences = await services.guilds.settings(guild_id), await services.members.preferences(interaction.user.id)
    return Request(
        actor=actor_of(interaction),
        # Discord sends the channel with the interaction, even if the bot is not in the guild.
        channel=replace(channel, direct=interaction.context.dm_channel),
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
    ).answered(private=preferences.private)


async def request_of_reaction(
    client: Easel, event: discord.RawReactionActionEvent, *, settings: GuildSettings, preferences: Preferences
) -> Request:
    """Fetches the channel if it is not cached. The answer is a public reply to the message with the reaction."""
    guild = client.get_guild(event.guild_id) if event.guild_id else None
    return Request(
        actor=_actor(event),
        channel=await fetch_channel(client, guild_id=event.guild_id, channel_id=event.channel_id),
        reply_to=ReplyTarget(
            user_id=event.user_id,
            channel_id=event.channel_id,
            guild_id=event.guild_id,
            upload_limit_bytes=guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES,
            reply_to=event.message_id,
        ),
        settings=settings,
        preferences=preferences,
        member_locale=preferences.locale,
        guild_locale=str(guild.preferred_locale) if guild else None,
    ).answered(private=False)


def _actor(event: discord.RawReactionActionEvent) -> Actor:
    """The member who reacts, with their permissions in the channel."""
    member = event.member
    if member is None:
        return Actor(user_id=event.user_id)
    channel = member.guild.get_channel_or_thread(event.channel_id)
    try:
        permissions = channel.permissions_for(member) if channel else member.guild_permissions
    except discord.ClientException:  # a thread whose parent is not cached
        permissions = member.guild_permissions
    return replace(as_actor(member), may_manage_messages=permissions.manage_messages, may_manage_server=permissions.manage_guild)
