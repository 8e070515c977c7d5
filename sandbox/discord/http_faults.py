"""The faults of the HTTP API (`sandbox/faults.py` has their meanings), applied before and after a call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from sandbox.discord.calls import ApiCall
from sandbox.discord.wire import JSON, DiscordApiError, invalid_form, too_large
from sandbox.discord.world import Channel, Interaction, World
from sandbox.faults import REFUSED_WORDS, Switchboard

_RETRY_AFTER_S = 0.25
_GALLERY = 12  # a component type
_TEXTS = ("content", "label", "description", "placeholder", "title")  # what people read in a message

_REGISTRATION = re.compile(r"(?:PUT|POST) /applications/\d+/commands")
_REGISTRATION_REFUSALS = {
    "commands-refused": (400, 30034, "Max number of daily application command creates has been reached (200)"),
    "commands-forbidden": (403, 50001, "Missing Access"),
    "commands-down": (503, 0, "503: Service Unavailable"),
}  # by fault
_CHANNEL_MESSAGE = re.compile(r"POST /channels/(\d+)/messages")
_SERVER = re.compile(r"GET /(?:guilds/\d+(?:/members/\d+)?|channels/\d+)")
_EDIT = re.compile(r"PATCH /(?:channels/(?P<channel>\d+)|webhooks/\d+/(?P<token>[^/]+))/messages/(?P<message>\d+|@original)")


def rate_limited() -> DiscordApiError:
    """A 429 for discord.py, which takes it for a rate limit only if it has the header `Via`."""
    headers = {
        "Via": "1.1 local",
        "Retry-After": str(_RETRY_AFTER_S),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Limit": "1",
        "X-RateLimit-Reset-After": str(_RETRY_AFTER_S),
        "X-RateLimit-Scope": "shared",
    }
    more = {"retry_after": _RETRY_AFTER_S, "global": False}
    return DiscordApiError(429, 0, "You are being rate limited.", more=more, headers=headers)


class HttpFaults:
    def __init__(self, *, switchboard: Switchboard, world: World) -> None:
        self._switchboard = switchboard
        self._world = world
        self._expired: set[int] = set()  # interactions whose token has expired before its time

    def before(self, call: ApiCall) -> None:
        """Raise the error that answers the call, or delete the message that it would edit."""
        fires = self._switchboard.fires
        if call.is_message_call and fires("discord-error"):
            raise DiscordApiError(503, 0, "503: Service Unavailable")
        if call.is_message_call and fires("discord-rate-limited"):
            raise rate_limited()
        if _SERVER.fullmatch(call.line) and fires("server-unread"):
            raise DiscordApiError(503, 0, "503: Service Unavailable")
        if call.files and fires("upload-refused"):
            raise too_large()
        if call.is_message_call or call.is_first_answer:
            self._check_content(call)
        if call.line == "POST /users/@me/channels" and fires("dms-too-fast"):
            raise DiscordApiError(403, 40003, "You are opening direct messages too fast")
        if _REGISTRATION.fullmatch(call.line):
            self._before_registering()
        posting = _CHANNEL_MESSAGE.fullmatch(call.line)
        channel = posting and self._world.channels.get(int(posting[1]))
        if channel:
            self._before_posting(channel)
        self._before_editing(call)

    def after(self, call: ApiCall, transport: asyncio.Transport | None) -> None:
        """Cut or close the connection of a call that was executed, or raise the error that answers it."""
        fires = self._switchboard.fires
        lost = call.is_first_answer and fires("first-answer-lost")
        if (lost or (call.is_message_call and fires("discord-answer-lost"))) and transport is not None:
            transport.abort()
        elif call.is_message_call and fires("discord-answer-closed") and transport is not None:
            transport.close()
        elif call.is_message_call and fires("discord-answer-502"):
            raise DiscordApiError(502, 0, "502: Bad Gateway")

    def has_expired(self, record: Interaction) -> bool:
        """Whether an interaction's token has expired before its time. It stays expired."""
        if record.responded and record.id not in self._expired and self._switchboard.fires("token-expired"):
            self._expired.add(record.id)
        return record.id in self._expired

    def _before_registering(self) -> None:
        for fault, (status, code, message) in _REGISTRATION_REFUSALS.items():
            if self._switchboard.fires(fault):
                raise DiscordApiError(status, code, message)

    def _before_posting(self, channel: Channel) -> None:
        is_dm = channel.guild_id is None
        if is_dm and self._switchboard.fires("dms-closed"):
            raise DiscordApiError(403, 50007, "Cannot send messages to this user")
        if not is_dm and self._switchboard.fires("channel-closed"):
            raise DiscordApiError(403, 50013, "Missing Permissions")

    def _check_content(self, call: ApiCall) -> None:
        fires, message = self._switchboard.fires, call.message
        shown = list(_shown(message))
        if any(word in text for word in REFUSED_WORDS for text in shown):
            if fires("words-refused"):
                raise DiscordApiError(400, 240000, "Message blocked by harmful links filter")
            if fires("words-refused-automod"):
                raise _blocked()
        if any(shown) and fires("texts-refused"):
            raise _blocked()
        if call.files and fires("images-refused"):
            raise DiscordApiError(400, 20009, "Explicit content cannot be sent to the desired recipient(s)")
        if call.is_edit and _has_gallery(message) and fires("gallery-edits-refused"):
            raise invalid_form("components: a gallery cannot be edited")

    def _before_editing(self, call: ApiCall) -> None:
        edit = _EDIT.fullmatch(call.line)
        if edit is None or not self._switchboard.is_on("message-gone"):
            return
        record = self._world.interaction_by_token(edit["token"]) if edit["token"] else None
        channel_id = record.channel_id if record else int(edit["channel"] or 0)
        message_id = (record.message_id if record else None) if edit["message"] == "@original" else int(edit["message"])
        message = message_id and self._world.find_message(channel_id, message_id)
        if message and self._switchboard.fires("message-gone"):
            self._world.delete(message)


def _blocked() -> DiscordApiError:
    return DiscordApiError(400, 200000, "Message was blocked by automatic moderation")


def _shown(message: JSON) -> Iterator[str]:
    """The texts of a message that people read."""
    for key, value in message.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from _shown(each)
            elif isinstance(each, str) and key in _TEXTS:
                yield each


def _has_gallery(message: JSON) -> bool:
    parts = message.get("components") or []
    return message.get("type") == _GALLERY or any(_has_gallery(each) for each in parts)
