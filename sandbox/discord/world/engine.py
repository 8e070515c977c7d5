"""simcord's in-memory world, mended where it differs from the real Discord.

Its clock stands still (ours runs), its links lead nowhere (ours are signed and served), nobody hears of ephemeral messages, anything is an
emoji, and AutoMod knows neither patterns nor exceptions. simcord itself is pinned: this reaches into it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from simcord._clock import Clock
from simcord.backend import Backend
from simcord.backend.cdn import CdnStore
from simcord.backend.errors import BackendError
from simcord.backend.models import AutoModRule, Message, User

from sandbox.discord.cdn import FileStore
from sandbox.discord.wire import JSON, Upload
from sandbox.discord.world.emoji import custom_id, is_unicode_emoji

# The first things of the world get their ids from this day, so that ids and the bot's token are the same after every start.
_CREATED_AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_DISCORD_EPOCH = datetime(2015, 1, 1, tzinfo=UTC)

_WAITING = 1 << 7  # message flag: "is thinking…"
_MOST_REACTIONS = 20  # different ones under one message
_KEYWORD = 1  # AutoMod trigger


class WorldClock(Clock):
    """Stands at the founding day until it is started, then shows the real time (or a test's)."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now
        self._running = False

    def now(self) -> datetime:
        return self._now() if self._running else _CREATED_AT

    def start(self) -> None:
        self._running = True


class _SimcordCdn(CdnStore):
    """Puts simcord's uploads onto our shelf."""

    def __init__(self, file_store: FileStore) -> None:
        super().__init__()
        self._file_store = file_store

    def store_attachment(self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None) -> JSON:
        upload = Upload(filename=filename, data=data, description=description)
        return self._file_store.keep(upload, attachment_id=attachment_id, channel_id=channel_id)


class Engine(Backend):
    """The world's state. It tells `on_changed` and `on_gone` also of what never reaches the gateway: ephemeral messages."""

    def __init__(self, *, clock: WorldClock, file_store: FileStore) -> None:
        super().__init__(clock=clock)
        self.file_store = file_store
        self.cdn = _SimcordCdn(file_store)
        self.age_restricted: set[int] = set()  # channel ids
        self.out_of_reach: set[int] = set()  # ids of servers and channels in which the bot has no part
        self.owners: dict[int, JSON] = {}  # who installed the application, by interaction: `authorizing_integration_owners`
        self.http_requests = deque(maxlen=0)  # type: ignore[assignment]  # simcord keeps every call for its tests; a long demo must not grow
        self.transcript = deque(maxlen=0)  # type: ignore[assignment]
        self.on_changed: Callable[[Message], None] = lambda _: None
        self.on_gone: Callable[[Message], None] = lambda _: None

    def commit_message(self, message: Message, *, broadcast: bool = True) -> Message:
        """AutoMod may keep the message away; then it is not among the channel's messages."""
        kept = super().commit_message(message, broadcast=broadcast)
        if kept.id in self.messages[kept.channel_id]:
            self.on_changed(kept)
        return kept

    def edit_message(self, channel_id: int, message_id: int, fields: JSON) -> Message:
        promised = self.get_message(channel_id, message_id).flags & _WAITING
        message = super().edit_message(channel_id, message_id, fields)
        if promised:
            message.edited_timestamp = None  # giving a promised answer is no change of mind
        self.on_changed(message)
        return message

    def delete_message(self, channel_id: int, message_id: int) -> None:
        message = self.get_message(channel_id, message_id)
        super().delete_message(channel_id, message_id)
        self.on_gone(message)

    def bulk_delete_messages(self, channel_id: int, message_ids: Iterable[int]) -> list[int]:
        going = [self.messages[channel_id][i] for i in message_ids if i in self.messages[channel_id]]
        deleted = super().bulk_delete_messages(channel_id, [message.id for message in going])
        for message in going:
            self.on_gone(message)
        return deleted

    def make_user_of(self, created_at: datetime, name: str) -> User:
        """A user whose account was made at that time: the id tells."""
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

    def remove_reaction(self, channel_id: int, message_id: int, emoji: str, user_id: int) -> None:
        """Taking away what is not there is no error."""
        self.set_reaction(channel_id, message_id, emoji, user_id, reacted=False)

    def _check_reaction(self, message: Message, emoji: str) -> None:
        if not (is_unicode_emoji(emoji) or self.knows_emoji(custom_id(emoji))):
            raise BackendError(400, 10014, "Unknown Emoji")
        if message.reaction_for(emoji) is None and len(message.reactions) >= _MOST_REACTIONS:
            raise BackendError(400, 30010, f"Maximum number of reactions reached ({_MOST_REACTIONS})")

    def knows_emoji(self, emoji_id: int | None) -> bool:
        return any(emoji_id in emojis for emojis in (self.application_emojis, *(guild.emojis for guild in self.guilds.values())))

    def clear_reactions(self, channel_id: int, message_id: int) -> None:
        super().clear_reactions(channel_id, message_id)
        self.on_changed(self.get_message(channel_id, message_id))

    def clear_reaction(self, channel_id: int, message_id: int, emoji: str) -> None:
        super().clear_reaction(channel_id, message_id, emoji)
        self.on_changed(self.get_message(channel_id, message_id))

    def keep(self, upload: Upload, channel_id: int) -> JSON:
        """Put a file on the shelf and return its attachment object."""
        return self.file_store.keep(upload, attachment_id=self.snowflake(), channel_id=channel_id)

    # --------------------------------------------------------------- moderation

    def _auto_mod_match(self, rule: AutoModRule, content: str) -> str | None:
        """The keyword or pattern that a message trips over, after what the allow list takes out of it."""
        if rule.trigger_type != _KEYWORD:
            return super()._auto_mod_match(rule, content)
        metadata = rule.trigger_metadata
        for allowed in metadata.get("allow_list") or ():
            content = re.sub(_as_pattern(allowed), " ", content, flags=re.IGNORECASE)
        patterns = metadata.get("regex_patterns") or ()
        return self._match_keyword(rule, content) or next((p for p in patterns if re.search(p, content, re.IGNORECASE)), None)


def _as_pattern(keyword: str) -> str:
    """AutoMod's wildcards: `*` at an end lets a word go on there."""
    left = r"\w*" if keyword.startswith("*") else r"\b"
    right = r"\w*" if keyword.endswith("*") else r"\b"
    return f"{left}{re.escape(keyword.strip('*'))}{right}"
