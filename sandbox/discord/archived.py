"""Archived threads: nothing in them can be changed until a message, or a call that reopens the thread.

Source: https://discord.com/developers/docs/topics/threads#active-archived-threads
"""

from __future__ import annotations

import re

from sandbox.discord.calls import ApiCall
from sandbox.discord.wire import JSON, DiscordApiError
from sandbox.discord.world import Channel, World

REOPEN = r"PATCH /channels/(?P<channel>\d+)"
_POST = re.compile(r"POST /channels/(?P<channel>\d+)/messages")
_CHANGE = re.compile(r"(?:PATCH|DELETE|PUT) /channels/(?P<channel>\d+)/messages/.+")
_BY_TOKEN = re.compile(r"(?:PATCH|DELETE) /webhooks/\d+/(?P<token>[^/]+)/messages/.+")


class ArchivedThreads:
    """`check` runs before a call, and raises Discord's error if an archived thread does not allow it."""

    def __init__(self, *, world: World) -> None:
        self._world = world

    def check(self, call: ApiCall) -> None:
        posted = _POST.fullmatch(call.line)
        thread = self._thread(call, posted)
        if thread is None:
            return
        if posted is None or not self._may_reopen(thread):
            raise DiscordApiError(400, 50083, "Thread is archived")
        self._world.channels.archive(thread, on=False)

    def reopen(self, call: ApiCall, match: re.Match[str]) -> JSON | None:
        """The answer to a call that reopens a thread; None if it is another call."""
        thread = self._archived(int(match["channel"]))
        if thread is None or call.fields != {"archived": False}:
            return None
        if not self._may_reopen(thread):
            raise DiscordApiError(403, 50013, "Missing Permissions")
        self._world.channels.archive(thread, on=False)
        return self._world.channels.json(thread)

    def _thread(self, call: ApiCall, posted: re.Match[str] | None) -> Channel | None:
        """The archived thread that a call posts in or changes."""
        named = posted or _CHANGE.fullmatch(call.line)
        if named is not None:
            return self._archived(int(named["channel"]))
        by_token = _BY_TOKEN.fullmatch(call.line)
        record = self._world.interaction_by_token(by_token["token"]) if by_token else None
        return None if record is None or record.channel_id is None else self._archived(record.channel_id)

    def _archived(self, channel_id: int) -> Channel | None:
        channel = self._world.channels.get(channel_id)
        data = None if channel is None else channel.thread_metadata
        return channel if data is not None and data.archived else None

    def _may_reopen(self, thread: Channel) -> bool:
        locked = thread.thread_metadata is not None and thread.thread_metadata.locked
        needed = "manage_threads" if locked else "send_messages_in_threads"
        return self._world.may(self._world.bot_id, thread, needed)
