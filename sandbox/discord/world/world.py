"""The world of the local Discord: people, channels, messages and interactions."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container, Iterable, Iterator
from datetime import datetime

import discord
from simcord.backend import serializers
from simcord.backend.errors import BackendError
from simcord.backend.models import Channel, Interaction, Message
from simcord.interactions import base_payload

from sandbox.discord import avatar
from sandbox.discord.cdn import FileStore
from sandbox.discord.commands import CommandRegistry
from sandbox.discord.wire import JSON, UPLOAD_LIMIT_BYTES, RefusedError, Upload
from sandbox.discord.world import command_availability, initial_state
from sandbox.discord.world.api import WorldApi
from sandbox.discord.world.channels import ChannelKind, WorldChannels, permission_flag
from sandbox.discord.world.corrections import corrected
from sandbox.discord.world.emoji import wire_name
from sandbox.discord.world.engine import Engine, WorldClock
from sandbox.discord.world.members import WorldMembers
from sandbox.discord.world.messages import WorldMessages

_FIRST_PEOPLE = (("Ada", False), ("Ben", False), ("Mo", True))  # name, and whether they are a moderator
# An application's permissions outside the servers that have it: between people, and in its own direct messages.
# Source: https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object
_OUTSIDE_PERMISSIONS = discord.Permissions(embed_links=True, attach_files=True, mention_everyone=True)
_PERMISSIONS_BY_KIND = {
    ChannelKind.DM: discord.Permissions(_OUTSIDE_PERMISSIONS.value, use_external_emojis=True),
    ChannelKind.PRIVATE: _OUTSIDE_PERMISSIONS,
    ChannelKind.ELSEWHERE: _OUTSIDE_PERMISSIONS,
}
_EMOJI_IMAGE_PATH = "/page/easel.svg"  # of the server's only emoji


class World:
    """Ids are integers here and strings on the wire. Raises `DiscordApiError` if Discord's API would answer with an error."""

    def __init__(self, *, file_store: FileStore, now: Callable[[], datetime], first_answer_s: float, begins_ms: int = 0) -> None:
        """`begins_ms` later is the time in the ids of the initial world, by which servers are divided among shards."""
        clock = WorldClock(now, begins_ms=begins_ms)
        self._first_answer_s = first_answer_s
        self._engine = Engine(clock=clock, file_store=file_store)
        self._engine.bot_user.name = "Easel"
        self._engine.bot_user.avatar = file_store.keep_avatar(self.bot_id, avatar.drawn())
        self.api = WorldApi(self._engine)
        self.commands = CommandRegistry(application_id=self.application_id, new_id=self._engine.snowflake)
        bot_guild = initial_state.create_bot_guild(self._engine)
        self._guild = bot_guild.guild
        self.members = WorldMembers(self._engine, bot_guild)
        first = [self.members.create_initial(name, moderator=moderator) for name, moderator in _FIRST_PEOPLE]
        self._operator_id = first[-1]
        initial_state.extend_bot_guild(self._engine, bot_guild, artist_id=first[0])
        self.channels = WorldChannels(self._engine, bot_guild.guild, initial_state.create_outside_channels(self._engine, people=first))
        initial_state.add_helper_roles(self._engine, bot_guild)
        self.messages = WorldMessages(self._engine, other_bot_id=initial_state.add_other_bot(self._engine, bot_guild))
        initial_state.add_moderators_channel(self._engine, bot_guild)
        clock.start()

    # ---------------------------------------------------------------- identities

    @property
    def bot_id(self) -> int:
        return self._engine.bot_user.id

    @property
    def bot_name(self) -> str:
        return self._engine.bot_user.name

    @property
    def application_id(self) -> int:
        return self._engine.application_id

    @property
    def owner_id(self) -> int:
        """The owner of the application: the moderator, who so reads what the bot tells its operator."""
        return self._operator_id

    @property
    def guild_json(self) -> JSON:
        return {"id": str(self._guild.id), "name": self._guild.name}

    def emojis_json(self) -> list[JSON]:
        return [{"id": str(emoji.id), "name": emoji.name, "url": _EMOJI_IMAGE_PATH} for emoji in self._guild.emojis.values()]

    def is_out_of_reach(self, guild_or_channel_id: int) -> bool:
        """Whether this server or channel is one without the bot."""
        return guild_or_channel_id in self._engine.out_of_reach

    def permissions(self, user_id: int, channel: Channel) -> int:
        """A person's permissions in a channel as Discord's bits; 0 outside servers."""
        return 0 if channel.guild_id is None else self._engine.compute_permissions(channel.guild_id, user_id, channel.id)

    def may(self, user_id: int, channel: Channel, permission: str) -> bool:
        """Whether a member of a server has a permission in one of its channels."""
        return bool(self.permissions(user_id, channel) & permission_flag(permission))

    def commands_for(self, user_id: int, channel: Channel, *, but: Container[str] = ()) -> Iterator[JSON]:
        """The commands that Discord's client would show to this person in this channel, except those with these ids."""
        scopes = (None,) if channel.guild_id is None else (channel.guild_id, None)
        known = [command for scope in scopes for command in self.commands.in_scope(scope) if command["id"] not in but]
        return (c for c in known if command_availability.is_offered(self._engine, self.channels, c, user_id=user_id, channel=channel))

    # ---------------------------------------------------------------- messages

    def watch(self, *, changed: Callable[[Message], None], gone: Callable[[Message], None]) -> None:
        """Set the callbacks for every message that is created, changed or deleted, including ephemeral ones."""
        self._engine.on_changed = changed
        self._engine.on_gone = gone

    def messages_for(self, user_id: int, channel: Channel) -> list[Message]:
        """Oldest first."""
        return [m for m in self._engine.messages[channel.id].values() if self.channels.sees(user_id, m)]

    def message_for(self, user_id: int, channel_id: int, message_id: int) -> Message:
        """A message. Raises `RefusedError` if the person cannot see it."""
        message = self.find_message(channel_id, message_id)
        if message is None or not self.channels.sees(user_id, message):
            raise RefusedError("That message is not there.")
        return message

    def message_json(self, message: Message, *, viewer_id: int | None = None) -> JSON:
        """Discord's message object as the bot sees it, or as a person does, with `user_ids` in its reactions."""
        seen_by = self.bot_id if viewer_id is None else viewer_id
        payload: JSON = corrected(self._engine, serializers.message_payload(self._engine, message), viewer_id=seen_by)
        if viewer_id is not None:
            users = [r.user_ids for r in message.reactions if r.user_ids]
            for at, shown in enumerate(payload["reactions"]):  # super reactions alone are last
                shown["user_ids"] = [str(user_id) for user_id in (users[at] if at < len(users) else ())]
        return payload

    def find_message(self, channel_id: int, message_id: int) -> Message | None:
        return self._engine.messages.get(channel_id, {}).get(message_id)

    def keep_file(self, upload: Upload, channel_id: int) -> JSON:
        """Store a file of a channel on the CDN and return its attachment object."""
        return self._engine.keep(upload, channel_id)

    def refresh_link(self, link: str) -> str:
        """A CDN link with a new expiry."""
        return str(self._engine.file_store.refresh(link))

    def react(self, user_id: int, message: Message, emoji: str, *, on: bool, burst: bool = False) -> None:
        """Add or remove a reaction; `burst`: a super reaction. Raises `RefusedError` for an unknown emoji."""
        change = self._engine.set_burst if burst else self._engine.set_reaction
        try:
            change(message.channel_id, message.id, wire_name(emoji), user_id, on)
        except BackendError as error:
            raise RefusedError("That is no emoji." if on else error.message) from error

    def clear_reactions(self, message: Message, emoji: str | None) -> None:
        """Remove everybody's reactions, or those with one emoji."""
        if emoji is None:
            self._engine.clear_reactions(message.channel_id, message.id)
        else:
            self._engine.clear_reaction(message.channel_id, message.id, wire_name(emoji))

    def burst_users_json(self, message_id: int, emoji: str) -> list[JSON]:
        """Who gave super reactions with an emoji, as in an API path."""
        return [self.members.user_json(user_id) for user_id in self._engine.bursts.get(message_id, {}).get(wire_name(emoji), ())]

    def delete(self, message: Message) -> None:
        self._engine.delete_message(message.channel_id, message.id)

    # ------------------------------------------------------------ interactions

    def open_interaction(
        self,
        kind: int,
        *,
        person_id: int,
        channel: Channel,
        data: JSON,
        message: Message | None = None,
        installs: Iterable[int] = (command_availability.IntegrationType.GUILD,),
        after: int | None = None,
    ) -> tuple[Interaction, JSON]:
        """Create an interaction (`kind` is Discord's interaction type) and its event; `announce` sends the event.

        `installs` are the installation types that a command supports; an interaction `after` another inherits its installation.
        """
        record, payload = base_payload(
            self._engine, type=kind, channel_id=channel.id, guild_id=channel.guild_id, user_id=person_id, data=data
        )
        self._hide_token(record)
        owners = self._engine.owners.get(after or 0) or command_availability.owners(self.channels, channel, person_id, set(installs))
        self._engine.owners[record.id] = owners
        payload |= {
            "token": record.token,
            "channel": self.channels.json(channel, viewer_id=person_id),
            "locale": self.members.locale(person_id),
            "context": int(command_availability.CONTEXTS[self.channels.kind(channel)]),
            "authorizing_integration_owners": owners,
            "attachment_size_limit": UPLOAD_LIMIT_BYTES,
        }
        if channel.guild_id is not None:
            payload["guild_locale"] = self._engine.get_guild(channel.guild_id).preferred_locale
            payload["guild"] = {"id": str(channel.guild_id), "locale": payload["guild_locale"], "features": []}
        if (outside := _PERMISSIONS_BY_KIND.get(self.channels.kind(channel))) is not None:
            payload["app_permissions"] = str(outside.value)
        if message is not None:
            record.source_message_id = message.id
            payload["message"] = self.message_json(message)
        return record, payload

    def _hide_token(self, record: Interaction) -> None:
        """simcord's tokens can be guessed; Discord's cannot."""
        del self._engine.interaction_tokens[record.token]
        record.token = secrets.token_urlsafe(96)
        self._engine.interaction_tokens[record.token] = record.id
        record.initial_response_deadline = self._engine.iso_after(self._first_answer_s)

    def announce(self, event: str, payload: JSON) -> None:
        """Send an event to the bot."""
        self._engine.emit(event, payload)

    def interaction(self, interaction_id: int) -> Interaction | None:
        return self._engine.interactions.get(interaction_id)

    def interaction_by_token(self, token: str) -> Interaction | None:
        interaction_id = self._engine.interaction_tokens.get(token)
        return None if interaction_id is None else self._engine.interactions[interaction_id]

    def has_expired(self, record: Interaction) -> bool:
        return record.expires_at is not None and self._engine.now_iso() >= record.expires_at
