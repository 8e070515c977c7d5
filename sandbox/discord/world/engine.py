"""simcord's in-memory world, corrected where it differs from the real Discord.

In simcord the clock stands still, links to files do not work, changes of ephemeral messages are not reported, any text is an emoji, and
AutoMod has neither patterns nor exceptions. This module uses simcord's internals, so its version is pinned.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from simcord._clock import Clock
from simcord.backend import Backend, serializers
from simcord.backend.cdn import CdnStore
from simcord.backend.errors import BackendError
from simcord.backend.models import AutoModRule, Message, User

from sandbox.discord.cdn import FileStore
from sandbox.discord.wire import JSON, Upload
from sandbox.discord.world.emoji import custom_id, is_unicode_emoji

# Everything in the initial world gets its id from this time, so that ids and the bot's token are the same after every start.
_CREATED_AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_DISCORD_EPOCH = datetime(2015, 1, 1, tzinfo=UTC)

_WAITING = 1 << 7  # message flag: "is thinking…"
_MOST_REACTIONS = 20  # different emoji per message
_STICKER_TYPES = {1: ("png", "image/png"), 2: ("png", "image/png"), 3: ("json", "application/json"), 4: ("gif", "image/gif")}
_KEYWORD = 1  # AutoMod trigger


class WorldClock(Clock):
    """A fixed time until it is started, then the real time (or a test's)."""

    def __init__(self, now: Callable[[], datetime], *, begins_ms: int) -> None:
        super().__init__()
        self._now = now
        self._created_at = _CREATED_AT + timedelta(milliseconds=begins_ms)
        self._running = False

    def now(self) -> datetime:
        return self._now() if self._running else self._created_at

    def start(self) -> None:
        self._running = True


class _SimcordCdn(CdnStore):
    """Stores simcord's attachments in the file store."""

    def __init__(self, file_store: FileStore) -> None:
        super().__init__()
        self._file_store = file_store

    def store_attachment(self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None) -> JSON:
        upload = Upload(filename=filename, data=data, description=description)
        return self._file_store.keep(upload, attachment_id=attachment_id, channel_id=channel_id)

    def store_sticker(self, sticker_id: int, format_type: int, data: bytes) -> str:
        extension, content_type = _STICKER_TYPES[format_type]
        return self._file_store.keep_sticker(f"{sticker_id}.{extension}", data, content_type)


class Engine(Backend):
    """The world's state. `on_changed` and `on_gone` are also called for ephemeral messages, which never reach the gateway."""

    def __init__(self, *, clock: WorldClock, file_store: FileStore) -> None:
        super().__init__(clock=clock)
        self.file_store = file_store
        self.cdn = _SimcordCdn(file_store)
        self.age_restricted: set[int] = set()  # channel ids
        self.out_of_reach: set[int] = set()  # ids of servers and channels without the bot
        self.bursts: dict[int, dict[str, list[int]]] = {}  # who gave super reactions, by message and emoji
        self.owners: dict[int, JSON] = {}  # `authorizing_integration_owners` by interaction id
        self.http_requests = deque(maxlen=0)  # type: ignore[assignment]  # simcord keeps every call; without a limit a long demo would use up memory
        self.transcript = deque(maxlen=0)  # type: ignore[assignment]
        self.on_changed: Callable[[Message], None] = lambda _: None
        self.on_gone: Callable[[Message], None] = lambda _: None

    def prepare_message(self, channel_id: int, author_id: int, content: str | None = "", **fields: Any) -> Message:
        """A forward of a forward holds the same snapshot."""
        message = super().prepare_message(channel_id, author_id, content, **fields)
        if message.snapshots and message.reference is not None:
            source = self.get_message(int(message.reference["channel_id"]), int(message.reference["message_id"]))
            message.snapshots = deepcopy(source.snapshots) or message.snapshots
        return message

    def _forward_source(self, channel_id: int, author_id: int, reference: JSON) -> Message:
        """simcord refuses to forward a forward, so its check sees the message without its snapshot."""
        source = self.get_message(int(reference["channel_id"]), int(reference["message_id"]))
        snapshots, source.snapshots = source.snapshots, []
        try:
            return super()._forward_source(channel_id, author_id, reference)
        finally:
            source.snapshots = snapshots

    def commit_message(self, message: Message, *, broadcast: bool = True) -> Message:
        """A message that AutoMod blocks is not added to the channel's messages."""
        kept = super().commit_message(message, broadcast=broadcast)
        if kept.id in self.messages[kept.channel_id]:
            self.on_changed(kept)
        return kept

    def edit_message(self, channel_id: int, message_id: int, fields: JSON) -> Message:
        was_deferred = self.get_message(channel_id, message_id).flags & _WAITING
        message = super().edit_message(channel_id, message_id, fields)
        if was_deferred:
            message.edited_timestamp = None  # Discord does not mark a deferred answer as edited
        self.on_changed(message)
        return message

    def delete_message(self, channel_id: int, message_id: int) -> None:
        message = self.get_message(channel_id, message_id)
        super().delete_message(channel_id, message_id)
        self.on_gone(message)

    def bulk_delete_messages(self, channel_id: int, message_ids: Iterable[int]) -> list[int]:
        to_delete = [self.messages[channel_id][i] for i in message_ids if i in self.messages[channel_id]]
        deleted = super().bulk_delete_messages(channel_id, [message.id for message in to_delete])
        for message in to_delete:
            self.on_gone(message)
        return deleted

    def make_user_of(self, created_at: datetime, name: str) -> User:
        """A user whose id contains this creation time."""
        milliseconds = max(0, int((created_at - _DISCORD_EPOCH) / timedelta(milliseconds=1)))
        user = User(id=self._allocate_at(milliseconds), name=name)
        self.users[user.id] = user
        return user

    # ---------------------------------------------------------------- reactions

    def set_reaction(self, channel_id: int, message_id: int, emoji: str, user_id: int, reacted: bool) -> None:
        if reacted:
            self._check_reaction(self.get_message(channel_id, message_id), emoji)
        super().set_reaction(channel_id, message_id, emoji, user_id, reacted)
        self.on_changed(self.get_message(channel_id, message_id))

    def set_burst(self, channel_id: int, message_id: int, emoji: str, user_id: int, reacted: bool) -> None:
        """Add or remove a super reaction, which is beside a person's normal one."""
        message, channel = self.get_message(channel_id, message_id), self.get_channel(channel_id)
        users = self.bursts.setdefault(message_id, {}).setdefault(emoji, [])
        if (user_id in users) == reacted:
            return
        if reacted:
            self._check_reaction(message, emoji)
        (users.append if reacted else users.remove)(user_id)
        event: JSON = {"user_id": str(user_id), "channel_id": str(channel_id), "message_id": str(message_id)}
        event |= {"emoji": serializers.emoji_payload(emoji), "burst": True, "type": 1}
        if channel.guild_id is not None:
            event["guild_id"] = str(channel.guild_id)
        if reacted:
            guild = self.guilds.get(channel.guild_id or 0)
            member = guild.members.get(user_id) if guild else None
            event |= {"burst_colors": ["#a8701f"], "message_author_id": str(message.author_id)}
            event |= {"member": serializers.member_payload(self, guild, member)} if guild and member else {}
        self.emit("MESSAGE_REACTION_ADD" if reacted else "MESSAGE_REACTION_REMOVE", event)
        self.on_changed(message)

    def remove_reaction(self, channel_id: int, message_id: int, emoji: str, user_id: int) -> None:
        """Removing a reaction that does not exist is not an error."""
        self.set_reaction(channel_id, message_id, emoji, user_id, reacted=False)

    def _check_reaction(self, message: Message, emoji: str) -> None:
        if not (is_unicode_emoji(emoji) or self.knows_emoji(custom_id(emoji))):
            raise BackendError(400, 10014, "Unknown Emoji")
        if message.reaction_for(emoji) is None and len(message.reactions) >= _MOST_REACTIONS:
            raise BackendError(400, 30010, f"Maximum number of reactions reached ({_MOST_REACTIONS})")

    def knows_emoji(self, emoji_id: int | None) -> bool:
        return any(emoji_id in emojis for emojis in (self.application_emojis, *(guild.emojis for guild in self.guilds.values())))

    def clear_reactions(self, channel_id: int, message_id: int) -> None:
        self.bursts.pop(message_id, None)
        super().clear_reactions(channel_id, message_id)
        self.on_changed(self.get_message(channel_id, message_id))

    def clear_reaction(self, channel_id: int, message_id: int, emoji: str) -> None:
        self.bursts.get(message_id, {}).pop(emoji, None)
        super().clear_reaction(channel_id, message_id, emoji)
        self.on_changed(self.get_message(channel_id, message_id))

    def keep(self, upload: Upload, channel_id: int) -> JSON:
        """Store a file and return its attachment object."""
        return self.file_store.keep(upload, attachment_id=self.snowflake(), channel_id=channel_id)

    # --------------------------------------------------------------- moderation

    def _auto_mod_match(self, rule: AutoModRule, content: str) -> str | None:
        """The keyword or pattern that a message matches after the allow list is removed from it."""
        if rule.trigger_type != _KEYWORD:
            return super()._auto_mod_match(rule, content)
        metadata = rule.trigger_metadata
        for allowed in metadata.get("allow_list") or ():
            content = re.sub(_as_pattern(allowed), " ", content, flags=re.IGNORECASE)
        patterns = metadata.get("regex_patterns") or ()
        return self._match_keyword(rule, content) or next((p for p in patterns if re.search(p, content, re.IGNORECASE)), None)


def _as_pattern(keyword: str) -> str:
    """AutoMod's wildcards: `*` at an end also matches longer words."""
    left = r"\w*" if keyword.startswith("*") else r"\b"
    right = r"\w*" if keyword.endswith("*") else r"\b"
    return f"{left}{re.escape(keyword.strip('*'))}{right}"
