"""simcord's in-memory world, mended where it differs from the real Discord.

Its clock stands still (ours runs), its links lead nowhere (ours are signed and served), nobody hears of ephemeral messages, and a menu
command's target has another name. simcord itself is pinned: this reaches into it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from simcord._clock import Clock
from simcord.backend import Backend
from simcord.backend.cdn import CdnStore
from simcord.backend.models import Message

from sandbox.discord.cdn import Shelf
from sandbox.discord.wire import JSON, Upload

# The first things of the world get their ids from this day, so that ids and the bot's token are the same after every start.
_FOUNDED = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

_MESSAGE_MENU = 3  # command type
_WAITING = 1 << 7  # message flag: "is thinking…"


class WorldClock(Clock):
    """Stands at the founding day until it is started, then shows the real time (or a test's)."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now
        self._running = False

    def now(self) -> datetime:
        return self._now() if self._running else _FOUNDED

    def start(self) -> None:
        self._running = True


class _Files(CdnStore):
    """Puts simcord's uploads onto our shelf."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        self._shelf = shelf

    def store_attachment(self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None) -> JSON:
        upload = Upload(filename=filename, data=data, description=description)
        return self._shelf.keep(upload, attachment_id=attachment_id, channel_id=channel_id)


class Engine(Backend):
    """The world's state. It tells `on_changed` and `on_gone` also of what never reaches the gateway: ephemeral messages."""

    def __init__(self, *, clock: WorldClock, shelf: Shelf) -> None:
        super().__init__(clock=clock)
        self._shelf = shelf
        self.cdn = _Files(shelf)
        self.http_requests = deque(maxlen=0)  # type: ignore[assignment]  # simcord keeps every call for its tests; a long demo must not grow
        self.transcript = deque(maxlen=0)  # type: ignore[assignment]
        self.on_changed: Callable[[Message], None] = lambda _: None
        self.on_gone: Callable[[Message], None] = lambda _: None

    def commit_message(self, message: Message, *, broadcast: bool = True) -> Message:
        kept = super().commit_message(message, broadcast=broadcast)
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

    def set_reaction(self, channel_id: int, message_id: int, emoji: str, user_id: int, reacted: bool) -> None:
        super().set_reaction(channel_id, message_id, emoji, user_id, reacted)
        self.on_changed(self.get_message(channel_id, message_id))

    def clear_reactions(self, channel_id: int, message_id: int) -> None:
        super().clear_reactions(channel_id, message_id)
        self.on_changed(self.get_message(channel_id, message_id))

    def clear_reaction(self, channel_id: int, message_id: int, emoji: str) -> None:
        super().clear_reaction(channel_id, message_id, emoji)
        self.on_changed(self.get_message(channel_id, message_id))

    def keep(self, upload: Upload, channel_id: int) -> JSON:
        """Put a file on the shelf and return its attachment object."""
        return self._shelf.keep(upload, attachment_id=self.snowflake(), channel_id=channel_id)

    def mended(self, payload: Any) -> Any:
        """A payload to be sent: links signed anew, no empty nonce, and the target of a menu command under Discord's own name."""
        fresh = self._shelf.refresh(payload)
        for message in fresh if isinstance(fresh, list) else [fresh]:
            if isinstance(message, dict):
                _mend_message(message)
        return fresh


def _mend_message(message: JSON) -> None:
    if message.get("nonce", "") is None:
        del message["nonce"]
    metadata = message.get("interaction_metadata") or {}
    if metadata.pop("target_type", None) == _MESSAGE_MENU:
        metadata["target_message_id"] = str(metadata.pop("target_id"))
