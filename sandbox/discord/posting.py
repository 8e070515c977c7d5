"""Messages that the bot posts with its token: Discord's checks, and nonces.

Source: https://discord.com/developers/docs/resources/message#create-message
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.discord.calls import ApiCall
from sandbox.discord.wire import JSON, DiscordApiError, invalid_form
from sandbox.discord.world import Channel, World

_NONCE_LIFE = timedelta(minutes=5)
_POST = re.compile(r"POST /channels/(?P<channel>\d+)/messages")
_EDIT = re.compile(r"PATCH /channels/(?P<channel>\d+)/messages/\d+")


@dataclass(frozen=True, kw_only=True)
class _PostedMessage:
    channel_id: int
    message_id: int
    at: datetime


class Posting:
    """`check` runs before a call; `known` and `note` run before and after a post with a nonce."""

    def __init__(self, *, world: World, now: Callable[[], datetime]) -> None:
        self._world = world
        self._now = now
        self._nonces: dict[str, _PostedMessage] = {}

    def check(self, call: ApiCall) -> None:
        """Raise Discord's error if the bot may not do this. The world checks the rest."""
        match = _POST.fullmatch(call.line) or _EDIT.fullmatch(call.line)
        channel = match and self._world.channels.get(int(match["channel"]))
        if not channel:
            return
        if channel.guild_id is None:
            self._check_dm(channel)
        else:
            self._check_attaching(call, channel)
        self._check_reply(call, channel)

    def known(self, call: ApiCall) -> JSON | None:
        """The message that was recently posted with this nonce, if the caller enforces nonces."""
        nonce = _nonce(call)
        if nonce is None or not call.fields.get("enforce_nonce"):
            return None
        self._nonces = {key: posted for key, posted in self._nonces.items() if self._now() - posted.at < _NONCE_LIFE}
        posted = self._nonces.get(nonce)
        message = posted and self._world.find_message(posted.channel_id, posted.message_id)
        return {**self._world.message_json(message), "nonce": nonce} if message else None

    def note(self, call: ApiCall, made: JSON) -> JSON:
        """Record the message of a nonce, and add the nonce to the answer."""
        nonce = _nonce(call)
        if nonce is None:
            return made
        self._nonces[nonce] = _PostedMessage(channel_id=int(made["channel_id"]), message_id=int(made["id"]), at=self._now())
        return {**made, "nonce": nonce}

    def _check_dm(self, channel: Channel) -> None:
        if not all(self._world.members.accepts_dms(user_id) for user_id in channel.recipient_ids):
            raise DiscordApiError(403, 50007, "Cannot send messages to this user")

    def _check_attaching(self, call: ApiCall, channel: Channel) -> None:
        wanted = {"attach_files": call.files, "embed_links": call.fields.get("embeds")}
        for permission, present in wanted.items():
            if present and self._sees(channel) and not self._world.may(self._world.bot_id, channel, permission):
                raise DiscordApiError(403, 50013, "Missing Permissions")

    def _check_reply(self, call: ApiCall, channel: Channel) -> None:
        reference = call.fields.get("message_reference")
        if not reference or reference.get("type", 0) != 0 or call.method != "POST":
            return
        readable = channel.guild_id is None or self._world.may(self._world.bot_id, channel, "read_message_history")
        if not readable and self._sees(channel):
            raise DiscordApiError(403, 160002, "Cannot reply without permission to read message history")
        if self._world.find_message(channel.id, int(reference["message_id"])) is not None:
            return
        if reference.get("fail_if_not_exists", True):
            raise invalid_form("message_reference: Unknown message")
        del call.fields["message_reference"]

    def _sees(self, channel: Channel) -> bool:
        """Whether the bot can see the channel. If not, the world answers with that error."""
        return self._world.may(self._world.bot_id, channel, "view_channel")


def _nonce(call: ApiCall) -> str | None:
    nonce = call.fields.get("nonce")
    if nonce is not None and len(str(nonce)) > 25:
        raise invalid_form("nonce: Must be 25 or fewer in length.")
    return None if nonce is None else str(nonce)
