"""Serves people as described in PROTOCOL.md: the websocket and the uploads."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import BodyPartReader, WSCloseCode, WSMsgType, web

from sandbox.discord.bot_process import BotProcess
from sandbox.discord.gateway import Gateway
from sandbox.discord.interactions import Interactions
from sandbox.discord.requests import PersonRequests
from sandbox.discord.wire import JSON, UPLOAD_LIMIT_BYTES, RefusedError, Upload, safe_filename
from sandbox.discord.world import Message, World
from sandbox.faults import Switchboard
from sandbox.stories import STORIES

_log = logging.getLogger(__name__)

_UPLOADS_KEPT = 100  # in total; the oldest are dropped
_RECENT = 100  # messages per channel in the first frame
# The lists that are pushed again after a gateway event, by the prefix of its name.
_LISTS_BY_EVENT = {
    "CHANNEL_": ("channels",),
    "THREAD_": ("channels",),
    "GUILD_ROLE_": ("roles", "people", "bot", "channels", "commands"),
    "GUILD_MEMBER_": ("people", "commands"),
    "GUILD_CREATE": ("people", "bot", "channels", "commands"),
    "GUILD_DELETE": ("people", "bot", "channels", "commands"),
}


class _ViewerSocket:
    """The socket of one viewer: an open page, or a test. A queue keeps its frames in order."""

    def __init__(self, person_id: int, socket: web.WebSocketResponse) -> None:
        self.person_id = person_id
        self.knows: set[int] = set()  # ids of the messages that it was sent
        self.socket = socket
        self._frames: asyncio.Queue[str] = asyncio.Queue()

    def push(self, frame: JSON) -> None:
        self._frames.put_nowait(json.dumps(frame))

    async def write(self) -> None:
        while True:
            await self.socket.send_str(await self._frames.get())


class People:
    """All viewers, and the frames pushed to them."""

    def __init__(self, *, world: World, gateway: Gateway, bot_process: BotProcess, switchboard: Switchboard, first_answer_s: float) -> None:
        self._world = world
        self._gateway = gateway
        self._bot_process = bot_process
        self._switchboard = switchboard
        self._viewers: list[_ViewerSocket] = []
        self._uploads: dict[str, Upload] = {}
        self.interactions = Interactions(world=world, first_answer_s=first_answer_s, push=self._push_to, find_upload=self._find_upload)
        self._requests = PersonRequests(
            world=world,
            interactions=self.interactions,
            switchboard=switchboard,
            find_upload=self._find_upload,
            changed=lambda: self._push_all("people"),
            membership_changed=self._membership_changed,
        )
        world.watch(changed=self._message_changed, gone=self._message_gone)
        world.api.listen(self._on_event)
        world.commands.listen(lambda: self._push_all("commands"))
        switchboard.listen(lambda: self._push_all("faults"))
        gateway.listen(lambda: self._push_all("bot"))
        bot_process.listen(lambda: self._push_all("bot"))

    # -------------------------------------------------------------------- HTTP

    async def upload(self, request: web.Request) -> web.Response:
        """`POST /people/uploads`: one file part called `file`."""
        try:
            upload = await _read_upload(request)
        except RefusedError as refusal:
            return web.json_response({"error": str(refusal)}, status=400)
        key = secrets.token_hex(8)
        self._uploads[key] = upload
        while len(self._uploads) > _UPLOADS_KEPT:
            del self._uploads[next(iter(self._uploads))]
        size = len(upload.data)
        return web.json_response({"upload": key, "filename": upload.filename, "size": size, "content_type": upload.content_type})

    async def list_people(self, _: web.Request) -> web.Response:
        """`GET /people`: the people as whom a socket can be opened."""
        return web.json_response({"people": self._world.members.list_json()})

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """`GET /people/socket?as=<id or name>`."""
        try:
            person_id = self._world.members.find(request.query.get("as", ""))
        except RefusedError as refusal:
            return web.json_response({"error": str(refusal)}, status=404)
        socket = web.WebSocketResponse(heartbeat=30, timeout=1.0)
        await socket.prepare(request)
        viewer = _ViewerSocket(person_id, socket)
        viewer.push(self._hello(viewer))
        self._viewers.append(viewer)
        writer = asyncio.create_task(viewer.write(), name="viewer writer")
        requests: set[asyncio.Task[None]] = set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    task = asyncio.create_task(self._serve(viewer, message.data), name="viewer request")
                    requests.add(task)
                    task.add_done_callback(requests.discard)
        finally:
            self._viewers.remove(viewer)
            for task in (writer, *requests):
                task.cancel()
            await asyncio.gather(writer, *requests, return_exceptions=True)
        return socket

    async def close_all(self, _: web.Application) -> None:
        """Close every socket; the server is about to end."""
        for viewer in list(self._viewers):
            await viewer.socket.close(code=WSCloseCode.GOING_AWAY)

    async def _serve(self, viewer: _ViewerSocket, text: str) -> None:
        number: Any = None
        try:
            frame = _parse(text)
            number = frame.get("id")
            answer = await self._requests.perform(viewer.person_id, frame)
            viewer.push({"id": number, "ok": True, **answer})
        except RefusedError as refusal:
            viewer.push({"id": number, "ok": False, "error": str(refusal)})
        except Exception:  # noqa: BLE001 - the error handler of requests: every request gets an answer
            _log.exception("a request of person %d failed: %.500s", viewer.person_id, text)
            viewer.push({"id": number, "ok": False, "error": "Something went wrong in the local Discord."})

    def _find_upload(self, key: str) -> Upload:
        if key not in self._uploads:
            raise RefusedError("That upload is not known.")
        return self._uploads[key]

    # ------------------------------------------------------------------ pushing

    def _hello(self, viewer: _ViewerSocket) -> JSON:
        channels = self._world.channels.listed_for(viewer.person_id)
        recent = {channel.id: self._world.messages_for(viewer.person_id, channel)[-_RECENT:] for channel in channels}
        viewer.knows = {message.id for messages in recent.values() for message in messages}
        state: JSON = {}
        for name in ("people", "roles", "channels", "commands", "faults", "bot"):
            state |= self._state(name, viewer)
        return {
            "event": "hello",
            "you": self._world.members.person_json(viewer.person_id),
            "guild": self._world.guild_json,
            "emojis": self._world.emojis_json(),
            "stickers": self._world.messages.stickers_json(),
            "stories": [story.json() for story in STORIES],
            **state,
            "messages": {
                str(channel_id): [self._world.message_json(message, viewer_id=viewer.person_id) for message in messages]
                for channel_id, messages in recent.items()
            },
        }

    def _state(self, name: str, viewer: _ViewerSocket) -> JSON:
        """One part of the hello frame, also pushed when it changes."""
        parts: dict[str, Callable[[], Any]] = {
            "people": self._world.members.list_json,
            "roles": self._world.members.roles_json,
            "channels": lambda: self._channels(viewer.person_id),
            "commands": lambda: self._commands(viewer),
            "faults": self._switchboard.state,
            "bot": self._bot,
        }
        return {name: parts[name]()}

    def _bot(self) -> JSON:
        may = self._world.members.bot_may()
        return {
            "id": str(self._world.bot_id),
            "name": self._world.bot_name,
            "online": self._gateway.online,
            "may": may,
            **self._bot_process.json(),
        }

    def _channels(self, person_id: int) -> list[JSON]:
        channels = self._world.channels
        return [channels.view(channel, person_id) for channel in channels.listed_for(person_id)]

    def _commands(self, viewer: _ViewerSocket) -> list[JSON]:
        """Every command that is available to this person in any channel; `kinds` are the kinds of those channels."""
        offered: dict[str, JSON] = {}
        for channel in self._world.channels.listed_for(viewer.person_id):
            kind = self._world.channels.kind(channel)
            known = {command_id for command_id, command in offered.items() if kind in command["kinds"]}
            for command in self._world.commands_for(viewer.person_id, channel, but=known):
                offered.setdefault(command["id"], {**command, "kinds": []})["kinds"].append(kind)
        return sorted(offered.values(), key=lambda command: (command["type"], command["name"]))

    def _push_all(self, name: str) -> None:
        for viewer in self._viewers:
            viewer.push({"event": name, **self._state(name, viewer)})

    def _membership_changed(self, person_id: int) -> None:
        """A person who joined or left sees other channels and messages, so send their viewers a new hello."""
        for viewer in self._viewers:
            if viewer.person_id == person_id:
                viewer.push(self._hello(viewer))

    def _on_event(self, event: str, _: Mapping[str, Any]) -> None:
        for beginning, names in _LISTS_BY_EVENT.items():
            if event.startswith(beginning):
                for name in names:
                    self._push_all(name)

    def _push_to(self, person_id: int, frame: JSON) -> None:
        for viewer in self._viewers:
            if viewer.person_id == person_id:
                viewer.push(frame)

    def _message_changed(self, message: Message) -> None:
        for viewer in self._viewers:
            if self._world.channels.sees(viewer.person_id, message):
                viewer.knows.add(message.id)
                viewer.push({"event": "message", "message": self._world.message_json(message, viewer_id=viewer.person_id)})

    def _message_gone(self, message: Message) -> None:
        for viewer in self._viewers:
            if message.id in viewer.knows:
                viewer.knows.discard(message.id)
                viewer.push({"event": "deleted", "channel_id": str(message.channel_id), "message_id": str(message.id)})


def _parse(text: str) -> JSON:
    try:
        frame = json.loads(text)
    except ValueError:
        raise RefusedError("A frame must be a JSON object.") from None
    if not isinstance(frame, dict):
        raise RefusedError("A frame must be a JSON object.")
    return frame


async def _read_upload(request: web.Request) -> Upload:
    if request.content_type != "multipart/form-data":
        raise RefusedError("A file must come as multipart/form-data.")
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name == "file" and part.filename:
            data = bytes(await part.read())
            content_type = part.headers.get("Content-Type", "application/octet-stream")
            if len(data) > UPLOAD_LIMIT_BYTES:
                raise RefusedError(f"{part.filename} is larger than {UPLOAD_LIMIT_BYTES // 1024**2} MiB.")
            return Upload(filename=safe_filename(part.filename), data=data, content_type=content_type)
    raise RefusedError("There is no file in this upload.")
