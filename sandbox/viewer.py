"""The websocket of one person at the local Discord: pushed frames, and requests matched to their answers by number."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Self, TypeVar

import aiohttp

from sandbox.messages import JSON, File, Message, Modal

T = TypeVar("T")

_SHOWN = 5  # how many messages of each channel a failed wait shows
_KINDS = ("dm", "private", "elsewhere")  # a person has one channel of each of these kinds, so the kind can serve as its name


class NotDoneError(AssertionError):
    """The local Discord refused a request of this person; the text is its error sentence."""


@dataclass(kw_only=True)
class Viewer:
    """What a person sees, updated by pushed frames."""

    url: str
    name: str
    hello: JSON = field(default_factory=dict)
    modals: list[Modal] = field(default_factory=list)  # the open ones
    unanswered: list[str] = field(default_factory=list)  # interaction ids
    _messages: dict[str, dict[str, Message]] = field(default_factory=dict)
    _answers: dict[int, asyncio.Future[JSON]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _http: aiohttp.ClientSession = field(init=False)
    _socket: aiohttp.ClientWebSocketResponse = field(init=False)

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, name: str) -> AsyncIterator[Self]:
        """Connect as this person (name or id) to the server whose chat page is at `url`, until the block ends."""
        person = cls(url=url.rstrip("/"), name=name)
        async with (
            aiohttp.ClientSession() as person._http,
            person._http.ws_connect(f"{person.url}/people/socket", params={"as": name}, max_msg_size=0) as person._socket,
        ):
            await person._receive(await person._socket.receive_json())
            reader = asyncio.create_task(person._read(), name=f"frames for {name}")
            try:
                yield person
            finally:
                reader.cancel()
                await asyncio.wait([reader])

    # ------------------------------------------------------------------ reading

    @property
    def id(self) -> str:
        return str(self.hello["you"]["id"])

    @property
    def bot_online(self) -> bool:
        return bool(self.hello["bot"]["online"])

    @property
    def commands(self) -> dict[str, JSON]:
        return {command["name"]: command for command in self.hello["commands"]}

    @property
    def people(self) -> dict[str, JSON]:
        """Everybody by name, including the bot."""
        return {person["name"]: person for person in self.hello["people"]}

    @property
    def roles(self) -> dict[str, str]:
        """The ids of the server's roles by name."""
        return {role["name"]: role["id"] for role in self.hello["roles"]}

    def channel(self, name: str) -> str:
        """The id of a channel or thread."""
        for channel in self.hello["channels"]:
            if name in (channel["name"], channel["id"]) or (name in _KINDS and channel["kind"] == name):
                return str(channel["id"])
        raise NotDoneError(f"{self.name} sees no channel called {name}.")

    def messages(self, channel: str = "studio") -> list[Message]:
        """Oldest first."""
        return sorted(self._messages.get(self.channel(channel), {}).values(), key=lambda message: int(message.id))

    async def fetch(self, url: str) -> bytes:
        """Download an attachment. Raises `NotDoneError` unless the answer is 200."""
        async with self._http.get(url) as response:
            if response.status != 200:
                raise NotDoneError(f"{url} answered {response.status}.")
            return await response.read()

    # ------------------------------------------------------------------ waiting

    async def until(self, predicate: Callable[[], T | None], timeout_s: float = 10) -> T:
        """Wait for frames until `predicate()` is true, and return its value."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                while not (found := predicate()):
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"{self.name} waited {timeout_s} s in vain. {self._last_seen()}") from None

    async def message(self, predicate: Callable[[Message], object], channel: str = "studio", timeout_s: float = 10) -> Message:
        """Wait until a channel has a message for which `predicate` is true, and return the newest one."""
        return await self.until(lambda: next((m for m in reversed(self.messages(channel)) if predicate(m)), None), timeout_s)

    async def modal(self, timeout_s: float = 10) -> Modal:
        """Wait until a form is open, and return the newest one."""
        return (await self.until(lambda: self.modals, timeout_s))[-1]

    # ----------------------------------------------------------------- requests

    async def ask(self, do: str, **fields: Any) -> JSON:
        """Send any request of the protocol. Raises `NotDoneError` with the error sentence if it is refused."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_json({"id": number, "do": do, **fields})
            given: JSON = await answer
        finally:
            del self._answers[number]
        if not given["ok"]:
            raise NotDoneError(given["error"])
        return given

    async def send(self, value: Any) -> Any:
        """Upload every `File` in a value of a request, and return the value with the upload ids."""
        if isinstance(value, dict):
            return {key: await self.send(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [await self.send(item) for item in value]
        if not isinstance(value, File):
            return value
        form = aiohttp.FormData()
        form.add_field("file", BytesIO(value.data), filename=value.filename, content_type=value.content_type)
        async with self._http.post(f"{self.url}/people/uploads", data=form) as response:
            answer = await response.json()
        if "upload" not in answer:
            raise NotDoneError(answer["error"])
        return {"upload": answer["upload"]}

    # ------------------------------------------------------------------- frames

    async def _read(self) -> None:
        async for frame in self._socket:
            await self._receive(json.loads(frame.data))
        for answer in self._answers.values():
            answer.set_exception(ConnectionError("The local Discord has gone."))

    async def _receive(self, frame: JSON) -> None:
        async with self._changed:
            if "event" in frame:
                self._apply(frame)
            elif (answer := self._answers.get(frame["id"])) is not None and not answer.done():
                answer.set_result(frame)
            self._changed.notify_all()

    def _apply(self, frame: JSON) -> None:
        match frame["event"]:
            case "hello":
                self.hello = frame
                self._messages = {channel: {m["id"]: Message(m) for m in messages} for channel, messages in frame["messages"].items()}
            case "message":
                message = Message(frame["message"])
                self._messages.setdefault(message.channel_id, {})[message.id] = message
            case "deleted":
                self._messages.get(frame["channel_id"], {}).pop(frame["message_id"], None)
            case "modal":
                self.modals.append(Modal(interaction_id=frame["interaction_id"], **frame["modal"]))
            case "closed":
                self.modals = [modal for modal in self.modals if modal.interaction_id != frame["interaction_id"]]
            case "unanswered":
                self.unanswered.append(frame["interaction_id"])
            case part:
                self.hello[part] = frame[part]

    def _last_seen(self) -> str:
        lines = [f"#{channel['name']}: {message}" for channel in self.hello["channels"] for message in self._recent(channel["id"])]
        return "Last seen:\n" + "\n".join(lines or ["nothing"])

    def _recent(self, channel_id: str) -> list[Message]:
        return list(self._messages.get(channel_id, {}).values())[-_SHOWN:]
