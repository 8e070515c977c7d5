"""The gateway: the websocket over which the bot receives events.

Source: https://discord.com/developers/docs/events/gateway
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import discord
from aiohttp import WSCloseCode, WSMessage, web

from sandbox.discord.compression import Compressor, compressor
from sandbox.discord.sharding import Sharding, is_of_shard, shard_of
from sandbox.discord.unreadable import LACKING, unreadable
from sandbox.discord.wire import JSON, application_flags
from sandbox.discord.world import World
from sandbox.faults import Switchboard

_HEARTBEAT_MS = 41_250
_ACK_DELAY_S = 0.02  # an answer that arrives before discord.py has recorded its heartbeat would be measured as 41 s late
_DELETIONS = ("CHANNEL_DELETE", "THREAD_DELETE", "GUILD_ROLE_DELETE")
_REPLAY_EVENTS = 1_000  # how many events a session keeps for a client that resumes
_DOUBLED_AFTER_S = 0.05
_INTERACTION = "INTERACTION_CREATE"
_REQUESTS = (_INTERACTION, "MESSAGE_CREATE", "MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE")  # what people ask the bot for


class Opcode(IntEnum):
    DISPATCH = 0  # an event
    HEARTBEAT = 1
    IDENTIFY = 2  # start a session
    PRESENCE = 3  # the bot's status
    VOICE_STATE = 4  # joining a voice channel
    RESUME = 6  # continue a session after a lost connection
    RECONNECT = 7  # the client should reconnect
    REQUEST_MEMBERS = 8  # answered in chunks
    INVALID_SESSION = 9  # the session cannot be resumed
    HELLO = 10  # the first frame of a connection
    HEARTBEAT_ACK = 11


class CloseCode(IntEnum):
    DECODE_ERROR = 4002  # not JSON
    NOT_AUTHENTICATED = 4003  # an operation before IDENTIFY
    AUTHENTICATION_FAILED = 4004  # a wrong token
    INVALID_SHARD = 4010
    SHARDING_REQUIRED = 4011  # the session would be of too many servers
    INVALID_VERSION = 4012  # of the API
    INVALID_INTENTS = 4013  # a number that no intents have
    DISALLOWED_INTENTS = 4014  # privileged intents that are not enabled for the application


_REFUSALS = {
    "token-refused": CloseCode.AUTHENTICATION_FAILED,
    "shard-refused": CloseCode.INVALID_SHARD,
    "version-refused": CloseCode.INVALID_VERSION,
    "intents-unknown": CloseCode.INVALID_INTENTS,
    "intents-refused": CloseCode.DISALLOWED_INTENTS,
}  # by fault


@dataclass(kw_only=True)
class _Session:
    """A session, which survives a lost connection."""

    session_id: str
    intents: int
    shard: tuple[int, int]
    sequence: int = 0
    sent: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=_REPLAY_EVENTS))
    connection: _Connection | None = None

    def dispatch(self, event: str, payload: JSON) -> None:
        self.sequence += 1
        frame = json.dumps({"op": Opcode.DISPATCH, "t": event, "s": self.sequence, "d": payload})
        self.sent.append((self.sequence, frame))
        if self.connection is not None:
            self.connection.send(frame)

    def can_replay_from(self, sequence: int) -> bool:
        oldest = self.sent[0][0] if self.sent else self.sequence + 1
        return oldest - 1 <= sequence <= self.sequence


class _Connection:
    """One websocket. A queue keeps frames in order and lets synchronous code send events."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, compress: Compressor | None) -> None:
        self._request = request
        self.socket = socket
        self._compress = compress
        self._frames: asyncio.Queue[str] = asyncio.Queue()
        self.session: _Session | None = None

    def send(self, frame: str) -> None:
        self._frames.put_nowait(frame)

    def send_op(self, op: Opcode, data: Any = None) -> None:
        self.send(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    async def write(self) -> None:
        """Send queued frames until cancelled or disconnected."""
        while True:
            frame = await self._frames.get()
            if self._compress is None:
                await self.socket.send_str(frame)
            else:
                await self.socket.send_bytes(self._compress(frame.encode()))

    def cut(self) -> None:
        """Cut the connection without a close frame, as a failing network does."""
        if self._request.transport is not None:
            self._request.transport.abort()


class Gateway:
    """All sessions of the bot."""

    def __init__(
        self, *, world: World, switchboard: Switchboard, sharding: Sharding, token: str, url: str, privileged: frozenset[str]
    ) -> None:
        self._world = world
        self._switchboard = switchboard
        self._sharding = sharding
        self._token = token
        self._url = url
        self._privileged = privileged
        self._sessions: dict[str, _Session] = {}
        self._requests: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=_REPLAY_EVENTS)  # for the sessions that follow
        self._online_listeners: list[Callable[[], None]] = []
        self._is_unavailable = switchboard.is_on("server-unavailable")
        self._late: list[tuple[str, Mapping[str, Any]]] = []  # events that are held
        world.api.listen(self._on_event)
        switchboard.listen(self._apply_faults)

    @property
    def online(self) -> bool:
        """Whether the bot is connected and identified."""
        return any(session.connection is not None for session in self._sessions.values())

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the bot connects or disconnects."""
        self._online_listeners.append(listener)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0, timeout=1.0)
        await socket.prepare(request)
        connection = _Connection(request, socket, compressor(request.query.get("compress", "")))
        connection.send_op(Opcode.HELLO, {"heartbeat_interval": _HEARTBEAT_MS})
        writer = asyncio.create_task(connection.write(), name="gateway writer")
        try:
            async for message in socket:
                code = self._read(connection, message)
                if code is not None:
                    await socket.close(code=code)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._detach(connection, clean=socket.close_code in (1000, 1001))
        return socket

    async def close_all(self, _: web.Application) -> None:
        """Close every socket when the server stops."""
        for session in list(self._sessions.values()):
            if session.connection is not None:
                await session.connection.socket.close(code=WSCloseCode.GOING_AWAY)

    # ------------------------------------------------------ frames from the bot

    def _read(self, connection: _Connection, message: WSMessage) -> CloseCode | None:
        """Handle a frame. Returns a close code if it is invalid."""
        try:
            frame = json.loads(message.data)
            return self._handle_op(connection, Opcode(frame["op"]), frame.get("d"))
        except (AttributeError, KeyError, TypeError, ValueError):
            return CloseCode.DECODE_ERROR

    def _handle_op(self, connection: _Connection, op: Opcode, data: Any) -> CloseCode | None:
        if op is Opcode.HEARTBEAT:
            asyncio.get_running_loop().call_later(_ACK_DELAY_S, connection.send_op, Opcode.HEARTBEAT_ACK)
        elif op is Opcode.IDENTIFY:
            return self._identify(connection, data)
        elif op is Opcode.RESUME:
            return self._resume(connection, data)
        elif connection.session is None:
            return CloseCode.NOT_AUTHENTICATED
        elif op is Opcode.REQUEST_MEMBERS:
            connection.session.dispatch("GUILD_MEMBERS_CHUNK", self._world.api.members_chunk(data))
        return None

    def _identify(self, connection: _Connection, data: JSON) -> CloseCode | None:
        if data["token"].removeprefix("Bot ") != self._token:
            return CloseCode.AUTHENTICATION_FAILED
        refusal = next((code for fault, code in _REFUSALS.items() if self._switchboard.fires(fault)), None)
        if refusal is not None:
            return refusal
        asked = discord.Intents.none()
        asked.value = int(data["intents"])
        if any(getattr(asked, name) and name not in self._privileged for name in ("members", "presences", "message_content")):
            return CloseCode.DISALLOWED_INTENTS
        shard = shard_of(data)
        if shard is None:
            return CloseCode.INVALID_SHARD
        if shard[1] < self._sharding.wanted:
            return CloseCode.SHARDING_REQUIRED
        if not self._sharding.start(*shard):
            connection.send_op(Opcode.INVALID_SESSION, data=False)
            return None
        session = _Session(session_id=secrets.token_hex(16), intents=asked.value, shard=shard, connection=connection)
        # A restarted process never resumes, so disconnected sessions of the same shard are dropped. Connected ones all get its events.
        self._sessions = {key: s for key, s in self._sessions.items() if s.connection is not None or s.shard != session.shard}
        self._sessions[session.session_id] = session
        connection.session = session
        self._send_ready(session)
        self._changed()
        self._apply_faults()
        return None

    def _send_ready(self, session: _Session) -> None:
        guilds = [guild for guild in self._world.api.guild_creates() if self._concerns(session, {"guild_id": guild["id"]})]
        session.dispatch(
            "READY",
            {
                "v": 10,
                "user": self._world.members.user_json(self._world.bot_id),
                "guilds": [{"id": guild["id"], "unavailable": True} for guild in guilds],
                "session_id": session.session_id,
                "session_type": "normal",
                "resume_gateway_url": self._url,
                "shard": list(session.shard),
                "application": {"id": str(self._world.application_id), "flags": application_flags(self._privileged)},
                "private_channels": [],
            },
        )
        for guild in () if self._is_unavailable else guilds:
            self._dispatch(session, "GUILD_CREATE", guild)
        if self._requests and self._switchboard.fires("gateway-replayed"):
            for event, payload in self._requests:
                self._send(session, event, payload)

    def _resume(self, connection: _Connection, data: JSON) -> CloseCode | None:
        if data["token"].removeprefix("Bot ") != self._token:
            return CloseCode.AUTHENTICATION_FAILED
        session = self._sessions.get(data["session_id"])
        if session is None or not session.can_replay_from(int(data["seq"])):
            connection.send_op(Opcode.INVALID_SESSION, data=False)
            return None
        session.connection = connection
        connection.session = session
        for sequence, frame in session.sent:
            if sequence > int(data["seq"]):
                connection.send(frame)
        session.dispatch("RESUMED", {})
        self._changed()
        return None

    # --------------------------------------------------------- events for the bot

    def _on_event(self, event: str, payload: Mapping[str, Any]) -> None:
        if self._switchboard.is_on("gateway-late"):
            self._late.append((event, payload))
            return
        if event in _DELETIONS and self._sessions and self._switchboard.fires("deletions-unheard"):
            return
        if event in _REQUESTS:
            self._requests.append((event, payload))
        doubled = event != _INTERACTION and self._sessions and self._switchboard.fires("gateway-doubled")
        for _ in range(2 if doubled else 1):
            self._send_to_all(event, payload)
        if event == _INTERACTION and self._sessions and self._switchboard.fires("interactions-doubled"):
            asyncio.get_running_loop().call_later(_DOUBLED_AFTER_S, self._send_to_all, event, payload)

    def _send_to_all(self, event: str, payload: Mapping[str, Any]) -> None:
        for session in self._sessions.values():
            self._send(session, event, payload)

    def _send(self, session: _Session, event: str, payload: Mapping[str, Any]) -> None:
        if self._concerns(session, payload):
            self._dispatch(session, event, payload)

    def _dispatch(self, session: _Session, event: str, payload: Mapping[str, Any]) -> None:
        filtered = self._world.api.filtered(event, payload, session.intents)
        if filtered is not None and event in LACKING and self._switchboard.fires("event-unreadable"):
            filtered = unreadable(event, filtered)
        if filtered is not None:
            session.dispatch(event, filtered)

    def _concerns(self, session: _Session, payload: Mapping[str, Any]) -> bool:
        return is_of_shard(session.shard, payload.get("guild_id"))

    # ------------------------------------------------------------------- faults

    def _apply_faults(self) -> None:
        """Cut the connection once if a fault is on. If the bot is offline, this happens when it connects.

        Also say that the server became unavailable or available, and send the events that were held.
        """
        for fault in ("socket-dropped", "session-lost"):
            if self._switchboard.is_on(fault) and self.online:
                self._cut_all(keep_sessions=fault == "socket-dropped")
                self._switchboard.turn_off(fault)
        if self._is_unavailable != self._switchboard.is_on("server-unavailable"):
            self._is_unavailable = not self._is_unavailable
            self._announce_availability()
        if self._late and not self._switchboard.is_on("gateway-late"):
            late, self._late = self._late, []
            for event, payload in late:
                self._on_event(event, payload)

    def _announce_availability(self) -> None:
        for session in self._sessions.values():
            for guild in self._world.api.guild_creates():
                if not self._concerns(session, {"guild_id": guild["id"]}):
                    continue
                if self._is_unavailable:
                    session.dispatch("GUILD_DELETE", {"id": guild["id"], "unavailable": True})
                else:
                    self._dispatch(session, "GUILD_CREATE", {**guild, "unavailable": False})

    def _cut_all(self, *, keep_sessions: bool) -> None:
        connections = [session.connection for session in self._sessions.values() if session.connection is not None]
        for connection in connections:
            self._detach(connection, clean=not keep_sessions)
            connection.cut()

    def _detach(self, connection: _Connection, *, clean: bool) -> None:
        """Detach a connection from its session. A clean close ends the session."""
        session, connection.session = connection.session, None
        if session is None or session.connection is not connection:
            return
        session.connection = None
        if clean:
            self._sessions.pop(session.session_id, None)
        self._changed()

    def _changed(self) -> None:
        for listener in self._online_listeners:
            listener()
