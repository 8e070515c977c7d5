"""The world of the local Discord: one server, its people, channels, messages and interactions, as people see them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime

import discord
from simcord.backend import serializers
from simcord.backend.access import channel_accessible, message_accessible
from simcord.backend.command_access import command_access
from simcord.backend.errors import BackendError
from simcord.backend.models import Channel, Interaction, Member, Message, Overwrite, Role
from simcord.enums import OverwriteType
from simcord.interactions import base_payload

from sandbox.discord.cdn import Shelf
from sandbox.discord.commands import Registry
from sandbox.discord.wire import JSON, UPLOAD_LIMIT_BYTES, RefusedError, Upload
from sandbox.discord.world.api import Api
from sandbox.discord.world.engine import Engine, WorldClock

_BOT_MAY = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
    add_reactions=True,
    use_external_emojis=True,
    use_application_commands=True,
)
_MODERATORS_MAY = discord.Permissions(manage_messages=True, manage_guild=True)
_COLOURS = ("#4f6d8f", "#a8701f", "#5b7a4a", "#8a5a83", "#b0553f", "#3f7f7a", "#6d63a8", "#7d6b4f")


class World:
    """Ids are integers in here and strings on the wire. Raises `ApiError` where Discord's API would answer with an error."""

    def __init__(self, *, shelf: Shelf, now: Callable[[], datetime], first_answer_s: float) -> None:
        clock = WorldClock(now)
        self._first_answer_s = first_answer_s
        self._engine = Engine(clock=clock, shelf=shelf)
        self.api = Api(self._engine)
        self.commands = Registry(application_id=self.application_id, new_id=self._engine.snowflake)
        self._engine.bot_user.name = "Easel"
        self._people: list[int] = []
        self._found()
        clock.start()

    # ---------------------------------------------------------------- founding

    def _found(self) -> None:
        owner = self._engine.make_user("studio-owner", global_name="Studio owner")
        guild = self._engine.create_guild("Easel Studio", owner_id=owner.id)
        self._guild = guild
        bot_role = next(role for role in guild.roles.values() if role.managed)
        bot_role.permissions = _BOT_MAY.value
        self._moderators: Role = self._engine.create_role(guild.id, "Moderators", permissions=_MODERATORS_MAY.value)
        self._engine.create_channel(guild.id, "studio")
        self._engine.create_channel(guild.id, "gallery")
        silence = Overwrite(self.bot_id, OverwriteType.MEMBER, deny=discord.Permissions.send_messages.flag)
        self._engine.create_channel(guild.id, "quiet", overwrites=[silence])
        for name, moderator in (("Ada", False), ("Ben", False), ("Mo", True)):
            self.join(name, moderator=moderator)

    def join(self, name: str, *, moderator: bool) -> JSON:
        """A new member of the server, with a DM channel to the bot. Raises `RefusedError` for a name that will not do."""
        name = name.strip()
        if not 1 <= len(name) <= 32:
            raise RefusedError("A name has 1 to 32 characters.")
        if any(self._engine.users[i].name.lower() == name.lower() for i in (*self._people, self.bot_id)):
            raise RefusedError(f"There is already somebody called {name}.")
        user = self._engine.make_user(name)
        self._people.append(user.id)
        self._engine.add_member(self._guild.id, user.id, roles=[self._moderators.id] if moderator else [], announce=True)
        self._engine.get_dm_channel(user.id)
        return self.person_json(user.id)

    # ------------------------------------------------------------------ people

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
        """Who owns the server and the application: nobody of the people."""
        return self._guild.owner_id

    @property
    def guild_json(self) -> JSON:
        return {"id": str(self._guild.id), "name": self._guild.name}

    def find_person(self, key: str) -> int:
        """A person's id, from their id or name. Raises `RefusedError` for a stranger."""
        for user_id in self._people:
            if key.lower() in (str(user_id), self._engine.users[user_id].name.lower()):
                return user_id
        raise RefusedError(f"Nobody here is called {key}.")

    def people_json(self) -> list[JSON]:
        return [self.person_json(user_id) for user_id in (*self._people, self.bot_id)]

    def person_json(self, user_id: int) -> JSON:
        user = self._engine.users[user_id]
        return {
            "id": str(user.id),
            "name": user.name,
            "colour": "#e8734a" if user.bot else _COLOURS[self._people.index(user.id) % len(_COLOURS)],
            "moderator": not user.bot and self.may(user_id, None, "manage_messages"),
            "bot": user.bot,
        }

    def user_json(self, user_id: int) -> JSON:
        return dict(serializers.user_payload(self._engine.get_user(user_id)))

    def member_json(self, user_id: int, *, with_user: bool = True) -> JSON | None:
        """Membership of the server, `None` for somebody who is no member."""
        member: Member | None = self._guild.members.get(user_id)
        return None if member is None else dict(serializers.member_payload(self._engine, self._guild, member, with_user=with_user))

    def role_json(self, role_id: int) -> JSON | None:
        role = self._guild.roles.get(role_id)
        return None if role is None else dict(serializers.role_payload(role))

    def may(self, user_id: int, channel_id: int | None, *permissions: str) -> bool:
        """Whether a member has all of these permissions, in a channel or in the server as a whole."""
        held = discord.Permissions(self._engine.compute_permissions(self._guild.id, user_id, channel_id))
        return all(getattr(held, permission) for permission in permissions)

    # ---------------------------------------------------------------- channels

    def channels_for(self, user_id: int) -> list[Channel]:
        """What a person sees in their list: the server's channels, then their own DM with the bot."""
        own = [self._engine.channels[i] for i in self._guild.channel_ids]
        own.append(self._engine.get_dm_channel(user_id))
        return [channel for channel in own if channel_accessible(self._engine, channel.id, user_id)]

    def channel_for(self, user_id: int, channel_id: int) -> Channel:
        """Raises `RefusedError` for a channel that the person cannot see."""
        for channel in self.channels_for(user_id):
            if channel.id == channel_id:
                return channel
        raise RefusedError("There is no such channel here.")

    def channel_json(self, channel: Channel, *, viewer_id: int | None = None) -> JSON:
        payload: JSON = dict(serializers.channel_payload(self._engine, channel))
        if viewer_id is not None and channel.guild_id is not None:
            payload["permissions"] = str(self._engine.compute_permissions(channel.guild_id, viewer_id, channel.id))
        return payload

    def is_dm(self, channel_id: int) -> bool:
        return self._engine.get_channel(channel_id).guild_id is None

    def has_channel(self, channel_id: int) -> bool:
        return channel_id in self._engine.channels

    def commands_for(self, user_id: int, channel: Channel) -> list[JSON]:
        """The commands that Discord's client would offer this person in this channel."""
        scopes = (None,) if channel.guild_id is None else (channel.guild_id, None)
        offered = [command for scope in scopes for command in self.commands.in_scope(scope)]
        return [c for c in offered if command_access(self._engine, c, user_id=user_id, channel_id=channel.id).allowed]

    # ---------------------------------------------------------------- messages

    def watch(self, *, changed: Callable[[Message], None], gone: Callable[[Message], None]) -> None:
        """Hear of every message made, changed or deleted, ephemeral ones included."""
        self._engine.on_changed = changed
        self._engine.on_gone = gone

    def sees(self, user_id: int, message: Message) -> bool:
        return message_accessible(self._engine, message.channel_id, message, user_id, history=True)

    def messages_for(self, user_id: int, channel: Channel) -> list[Message]:
        """Oldest first."""
        return [m for m in self._engine.messages[channel.id].values() if self.sees(user_id, m)]

    def message_for(self, user_id: int, channel_id: int, message_id: int) -> Message:
        """Raises `RefusedError` for a message that the person cannot see."""
        message = self._engine.messages.get(channel_id, {}).get(message_id)
        if message is None or not self.sees(user_id, message):
            raise RefusedError("That message is not there.")
        return message

    def message_json(self, message: Message, *, viewer_id: int | None = None) -> JSON:
        payload: JSON = self._engine.mended(serializers.message_payload(self._engine, message, for_user=viewer_id))
        return payload

    def find_message(self, channel_id: int, message_id: int) -> Message | None:
        return self._engine.messages.get(channel_id, {}).get(message_id)

    def keep_file(self, upload: Upload, channel_id: int) -> JSON:
        """Put a file on the CDN for a channel and return its attachment object."""
        return self._engine.keep(upload, channel_id)

    def post(self, user_id: int, channel: Channel, content: str, files: Iterable[Upload]) -> Message:
        attachments = [self.keep_file(file, channel.id) for file in files]
        try:
            return self._engine.create_message(channel.id, user_id, content, attachments=attachments)
        except BackendError as error:
            raise RefusedError(error.message) from error

    def react(self, user_id: int, message: Message, emoji: str, *, on: bool) -> None:
        self._engine.set_reaction(message.channel_id, message.id, emoji, user_id, on)

    def delete(self, message: Message) -> None:
        self._engine.delete_message(message.channel_id, message.id)

    # ------------------------------------------------------------ interactions

    def open_interaction(
        self, kind: int, *, person_id: int, channel: Channel, data: JSON, message: Message | None = None
    ) -> tuple[Interaction, JSON]:
        """Make an interaction (`kind` is Discord's interaction type) and its event; `announce` sends the event."""
        record, payload = base_payload(
            self._engine, type=kind, channel_id=channel.id, guild_id=channel.guild_id, user_id=person_id, data=data
        )
        del self._engine.interaction_tokens[record.token]
        record.token = payload["token"] = secrets.token_urlsafe(96)
        self._engine.interaction_tokens[record.token] = record.id
        record.initial_response_deadline = self._engine.iso_after(self._first_answer_s)
        payload["attachment_size_limit"] = UPLOAD_LIMIT_BYTES
        payload["authorizing_integration_owners"] = {"0": str(channel.guild_id or 0)}
        if channel.guild_id is None:
            payload["app_permissions"] = str(_BOT_MAY.value)
        else:
            payload["guild"] = {"id": str(channel.guild_id), "locale": "en-US", "features": []}
        if message is not None:
            record.source_message_id = message.id
            payload["message"] = self.message_json(message)
        return record, payload

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
