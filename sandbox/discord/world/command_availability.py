"""Which commands Discord's client shows to a person in a channel, and whose installation of the application they use.

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
    GUILD = 0  # installed in the server
    USER = 1  # installed by a person, for use anywhere


class InteractionContextType(IntEnum):
    GUILD = 0  # in a server
    BOT_DM = 1  # in direct messages with the bot
    PRIVATE_CHANNEL = 2  # between people


CONTEXTS = {
    ChannelKind.TEXT: InteractionContextType.GUILD,
    ChannelKind.ELSEWHERE: InteractionContextType.GUILD,
    ChannelKind.DM: InteractionContextType.BOT_DM,
    ChannelKind.PRIVATE: InteractionContextType.PRIVATE_CHANNEL,
}
# All people have installed the application; the bot's server has it too.
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
    """`authorizing_integration_owners`: for each installation that the command uses here, who made it."""
    made_by = {IntegrationType.GUILD: str(channel.guild_id or 0), IntegrationType.USER: str(user_id)}
    return {str(int(install)): made_by[install] for install in sorted(_INSTALLED[channels.kind(channel)]) if install in installs}


def _contexts(command: JSON) -> set[int]:
    """Where a command is available. Without `contexts` that is everywhere, or only servers if `dm_permission` is false."""
    if command["contexts"] is not None:
        return set(command["contexts"])
    return set(InteractionContextType) if command["dm_permission"] else {InteractionContextType.GUILD}
