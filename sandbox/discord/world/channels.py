"""Channels: who can see them, their names, and the bot's permissions in them."""

from __future__ import annotations

from enum import StrEnum

import discord
from simcord.backend import serializers
from simcord.backend.access import channel_accessible
from simcord.backend.models import Channel, Guild, Message, Overwrite
from simcord.enums import ChannelType, MessageType, OverwriteType

from sandbox.discord.wire import JSON, RefusedError
from sandbox.discord.world.engine import Engine
from sandbox.discord.world.initial_state import OutsideChannels

# The permissions of the bot that people are shown: those that it needs.
SHOWN_PERMISSIONS = (
    "view_channel",
    "send_messages",
    "send_messages_in_threads",
    "attach_files",
    "embed_links",
    "read_message_history",
    "add_reactions",
    "manage_messages",
    "manage_guild",
)


class ChannelKind(StrEnum):
    TEXT = "text"  # a channel or thread of the bot's server
    DM = "dm"  # between a person and the bot
    ELSEWHERE = "elsewhere"  # in a server without the bot
    PRIVATE = "private"  # between two people


# Of channels that have no topic at Discord.
_TOPICS = {
    ChannelKind.DM: "Easel's direct messages: files that you asked for, and answers that fit nowhere else.",
    ChannelKind.PRIVATE: "Between Ada and Ben. Easel only sees the commands that you use here.",
}


