"""Which commands Discord's client offers somebody in a channel, and on whose behalf the application is there.

Source: https://discord.com/developers/docs/interactions/application-commands#contexts
"""

from __future__ import annotations

from enum import IntEnum

from simcord.backend.command_access import command_access
from simcord.backend.models import Channel

from sandbox.discord.wire import JSON
from sandbox.discord.world.channels import ChannelKind, WorldChannels
from sandbox.discord.world.engine import Engine


class IntegrationType(IntEnum):
    GUILD = 0  # the server has the application
    USER = 1  # a person has it, wherever they are


class InteractionContextType(IntEnum):
    GUILD = 0  # in a server
    BOT_DM = 1  # with the bot
    PRIVATE_CHANNEL = 2  # among people


CONTEXTS = {
    ChannelKind.TEXT: InteractionContextType.GUILD,
    ChannelKind.ELSEWHERE: InteractionContextType.GUILD,
    ChannelKind.DM: InteractionContextType.BOT_DM,
    ChannelKind.PRIVATE: InteractionContextType.PRIVATE_CHANNEL,
}
# Everybody here has the application on their own account too; the studio has it besides.
_INSTALLED = {
    ChannelKind.TEXT: {IntegrationType.GUILD, IntegrationType.USER},
    ChannelKind.DM: {IntegrationType.GUILD, IntegrationType.USER},
    ChannelKind.ELSEWHERE: {IntegrationType.USER},
    ChannelKind.PRIVATE: {IntegrationType.USER},
}


def is_offered(engine: Engine, channels: WorldChannels, command: JSON, *, user_id: int, channel: Channel) -> bool:
    kind = channels.kind(channel)
    if CONTEXTS[kind] not in _contexts(command) or not _INSTALLED[kind] & set(command["integration_types"]):
        return False
    if channel.guild_id is None:
        return "guild_id" not in command
    if command.get("nsfw") and not channels.age_restricted(channel):
        return False
    return command_access(engine, command, user_id=user_id, channel_id=channel.id).allowed


def owners(channels: WorldChannels, channel: Channel, user_id: int, installs: set[int]) -> JSON:
    """`authorizing_integration_owners`: by each installation that the command makes use of here, who made it."""
    made_by = {IntegrationType.GUILD: str(channel.guild_id or 0), IntegrationType.USER: str(user_id)}
    return {str(int(install)): made_by[install] for install in sorted(_INSTALLED[channels.kind(channel)]) if install in installs}


def _contexts(command: JSON) -> set[int]:
    """Where a command is meant for; those that do not say so are for everywhere, but for the older `dm_permission`."""
    if command["contexts"] is not None:
        return set(command["contexts"])
    return set(InteractionContextType) if command["dm_permission"] else {InteractionContextType.GUILD}
