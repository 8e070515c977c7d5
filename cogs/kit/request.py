"""The request behind an interaction or a reaction: who asks, where, and under which rules, each read once."""

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
from cogs.kit.channels import look_up, spot_in

if TYPE_CHECKING:
    from bot.client import Easel

Interaction = discord.Interaction[Any]

_BUILT = "request"  # its key in the interaction's extras


def client_of(interaction: Interaction) -> Easel:
    """The client that heard of it."""
    client: Easel = interaction.client
    return client


def services_of(source: Interaction | discord.Client) -> Services:
    """The services behind a client, or behind the one that an interaction reached."""
    client: Any = source.client if isinstance(source, discord.Interaction) else source
    services: Services = client.services
    return services


def actor_of(interaction: Interaction) -> Actor:
    """Who asks, with what Discord says of them here."""
    may = interaction.permissions
    return replace(as_actor(interaction.user), may_manage_messages=may.manage_messages, may_manage_server=may.manage_guild)


def as_actor(user: discord.User | discord.Member) -> Actor:
    """Somebody with their roles; nothing is known of what they may do."""
    member = user if isinstance(user, discord.Member) else None
    return Actor(
        user_id=user.id,
        role_ids=frozenset(role.id for role in member.roles) if member else frozenset(),
        joined_at=int(member.joined_at.timestamp() * 1000) if member and member.joined_at else None,
    )


async def request_of(interaction: Interaction) -> Request:
    """Built when it is first asked for, and the same one ever after. Its answer is private where the member's preferences say so."""
    built: Request | None = interaction.extras.get(_BUILT)
    if built is None:
        built = interaction.extras[_BUILT] = await _build(interaction)
    return built


async def _build(interaction: Interaction) -> Request:
    guild_id, channel_id = interaction.guild_id, interaction.channel_id or 0
    settings, preferences = await services_of(interaction).guilds.settings_and_preferences(guild_id, interaction.user.id)
    return Request(
        actor=actor_of(interaction),
        # Discord sends the channel along, also where the bot is no member.
        channel=spot_in(interaction.channel, guild_id=guild_id, channel_id=channel_id),
        reply_to=ReplyTarget(
            user_id=interaction.user.id,
            channel_id=channel_id,
            guild_id=guild_id,
            application_id=interaction.application_id,
            token=interaction.token,
            token_expires_at=system() + TOKEN_LIFE_MS,
            upload_limit_bytes=interaction.filesize_limit,
            private=preferences.private,
            locale=str(interaction.locale),
        ),
        settings=settings,
        preferences=preferences,
    )


async def request_of_reaction(
    client: Easel, event: discord.RawReactionActionEvent, *, settings: GuildSettings, preferences: Preferences
) -> Request:
    """May ask Discord for a channel that is not cached. The answer replies, for everybody, to the message that was reacted to."""
    guild = client.get_guild(event.guild_id) if event.guild_id else None
    return Request(
        actor=_actor(event),
        channel=await look_up(client, guild_id=event.guild_id, channel_id=event.channel_id),
        reply_to=ReplyTarget(
            user_id=event.user_id,
            channel_id=event.channel_id,
            guild_id=event.guild_id,
            upload_limit_bytes=guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES,
            locale=preferences.locale,
            reply_to=event.message_id,
        ),
        settings=settings,
        preferences=preferences,
    )


def _actor(event: discord.RawReactionActionEvent) -> Actor:
    """Who reacts, with what Discord says of them in this server."""
    member = event.member
    if member is None:
        return Actor(user_id=event.user_id)
    channel = member.guild.get_channel_or_thread(event.channel_id)
    try:
        permissions = channel.permissions_for(member) if channel else member.guild_permissions
    except discord.ClientException:  # a thread whose channel is not known
        permissions = member.guild_permissions
    return replace(as_actor(member), may_manage_messages=permissions.manage_messages, may_manage_server=permissions.manage_guild)