class WorldChannels:
    """Methods on behalf of people raise `RefusedError` with a sentence."""

    def __init__(self, engine: Engine, guild: Guild, outside: OutsideChannels) -> None:
        self._engine = engine
        self._guild = guild
        self._elsewhere = outside.elsewhere
        self._private = outside.private

    # ------------------------------------------------------------------ reading

    def get(self, channel_id: int) -> Channel | None:
        return self._engine.channels.get(channel_id)

    def listed_for(self, user_id: int) -> list[Channel]:
        """The channels that a person sees: those of the bot's server, each with its threads, then the others."""
        channels = [self._engine.channels[i] for i in self._guild.channel_ids]
        listed = [one for channel in channels for one in (channel, *self._threads_of(channel))]
        listed += [self._engine.get_dm_channel(user_id), self._private, self._elsewhere]
        return [channel for channel in listed if self.accessible(user_id, channel)]

    def for_person(self, user_id: int, channel_id: int) -> Channel:
        for channel in self.listed_for(user_id):
            if channel.id == channel_id:
                return channel
        raise RefusedError("There is no such channel here.")

    def kind(self, channel: Channel) -> ChannelKind:
        if channel is self._private:
            return ChannelKind.PRIVATE
        if channel.guild_id is None:
            return ChannelKind.DM
        return ChannelKind.ELSEWHERE if channel.guild_id in self._engine.out_of_reach else ChannelKind.TEXT

    def accessible(self, user_id: int, channel: Channel) -> bool:
        if channel is self._private:
            return user_id in channel.recipient_ids
        return channel_accessible(self._engine, channel.id, user_id)

    def sees(self, user_id: int, message: Message) -> bool:
        channel = self._engine.channels[message.channel_id]
        return self.accessible(user_id, channel) and message.visible_to(user_id)

    def age_restricted(self, channel: Channel) -> bool:
        """A thread inherits this from its channel."""
        return channel.permission_channel_id() in self._engine.age_restricted

    def view(self, channel: Channel, viewer_id: int) -> JSON:
        """A channel as in PROTOCOL.md."""
        return {
            "id": str(channel.id),
            "name": channel.name or self._partner_name(channel, viewer_id),
            "kind": self.kind(channel),
            "topic": channel.topic or _TOPICS.get(self.kind(channel), ""),
            "nsfw": self.age_restricted(channel),
            "parent_id": str(channel.parent_id) if channel.parent_id else None,
            "bot_may": self._bot_may(channel),
        }

    def json(self, channel: Channel, *, viewer_id: int | None = None) -> JSON:
        """Discord's channel object; with `viewer_id`, as in that person's interactions."""
        payload: JSON = {**serializers.channel_payload(self._engine, channel), "nsfw": self.age_restricted(channel), "flags": 0}
        if viewer_id is not None and channel.guild_id is not None:
            payload["permissions"] = str(self._engine.compute_permissions(channel.guild_id, viewer_id, channel.id))
        return payload

    # ------------------------------------------------------------------ changes

    def start_thread(self, user_id: int, parent: Channel, name: str, *, message: Message | None = None) -> Channel:
        """Start a public thread, which begins with a message of its channel if one is given. The bot receives the event."""
        name = name.strip()
        if not 1 <= len(name) <= 100:
            raise RefusedError("A thread's name has 1 to 100 characters.")
        if self.kind(parent) is not ChannelKind.TEXT or parent.is_thread:
            raise RefusedError("A thread can only be started in a channel of the server.")
        if not self._may(user_id, parent, "create_public_threads"):
            raise RefusedError("You may not start threads in this channel.")
        kind = ChannelType.PUBLIC_THREAD
        if message is None:
            return self._engine.create_thread(parent.id, name, user_id, type=kind)
        thread = self._engine.create_thread(parent.id, name, user_id, type=kind, message_id=message.id)
        first = {"referenced_channel_id": parent.id, "referenced_message_id": message.id}
        self._engine.create_system_message(thread.id, MessageType.THREAD_STARTER_MESSAGE, user_id, **first)
        return thread

    def delete(self, channel: Channel) -> None:
        """Delete a channel with its threads, or a thread. As at Discord, the bot receives one event."""
        if self.kind(channel) is not ChannelKind.TEXT:
            raise RefusedError("Only channels of the server can be deleted.")
        for thread in self._threads_of(channel):
            self._guild.thread_ids.remove(thread.id)
            del self._engine.channels[thread.id], self._engine.messages[thread.id]
        self._engine.delete_channel(channel.id)

    def archive(self, thread: Channel, *, on: bool, locked: bool = False) -> None:
        """Archive a thread, or reopen it. The bot receives the event."""
        if thread.thread_metadata is None:
            raise RefusedError("Only a thread can be archived.")
        self._engine.edit_channel(thread.id, {}, thread_metadata={"archived": on, "locked": locked})

    def permit(self, channel: Channel, permission: str, *, on: bool, role: str = "") -> None:
        """Set a role's permission overwrite in a channel (for a thread, in its channel); the bot's own if no role is named."""
        if self.kind(channel) is not ChannelKind.TEXT:
            raise RefusedError("Permissions can only be set in channels of the server.")
        flag = permission_flag(permission)
        parent = self._engine.channels[channel.permission_channel_id()]
        target_id = self._role_id(role) if role else self._engine.bot_user.id
        kind = OverwriteType.ROLE if role else OverwriteType.MEMBER
        before = next((o for o in parent.overwrites if o.target_id == target_id), Overwrite(target_id, kind))
        allow, deny = (before.allow | flag, before.deny & ~flag) if on else (before.allow & ~flag, before.deny | flag)
        self._engine.set_overwrite(parent.id, Overwrite(target_id, kind, allow=allow, deny=deny))

    # ------------------------------------------------------------------ helpers

    def _threads_of(self, channel: Channel) -> list[Channel]:
        threads = (self._engine.channels[i] for i in self._guild.thread_ids)
        return [thread for thread in threads if thread.parent_id == channel.id]

    def _role_id(self, name: str) -> int:
        for role in self._guild.roles.values():
            if role.name == name:
                return role.id
        raise RefusedError(f"There is no role called {name}.")

    def _partner_name(self, channel: Channel, viewer_id: int) -> str:
        others = [user_id for user_id in (*channel.recipient_ids, self._engine.bot_user.id) if user_id != viewer_id]
        return self._engine.users[others[0]].name

    def _bot_may(self, channel: Channel) -> list[str]:
        return [name for name in SHOWN_PERMISSIONS if self._may(self._engine.bot_user.id, channel, name)]

    def _may(self, user_id: int, channel: Channel, permission: str) -> bool:
        """Whether a person has a permission in a channel of the bot's server. False in all other channels."""
        if channel.guild_id != self._guild.id or user_id not in self._guild.members:
            return False
        held = self._engine.compute_permissions(self._guild.id, user_id, channel.id)
        return bool(held & permission_flag(permission))


def permission_flag(name: str) -> int:
    """The bit of a permission by discord.py's name. Raises `RefusedError` for an unknown name."""
    flag = discord.Permissions.VALID_FLAGS.get(name)
    if flag is None:
        raise RefusedError(f"There is no permission called {name}.")
    return flag
