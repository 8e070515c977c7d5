"""The faults of the HTTP API (`sandbox/faults.py` has their meanings), applied before and after a call."""

from __future__ import annotations

import asyncio
import re

from sandbox.discord.calls import ApiCall
from sandbox.discord.wire import DiscordApiError, too_large
from sandbox.discord.world import Channel, Interaction, World
from sandbox.faults import Switchboard

_RETRY_AFTER_S = 0.25

_CHANNEL_MESSAGE = re.compile(r"POST /channels/(\d+)/messages")
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
        if call.files and fires("upload-refused"):
            raise too_large()
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

    def _before_posting(self, channel: Channel) -> None:
        is_dm = channel.guild_id is None
        if is_dm and self._switchboard.fires("dms-closed"):
            raise DiscordApiError(403, 50007, "Cannot send messages to this user")
        if not is_dm and self._switchboard.fires("channel-closed"):
            raise DiscordApiError(403, 50013, "Missing Permissions")

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
