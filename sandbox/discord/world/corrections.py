"""Corrects simcord's payloads to what Discord sends: links, mentions, one's own reactions, age restrictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simcord.backend import serializers
from simcord.enums import MessageType

from sandbox.discord.wire import JSON
from sandbox.messages import walk

if TYPE_CHECKING:
    from sandbox.discord.world.engine import Engine

_USER_MENU, _MESSAGE_MENU = 2, 3  # command types


def corrected(engine: Engine, payload: Any, *, viewer_id: int) -> Any:
    """A corrected copy of a payload (an object or a list of objects) for `viewer_id`."""
    fresh = engine.file_store.refresh(payload)
    for item in fresh if isinstance(fresh, list) else [fresh]:
        if isinstance(item, dict):
            _correct(engine, item, viewer_id)
    return fresh


def _correct(engine: Engine, item: JSON, viewer_id: int) -> None:
    if "author" in item and "channel_id" in item:
        _correct_message(engine, item, viewer_id)
    if isinstance(item.get("resource"), dict):  # the answer to a callback
        _correct(engine, item["resource"].get("message") or {}, viewer_id)
    for channel in [item, *(item["channels"] if isinstance(item.get("channels"), list) else [])]:
        if "permission_overwrites" in channel:
            channel["nsfw"] = int(channel["id"]) in engine.age_restricted


def _correct_message(engine: Engine, message: JSON, viewer_id: int) -> None:
    if message.get("nonce", "") is None:
        del message["nonce"]
    if message.get("interaction_metadata"):
        _correct_metadata(engine, message["interaction_metadata"])
    _correct_reference(engine, message, viewer_id)
    _correct_defaults(message.get("components") or [])
    kept = engine.messages.get(int(message["channel_id"]), {}).get(int(message["id"]))
    if kept is None:
        return
    if kept.system_metadata is not None and kept.system_metadata.channel_id is not None:
        message["message_reference"] = {"type": 0, "channel_id": str(kept.system_metadata.channel_id), "guild_id": message["guild_id"]}
    if kept.system_metadata is None:
        message["mentions"] = [serializers.user_payload(engine.users[i]) for i in kept.ping_user_ids if i in engine.users]
        message["mention_roles"] = [str(role_id) for role_id in kept.ping_role_ids]
    given = [reaction for reaction in kept.reactions if reaction.user_ids]
    for shown, reaction in zip(message.get("reactions") or (), given, strict=False):  # an event that is replayed is older than them
        shown["me"] = viewer_id in reaction.user_ids
    if "reactions" in message:
        _add_bursts(engine, message, viewer_id)


def _correct_defaults(components: list[JSON]) -> None:
    """Discord returns the preset ids of menus as strings, also if they were sent as numbers."""
    for component in walk(components):
        for preset in component.get("default_values") or ():
            preset["id"] = str(preset["id"])


def _add_bursts(engine: Engine, message: JSON, viewer_id: int) -> None:
    """Count the super reactions, each beside the normal ones with its emoji."""
    for emoji, users in engine.bursts.get(int(message["id"]), {}).items():
        payload = serializers.emoji_payload(emoji)
        shown = next((each for each in message["reactions"] if each["emoji"] == payload), None)
        if shown is None and users:
            shown = {"emoji": payload, "count": 0, "me": False, "count_details": {"normal": 0}}
            message["reactions"].append(shown)
        if shown is not None and users:
            shown |= {"count": shown["count"] + len(users), "me_burst": viewer_id in users, "burst_colors": ["#a8701f"]}
            shown["count_details"]["burst"] = len(users)


def _correct_reference(engine: Engine, message: JSON, viewer_id: int) -> None:
    reference = message.get("message_reference")
    if reference is None:
        return
    reference.pop("fail_if_not_exists", None)
    if isinstance(message.get("referenced_message"), dict):
        _correct_message(engine, message["referenced_message"], viewer_id)
    elif message["type"] == MessageType.REPLY:
        message["referenced_message"] = None  # it was deleted


def _correct_metadata(engine: Engine, metadata: JSON) -> None:
    """Name the target of a menu command by its kind, and add who installed the application."""
    metadata["authorizing_integration_owners"] = engine.owners.get(int(metadata["id"]), {})
    kind, target = metadata.pop("target_type", None), metadata.pop("target_id", None)
    if kind == _MESSAGE_MENU:
        metadata["target_message_id"] = str(target)
    elif kind == _USER_MENU and target is not None:
        metadata["target_user"] = serializers.user_payload(engine.get_user(int(target)))
