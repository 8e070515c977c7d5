"""A Discord of many servers on several shards: it checks little, is fast, and keeps every message.

The local Discord of `sandbox/` is exact, but has one server, and every call takes it ten times as long. This one refuses only what
several processes could get wrong together: a second IDENTIFY within five seconds, a shard that does not exist.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import BodyPartReader, WSCloseCode, web

from sandbox.messages import walk
from tests.many import payloads
from tests.many.payloads import JSON, PostedFile, ServerMember

TOKEN = "OTAw.many00.local-token-of-many-processes-000000"  # valid only here
FIRST_ANSWER_S = 3.0
IDENTIFY_EVERY_S = 5.0
_HEARTBEAT_MS = 41_250
_ACK_DELAY_S = 0.02  # discord.py warns of an answer that comes before it has recorded its heartbeat
_LATE_S = 0.1  # an IDENTIFY on its way
_PLACEHOLDER = "…"  # the bot's first answer in a burst, before it has read anything
_NEW = 4  # type of a first answer: a message, rather than one that comes later
_JOB_BUTTON = re.compile(r"v1:(more|cancel):([0-9a-z]{12}):0")
_COMPARED = ("content", "components", "embeds", "flags")
_INVALID_SHARD, _SHARDING_REQUIRED = 4010, 4011


@dataclass(kw_only=True, eq=False)
class MemberInteraction:
    """One interaction, and what was answered."""

    id: int
    token: str
    channel_id: int
    message_id: int | None = None  # of the first answer
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    shown: asyncio.Event = field(default_factory=asyncio.Event)  # the answer has its words, or others follow in a message of their own
    words: str = ""  # of the newest message that answers it

    def hear(self, message: JSON) -> None:
        """A message answers it."""
        if message["content"] != _PLACEHOLDER:
            self.words = message["content"]
            self.shown.set()


@dataclass(kw_only=True)
class BusyDiscord:
    """HTTP API, gateway, and the interactions that members start."""

    shards: int
    guilds: int
    url: str = ""
    messages: dict[int, JSON] = field(default_factory=dict)
    journal: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))  # what each message showed, and by which call
    unknown: Counter[str] = field(default_factory=Counter)  # calls that nothing here answers
    hasty: list[float] = field(default_factory=list)  # seconds between an IDENTIFY and the one before that was too soon
    ended: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))  # by the job that a message shows
    twice: Counter[int] = field(default_factory=Counter)  # how often a shard was opened that another process had open
    _sockets: defaultdict[int, list[web.WebSocketResponse]] = field(default_factory=lambda: defaultdict(list))  # by shard
    _interactions: dict[str, MemberInteraction] = field(default_factory=dict)  # by token
    _commands: dict[str, str] = field(default_factory=dict)  # ids by name
    _by_channel: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _nonces: dict[tuple[int, str], int] = field(default_factory=dict)
    _identified_at: float = float("-inf")
    _sequence: int = 0

    # --- what members do ---

    async def slash(self, member: ServerMember, command: str, **options: Any) -> MemberInteraction | None:
        """Use a command. Returns the interaction once it has its first answer; None if "The application did not respond"."""
        own = MemberInteraction(id=payloads.new_id(), token=f"token-{payloads.new_id()}", channel_id=payloads.channel_id(member.guild_id))
        command_id = self._commands.get(command, "1")
        event = payloads.slash_command(member, own.id, own.token, command_id=command_id, name=command, options=options)
        self._interactions[own.token] = own
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(FIRST_ANSWER_S):
                await self._dispatch(payloads.shard_of(member.guild_id, self.shards), "INTERACTION_CREATE", event)
                await own.answered.wait()
        return own if own.answered.is_set() else None

    def has_shards(self, *shards: int) -> bool:
        """Whether these shards are connected, or all, and the commands registered."""
        return bool(self._commands) and all(self._sockets[shard] for shard in shards or range(self.shards))

    # --- interactions and webhooks ---

    async def callback(self, request: web.Request) -> web.Response:
        own, (body, _) = self._interactions[request.match_info["token"]], await _read(request)
        kind = body["type"]
        if own.message_id is not None:
            return _json({"code": 40060, "message": "Interaction has already been acknowledged."}, status=400)
        message = self._add(own.channel_id)
        own.message_id = int(message["id"])
        if kind == _NEW:
            self._change(message, body["data"], ())
            own.hear(message)
        own.answered.set()
        if request.query.get("with_response", "").lower() not in ("true", "1"):
            return web.Response(status=204)
        interaction = {"id": str(own.id), "type": 2, "response_message_id": message["id"]}
        return _json({"interaction": interaction, "resource": {"type": kind, "message": message}})

    async def edit_by_token(self, request: web.Request) -> web.Response:
        own = self._interactions[request.match_info["token"]]
        message_id = request.match_info["message"]
        found = self.messages.get(own.message_id or 0 if message_id == "@original" else int(message_id))
        if found is None:
            return _gone()
        self._change(found, *await _read(request), by="token")
        own.hear(found)
        return _json(found)

    async def delete_by_token(self, request: web.Request) -> web.Response:
        own = self._interactions[request.match_info["token"]]
        message = self.messages.pop(own.message_id or 0, None)
        return _gone() if message is None else web.Response(status=204)

    async def follow_up(self, request: web.Request) -> web.Response:
        own = self._interactions[request.match_info["token"]]
        message = self._add(own.channel_id)
        self._change(message, *await _read(request))
        own.hear(message)
        return _json(message)

    # --- channels ---

    async def post(self, request: web.Request) -> web.Response:
        channel_id, (body, files) = int(request.match_info["channel"]), await _read(request)
        nonce = channel_id, str(body.get("nonce"))
        if body.get("enforce_nonce") and nonce in self._nonces:
            return _json(self.messages[self._nonces[nonce]])
        message = self._add(channel_id)
        self._nonces[nonce] = int(message["id"])
        self._change(message, body, files)
        return _json(message)

    async def edit(self, request: web.Request) -> web.Response:
        found = self.messages.get(int(request.match_info["message"]))
        if found is None:
            return _gone()
        self._change(found, *await _read(request), by="edit")
        return _json(found)

    async def delete(self, request: web.Request) -> web.Response:
        message = self.messages.pop(int(request.match_info["message"]), None)
        return _gone() if message is None else web.Response(status=204)

    async def read_message(self, request: web.Request) -> web.Response:
        found = self.messages.get(int(request.match_info["message"]))
        return _gone() if found is None else _json(found)

    async def history(self, request: web.Request) -> web.Response:
        """Newest first, as Discord does: the oldest ones after an id, or the newest ones before one."""
        query, limit = request.query, int(request.query.get("limit", "50"))
        ids = [each for each in self._by_channel[int(request.match_info["channel"])] if each in self.messages]
        if "after" in query:
            chosen = [each for each in ids if each > int(query["after"])][:limit]
        else:
            chosen = [each for each in ids if each < int(query.get("before", 2**63))][-limit:]
        return _json([self.messages[each] for each in reversed(chosen)])

    async def read_guild(self, request: web.Request) -> web.Response:
        """For a process that has not its shard."""
        numbers = {payloads.guild_id(number): number for number in range(self.guilds)}
        return _json(payloads.guild(numbers[int(request.match_info["guild"])]))

    async def open_direct(self, request: web.Request) -> web.Response:
        body, _ = await _read(request)
        return _json(payloads.direct_channel(int(body["recipient_id"])))

    async def register(self, request: web.Request) -> web.Response:
        commands, _ = await _read(request)
        for command in commands:
            command |= {"id": str(payloads.new_id()), "application_id": str(payloads.APPLICATION_ID), "version": "1"}
            command.setdefault("default_member_permissions", None)
        self._commands = {command["name"]: command["id"] for command in commands}
        return _json(commands)

    def _add(self, channel_id: int) -> JSON:
        message = payloads.message(payloads.new_id(), channel_id)
        self.messages[int(message["id"])] = message
        self._by_channel[channel_id].append(int(message["id"]))
        return message

    def _change(self, message: JSON, body: JSON, files: tuple[PostedFile, ...], *, by: str = "new") -> None:
        message |= {name: body[name] or type(message[name])() for name in _COMPARED if name in body}
        if files or "attachments" in body:
            kept = {str(each.get("id")) for each in body.get("attachments") or ()}
            channel_id = int(message["channel_id"])
            message["attachments"] = [
                *(each for each in message["attachments"] if each["id"] in kept),
                *(payloads.attachment(channel_id, file, self.url) for file in files),
            ]
        words = message["content"].partition("\n")[2][:40]
        self.journal[int(message["id"])].append(f"{datetime.now(UTC):%H:%M:%S.%f} {by} {len(message['attachments'])} images {words!r}")
        for kind, job_id in job_buttons(message):
            if kind == "more":
                self.ended[job_id].set()

    # --- gateway ---

    async def gateway(self, request: web.Request) -> web.WebSocketResponse:
        """Text frames, whatever compression was asked for: clients accept both."""
        connection = web.WebSocketResponse(max_msg_size=0)
        await connection.prepare(request)
        await connection.send_json({"op": 10, "d": {"heartbeat_interval": _HEARTBEAT_MS}, "s": None, "t": None})
        try:
            async for frame in connection:
                await self._read_frame(connection, json.loads(frame.data))
        finally:
            for sockets in self._sockets.values():
                if connection in sockets:
                    sockets.remove(connection)
        return connection

    async def _read_frame(self, connection: web.WebSocketResponse, frame: JSON) -> None:
        if frame["op"] == 1:
            await asyncio.sleep(_ACK_DELAY_S)
            await connection.send_json({"op": 11, "d": None, "s": None, "t": None})
        elif frame["op"] == 6:  # sessions are not kept
            await connection.send_json({"op": 9, "d": False, "s": None, "t": None})
        elif frame["op"] == 2:
            await self._identify(connection, *(frame["d"].get("shard") or (0, 1)))

    async def _identify(self, connection: web.WebSocketResponse, shard: int, shards: int) -> None:
        if shards != self.shards or not 0 <= shard < shards:
            await connection.close(code=_SHARDING_REQUIRED if shards < self.shards else _INVALID_SHARD)
            return
        since = time.monotonic() - self._identified_at
        if since < IDENTIFY_EVERY_S - _LATE_S:
            self.hasty.append(since)
            await connection.send_json({"op": 9, "d": False, "s": None, "t": None})
            return
        self._identified_at = time.monotonic()
        self.twice[shard] += bool(self._sockets[shard])
        self._sockets[shard].append(connection)
        guilds = [payloads.guild(number) for number in range(self.guilds) if payloads.shard_of(payloads.guild_id(number), shards) == shard]
        await self._dispatch(shard, "READY", payloads.ready((shard, shards), guilds, self.gateway_url))
        for each in guilds:
            await self._dispatch(shard, "GUILD_CREATE", each)

    async def _dispatch(self, shard: int, event: str, payload: JSON) -> None:
        """Send an event to the process that has the shard, if there is one; of two to the later one."""
        if sockets := self._sockets[shard]:
            self._sequence += 1
            await sockets[-1].send_str(json.dumps({"op": 0, "t": event, "s": self._sequence, "d": payload}))

    # --- serving ---

    @property
    def gateway_url(self) -> str:
        return f"{self.url.replace('http', 'ws')}/gateway"

    @asynccontextmanager
    async def served(self) -> AsyncIterator[BusyDiscord]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = web.Application(client_max_size=2**28)
        app.add_routes(self._routes())
        app.on_shutdown.append(self._close)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield self
        finally:
            await runner.cleanup()

    def _routes(self) -> list[web.RouteDef]:
        api, one = "/api/v10", "/channels/{channel}/messages/{message}"
        limits = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        return [
            web.get("/gateway", self.gateway),
            web.get(f"{api}/users/@me", _constant(payloads.user(payloads.APPLICATION_ID, bot=True))),
            web.get(f"{api}/oauth2/applications/@me", _constant(payloads.application())),
            web.get(f"{api}/applications/@me", _constant(payloads.application())),
            web.get(f"{api}/gateway", _constant({"url": self.gateway_url})),
            web.get(f"{api}/gateway/bot", _constant({"url": self.gateway_url, "shards": self.shards, "session_start_limit": limits})),
            web.put(f"{api}/applications/{{application}}/commands", self.register),
            web.post(f"{api}/users/@me/channels", self.open_direct),
            web.get(f"{api}/guilds/{{guild}}", self.read_guild),
            web.post(f"{api}/interactions/{{id}}/{{token}}/callback", self.callback),
            web.patch(f"{api}/webhooks/{{application}}/{{token}}/messages/{{message}}", self.edit_by_token),
            web.delete(f"{api}/webhooks/{{application}}/{{token}}/messages/@original", self.delete_by_token),
            web.post(f"{api}/webhooks/{{application}}/{{token}}", self.follow_up),
            web.get(f"{api}/channels/{{channel}}/messages", self.history),
            web.post(f"{api}/channels/{{channel}}/messages", self.post),
            web.get(f"{api}{one}", self.read_message),
            web.patch(f"{api}{one}", self.edit),
            web.delete(f"{api}{one}", self.delete),
            web.route("*", f"{api}/{{path:.*}}", self._answer_unknown),
        ]

    async def _answer_unknown(self, request: web.Request) -> web.Response:
        self.unknown[f"{request.method} {request.path}"] += 1
        return _json({"code": 0, "message": "404: Not RunFindings"}, status=404)

    async def _close(self, _: web.Application) -> None:
        for connection in [each for sockets in self._sockets.values() for each in sockets]:
            await connection.close(code=WSCloseCode.GOING_AWAY)


def job_buttons(message: JSON) -> Iterator[tuple[str, str]]:
    """`more` or `cancel`, and the job's id, of the buttons below a message."""
    for component in walk(message.get("components") or []):
        if found := _JOB_BUTTON.fullmatch(str(component.get("custom_id", ""))):
            yield found[1], found[2]


async def _read(request: web.Request) -> tuple[Any, tuple[PostedFile, ...]]:
    """The JSON of a call, and its files."""
    if request.content_type != "multipart/form-data":
        return json.loads(await request.read() or b"{}"), ()
    body: Any = {}
    files: list[PostedFile] = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read())
        if part.name == "payload_json":
            body = json.loads(data)
        else:
            files.append(PostedFile(name=part.filename or "", data=data))
    return body, tuple(files)


def _json(payload: Any, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(payload).encode(), content_type="application/json")


def _gone() -> web.Response:
    return _json({"code": 10008, "message": "Unknown Message"}, status=404)


def _constant(payload: Any) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return _json(payload)

    return answer
