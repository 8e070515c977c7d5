"""What Discord tells a bot of its servers, members and messages, as far as Easel reads it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

JSON = dict[str, Any]

APPLICATION_ID = 900
OWNER_ID = 901
_EPOCH_MS = 1_420_070_400_000
_FIRST_GUILD = 1_000  # its number, from which its id is made: the shard of a server depends on the upper bits
_PERMISSIONS = str(1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 31)  # see, send, embed, attach, history, commands
_JOINED = "2020-01-01T00:00:00+00:00"
_SLASH, _TEXT, _WHOLE = 1, 3, 4  # types of a command and of its options
_numbers = count()


def new_id() -> int:
    """An id that holds the time, as all of Discord's do."""
    return (int(time.time() * 1000) - _EPOCH_MS) << 22 | next(_numbers) % (1 << 22)


def guild_id(number: int) -> int:
    return (_FIRST_GUILD + number) << 22


def channel_id(guild: int) -> int:
    return guild + 1


def shard_of(guild: int, shards: int) -> int:
    return (guild >> 22) % shards


@dataclass(frozen=True, kw_only=True)
class ServerMember:
    """Somebody in one server, by numbers from 0."""

    number: int
    guild: int

    @property
    def user_id(self) -> int:
        return 10_000 + self.number

    @property
    def guild_id(self) -> int:
        return guild_id(self.guild)


@dataclass(frozen=True, kw_only=True)
class PostedFile:
    """A file of a message."""

    name: str
    data: bytes = field(repr=False)


def user(number: int, *, bot: bool = False) -> JSON:
    return {
        "id": str(number), "username": f"user{number}", "discriminator": "0", "global_name": None, "avatar": None,
        "bot": bot, "public_flags": 0,
    }  # fmt: skip


def application() -> JSON:
    return {
        "id": str(APPLICATION_ID), "name": "Easel", "description": "", "icon": None, "bot_public": True,
        "bot_require_code_grant": False, "owner": user(OWNER_ID), "team": None, "verify_key": "", "flags": 0,
    }  # fmt: skip


def guild(number: int) -> JSON:
    """A server with one channel, in which every member may do everything that an order needs."""
    own = guild_id(number)
    colors = {"primary_color": 0, "secondary_color": None, "tertiary_color": None}
    everyone = {
        "id": str(own), "name": "@everyone", "permissions": _PERMISSIONS, "position": 0, "color": 0, "flags": 0,
        "hoist": False, "managed": False, "mentionable": False, "colors": colors,
    }  # fmt: skip
    me = {"user": user(APPLICATION_ID, bot=True), "roles": [], "joined_at": _JOINED, "deaf": False, "mute": False, "flags": 0}
    return {
        "id": str(own), "name": f"Server {number}", "owner_id": str(OWNER_ID), "member_count": 100, "unavailable": False,
        "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0, "premium_tier": 0,
        "roles": [everyone], "channels": [channel(own)], "members": [me],
        "threads": [], "emojis": [], "stickers": [], "features": [],
    }  # fmt: skip


def channel(of_guild: int) -> JSON:
    return {
        "id": str(channel_id(of_guild)), "type": 0, "name": "images", "guild_id": str(of_guild), "position": 0, "nsfw": False,
        "permission_overwrites": [], "parent_id": None, "topic": None, "last_message_id": None, "rate_limit_per_user": 0, "flags": 0,
    }  # fmt: skip


def direct_channel(user_id: int) -> JSON:
    return {"id": str(10**9 + user_id), "type": 1, "recipients": [user(user_id)], "last_message_id": None, "flags": 0}


def ready(shard: tuple[int, int], guilds: list[JSON], gateway_url: str) -> JSON:
    return {
        "v": 10, "user": user(APPLICATION_ID, bot=True), "guilds": [{"id": each["id"], "unavailable": True} for each in guilds],
        "session_id": str(new_id()), "resume_gateway_url": gateway_url, "shard": list(shard),
        "application": {"id": str(APPLICATION_ID), "flags": 0}, "private_channels": [],
    }  # fmt: skip


def slash_command(member: ServerMember, interaction_id: int, token: str, *, command_id: str, name: str, options: JSON) -> JSON:
    """The event of a slash command. Options are texts and whole numbers."""
    of_guild = member.guild_id
    given = [{"name": key, "type": _WHOLE if isinstance(value, int) else _TEXT, "value": value} for key, value in options.items()]
    return {
        "id": str(interaction_id), "application_id": str(APPLICATION_ID), "type": 2, "token": token, "version": 1,
        "data": {"id": command_id, "name": name, "type": _SLASH, "options": given},
        "guild_id": str(of_guild), "guild": {"id": str(of_guild), "locale": "en-US", "features": []},
        "channel_id": str(channel_id(of_guild)), "channel": {**channel(of_guild), "permissions": _PERMISSIONS},
        "member": {
            "user": user(member.user_id), "roles": [], "joined_at": _JOINED, "permissions": _PERMISSIONS, "nick": None, "avatar": None,
            "premium_since": None, "deaf": False, "mute": False, "pending": False, "flags": 0,
        },
        "app_permissions": _PERMISSIONS, "locale": "en-US", "guild_locale": "en-US", "entitlements": [],
        "authorizing_integration_owners": {"0": str(of_guild)}, "context": 0, "attachment_size_limit": 10 * 2**20,
    }  # fmt: skip


def message(message_id: int, in_channel: int) -> JSON:
    """A new message of the bot, still empty."""
    return {
        "id": str(message_id), "channel_id": str(in_channel), "author": user(APPLICATION_ID, bot=True), "content": "", "type": 0,
        "flags": 0, "timestamp": datetime.now(UTC).isoformat(), "edited_timestamp": None, "tts": False, "pinned": False,
        "mention_everyone": False, "mentions": [], "mention_roles": [], "embeds": [], "components": [], "attachments": [],
        "reactions": [],
    }  # fmt: skip


def attachment(in_channel: int, file: PostedFile, cdn: str) -> JSON:
    file_id = new_id()
    url = f"{cdn}/attachments/{in_channel}/{file_id}/{file.name}"
    return {
        "id": str(file_id), "filename": file.name, "size": len(file.data), "url": url, "proxy_url": url, "content_type": "image/png",
    }  # fmt: skip
