"""Collects the `resolved` block of an interaction: the objects of the ids that a person chose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.discord.wire import JSON, UPLOAD_LIMIT_BYTES, RefusedError, Upload, parse_id
from sandbox.discord.world import Channel, Message, World


class Resolver:
    """Each method takes a wire value, adds its object to the block and returns its id. Raises `RefusedError` for unknown ids."""

    def __init__(self, *, world: World, viewer_id: int, channel: Channel, find_upload: Callable[[str], Upload]) -> None:
        self._world = world
        self._viewer_id = viewer_id
        self._channel = channel
        self._find_upload = find_upload
        self._resolved: dict[str, dict[str, JSON]] = {}

    def block(self) -> JSON:
        """`{"resolved": ...}` for an interaction's data, empty if nothing was chosen."""
        return {"resolved": self._resolved} if self._resolved else {}

    def user(self, value: Any) -> str:
        """A user. People who are not members (any more) are also accepted."""
        user_id = parse_id(value)
        if not self._world.members.knows(user_id):
            raise RefusedError("There is no such member here.")
        member = self._world.members.member_json(user_id, self._channel.guild_id)
        if member is not None:
            self._note("members", user_id, {**member, "permissions": str(self._world.permissions(user_id, self._channel))})
        return self._note("users", user_id, self._world.members.user_json(user_id))

    def role(self, value: Any) -> str:
        role_id = parse_id(value)
        role = self._world.members.role_json(role_id, self._channel.guild_id)
        if role is None:
            raise RefusedError("There is no such role here.")
        return self._note("roles", role_id, role)

    def mentionable(self, value: Any) -> str:
        known = self._world.members.role_json(parse_id(value), self._channel.guild_id)
        return self.user(value) if known is None else self.role(value)

    def channel(self, value: Any) -> str:
        channel = self._world.channels.for_person(self._viewer_id, parse_id(value))
        return self._note("channels", channel.id, self._world.channels.json(channel, viewer_id=self._viewer_id))

    def check_kind(self, value: Any, kinds: Sequence[int]) -> None:
        """Raises `RefusedError` for a channel that Discord's client does not offer."""
        channel = self._world.channels.for_person(self._viewer_id, parse_id(value))
        if self._world.channels.json(channel, viewer_id=self._viewer_id)["type"] not in kinds:
            raise RefusedError("A channel of this kind cannot be chosen here.")

    def attachment(self, value: Any) -> str:
        if not isinstance(value, dict) or not isinstance(value.get("upload"), str):
            raise RefusedError("A file must be uploaded first.")
        upload = self._find_upload(value["upload"])
        if len(upload.data) > UPLOAD_LIMIT_BYTES:
            raise RefusedError(f"{upload.filename} is larger than {UPLOAD_LIMIT_BYTES // 1024**2} MiB.")
        kept = self._world.keep_file(upload, self._channel.id)
        return self._note("attachments", int(kept["id"]), {**kept, "ephemeral": True})

    def message(self, message: Message) -> str:
        return self._note("messages", message.id, self._world.message_json(message))

    def _note(self, kind: str, key: int, value: JSON) -> str:
        self._resolved.setdefault(kind, {})[str(key)] = value
        return str(key)
