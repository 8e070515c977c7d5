"""Gateway events that discord.py cannot read, as Discord has sent them at times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.discord.wire import JSON

# What each event lacks. A server loses nothing, but has channels beside its own that cannot be read, and nulls instead of objects.
LACKING: Final[Mapping[str, str | None]] = {
    "GUILD_CREATE": None,
    "GUILD_UPDATE": "id",
    "GUILD_ROLE_CREATE": "role",
    "GUILD_ROLE_UPDATE": "role",
    "CHANNEL_CREATE": "name",
    "CHANNEL_UPDATE": "name",
    "THREAD_CREATE": "thread_metadata",
    "THREAD_UPDATE": "thread_metadata",
    "MESSAGE_REACTION_ADD": "type",
    "MESSAGE_REACTION_REMOVE": "type",
    "MESSAGE_REACTION_REMOVE_ALL": "message_id",
    "MESSAGE_REACTION_REMOVE_EMOJI": "emoji",
}
_VOICE = {"id": "1000", "type": 2, "name": "lounge", "position": 9, "permission_overwrites": []}  # without a bitrate
_OF_A_LATER_TYPE = {"id": "1001", "type": 99, "name": "later", "position": 9, "permission_overwrites": []}


def unreadable(event: str, payload: Mapping[str, Any]) -> JSON:
    """The event as discord.py cannot read it; `event` is one of `LACKING`."""
    lacking = LACKING[event]
    if lacking is None:
        return {**payload, "channels": [_VOICE, None, *payload["channels"], _OF_A_LATER_TYPE], "voice_states": None, "threads": [None]}
    return {name: value for name, value in payload.items() if name != lacking}
