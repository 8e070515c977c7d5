"""A person at the local Discord, for tests and the demonstration: a small client of `discord/PROTOCOL.md`."""

from __future__ import annotations

import asyncio
import itertools
import json
import mimetypes
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, TypeVar

import aiohttp

JSON = dict[str, Any]
T = TypeVar("T")

_EPHEMERAL, _WAITING = 1 << 6, 1 << 7  # message flags
_BUTTON, _TEXT = 2, 10  # component types
_SHOWN = 5  # how many messages of each channel a failed wait shows


class NotDoneError(AssertionError):
    """The local Discord refused what this person asked; the text is the sentence it gave."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file to be uploaded when it is used."""

    filename: str
    data: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Modal:
    """A form that the bot opened."""

    interaction_id: str
    custom_id: str
    title: str
    components: list[JSON]

    def control(self, custom_id: str) -> JSON:
        return next(c for c in _walk(self.components) if c.get("custom_id") == custom_id)


@dataclass(frozen=True)
class Message:
    """A view of Discord's message object, which is in `raw`."""

    raw: JSON

    @property
    def id(self) -> str:
        return str(self.raw["id"])

    @property
    def channel_id(self) -> str:
        return str(self.raw["channel_id"])

    @property
    def content(self) -> str:
        return str(self.raw["content"])

    @property
    def author(self) -> str:
        return str(self.raw["author"]["username"])

    @property
    def attachments(self) -> list[JSON]:
        return list(self.raw["attachments"])

    @property
    def components(self) -> list[JSON]:
        """Every component, at any depth, in reading order."""
        return list(_walk(self.raw["components"]))

    @property
    def buttons(self) -> dict[str, JSON]:
        """Buttons by what is written on them: the label, or the emoji of one that has no label."""
        return {c.get("label") or (c.get("emoji") or {}).get("name") or "": c for c in self.components if c["type"] == _BUTTON}

    @property
    def text(self) -> str:
        """All that can be read: content, embeds and text components, line by line."""
        embeds = [str(embed[key]) for embed in self.raw["embeds"] for key in ("title", "description") if embed.get(key)]
        fields = [f"{f['name']}: {f['value']}" for embed in self.raw["embeds"] for f in embed.get("fields") or ()]
        return "\n".join(filter(None, [self.content, *embeds, *fields, *(c["content"] for c in self.components if c["type"] == _TEXT)]))

    @property
    def reactions(self) -> dict[str, int]:
        return {reaction["emoji"]["name"]: reaction["count"] for reaction in self.raw["reactions"]}

    @property
    def ephemeral(self) -> bool:
        return bool(self.raw["flags"] & _EPHEMERAL)

    @property
    def waiting(self) -> bool:
        """ "is thinking…": the bot has promised an answer."""
        return bool(self.raw["flags"] & _WAITING)

    def __str__(self) -> str:
        marks = "".join((" ephemeral" if self.ephemeral else "", " waiting" if self.waiting else ""))
        files = [f"{a['filename']} ({a['size']} bytes)" for a in self.attachments]
        return f"<{self.author}{marks}: {self.text!r}, files {files}, buttons {list(self.buttons)}>"


@dataclass(kw_only=True)
class Person:
    """What this person sees, kept up to date by pushed frames, and what they can do.

    A channel is given by its name (`"studio"`), `"dm"` for the direct messages with the bot. Everything that Discord's client would
    refuse, and an interaction that the bot leaves unanswered, raises `NotDoneError`.
    """

    url: str
    name: str
    hello: JSON = field(default_factory=dict)
    modals: list[Modal] = field(default_factory=list)  # those that are open
    unanswered: list[str] = field(default_factory=list)  # interaction ids
    _messages: dict[str, dict[str, Message]] = field(default_factory=dict)
    _answers: dict[int, asyncio.Future[JSON]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _http: aiohttp.ClientSession = field(init=False)
    _socket: aiohttp.ClientWebSocketResponse = field(init=False)

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, name: str) -> AsyncIterator[Person]:
        """Be this person (by name or id) at the server whose chat page is at `url`, until the block ends."""
        person = cls(url=url.rstrip("/"), name=name)
        async with (
            aiohttp.ClientSession() as person._http,
            person._http.ws_connect(f"{person.url}/people/socket", params={"as": name}, max_msg_size=0) as person._socket,
        ):
            await person._take(await person._socket.receive_json())
            reader = asyncio.create_task(person._read(), name=f"frames for {name}")
            try:
                yield person
            finally:
                reader.cancel()
                await asyncio.wait([reader])

    # ------------------------------------------------------------------ looking

    @property
    def id(self) -> str:
        return str(self.hello["you"]["id"])

    @property
    def bot_online(self) -> bool:
        return bool(self.hello["bot"]["online"])

    @property
    def commands(self) -> dict[str, JSON]:
        return {command["name"]: command for command in self.hello["commands"]}

    def channel(self, name: str) -> str:
        """The id of a channel."""
        for channel in self.hello["channels"]:
            if channel["name"] == name or (name == "dm" and channel["kind"] == "dm"):
                return str(channel["id"])
        raise NotDoneError(f"{self.name} sees no channel called {name}.")

    def messages(self, channel: str = "studio") -> list[Message]:
        """Oldest first."""
        return sorted(self._messages.get(self.channel(channel), {}).values(), key=lambda message: int(message.id))

    async def fetch(self, url: str) -> bytes:
        """Download an attachment. Raises `NotDoneError` where it cannot be had."""
        async with self._http.get(url) as response:
            if response.status != 200:
                raise NotDoneError(f"{url} answered {response.status}.")
            return await response.read()

    # ------------------------------------------------------------------ waiting

    async def until(self, predicate: Callable[[], T | None], timeout_s: float = 10) -> T:
        """Wait for frames until `predicate()` is true, and return what it gave."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                while not (found := predicate()):
                    await self._news.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"{self.name} waited {timeout_s} s in vain. {self._last_seen()}") from None

    async def message(self, predicate: Callable[[Message], object], channel: str = "studio", timeout_s: float = 10) -> Message:
        """Wait until a channel shows a message for which `predicate` is true; the newest such."""
        return await self.until(lambda: next((m for m in reversed(self.messages(channel)) if predicate(m)), None), timeout_s)

    async def modal(self, timeout_s: float = 10) -> Modal:
        """Wait for a form to be open; the newest."""
        return (await self.until(lambda: self.modals, timeout_s))[-1]

    # -------------------------------------------------------------------- doing

    def upload(self, filename: str, data: bytes, content_type: str | None = None) -> File:
        """A file for an option, a form or a message."""
        guessed = content_type or mimetypes.guess_type(filename)[0] or "application/octet-stream"
        return File(filename=filename, data=data, content_type=guessed)

    async def slash(self, command: str, channel: str = "studio", /, **values: Any) -> str:
        """Run a slash command (a subcommand by its path, `"admin pause"`). Returns the interaction's id once the bot has answered."""
        return await self._interact("slash", channel_id=self.channel(channel), command=command, options=await self._sent(values))

    async def autocomplete(self, command: str, focused: str, channel: str = "studio", /, **values: Any) -> list[JSON]:
        """The suggestions for the option `focused`, whose text so far is among the values."""
        answer = await self.ask("autocomplete", channel_id=self.channel(channel), command=command, focused=focused, options=values)
        return list(answer["choices"])

    async def menu(self, command: str, message: Message) -> str:
        """Choose a command in a message's menu."""
        return await self._interact("menu", **_at(message), command=command)

    async def click(self, message: Message, button: str) -> str:
        """Press a button, given by its label or custom_id."""
        named = message.buttons.get(button)
        return await self._interact("click", **_at(message), custom_id=named["custom_id"] if named else button)

    async def select(self, message: Message, custom_id: str, *values: str) -> str:
        """Choose in a select menu."""
        return await self._interact("select", **_at(message), custom_id=custom_id, values=list(values))

    async def submit(self, modal: Modal, /, **fields: Any) -> str:
        """Send a form off: for each custom_id a text, a list of values, or a list of files."""
        return await self._interact("submit", interaction_id=modal.interaction_id, fields=await self._sent(fields))

    async def dismiss(self, modal: Modal) -> None:
        await self.ask("dismiss", interaction_id=modal.interaction_id)

    async def say(self, content: str, channel: str = "studio", *, files: tuple[File, ...] = ()) -> str:
        """Post a message and return its id."""
        uploads = [(await self._sent(file))["upload"] for file in files]
        return str((await self.ask("say", channel_id=self.channel(channel), content=content, uploads=uploads))["message_id"])

    async def react(self, message: Message, emoji: str, *, on: bool = True) -> None:
        await self.ask("react" if on else "unreact", **_at(message), emoji=emoji)

    async def delete(self, message: Message) -> None:
        await self.ask("delete", **_at(message))

    async def fault(self, name: str, *, on: bool = True, times: int | None = None) -> None:
        await self.ask("fault", name=name, on=on, times=times)

    async def join(self, name: str, *, moderator: bool = False) -> JSON:
        """Let somebody new join the server."""
        return dict((await self.ask("join", name=name, moderator=moderator))["person"])

    async def ask(self, do: str, **fields: Any) -> JSON:
        """Any request of the protocol."""
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

    # ------------------------------------------------------------------ helpers

    async def _interact(self, do: str, **fields: Any) -> str:
        return str((await self.ask(do, **fields))["interaction_id"])

    async def _sent(self, value: Any) -> Any:
        """A value in which every file has been uploaded."""
        if isinstance(value, dict):
            return {key: await self._sent(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [await self._sent(item) for item in value]
        if not isinstance(value, File):
            return value
        form = aiohttp.FormData()
        form.add_field("file", BytesIO(value.data), filename=value.filename, content_type=value.content_type)
        async with self._http.post(f"{self.url}/people/uploads", data=form) as response:
            answer = await response.json()
        if "upload" not in answer:
            raise NotDoneError(answer["error"])
        return {"upload": answer["upload"]}

    async def _read(self) -> None:
        async for frame in self._socket:
            await self._take(json.loads(frame.data))
        for answer in self._answers.values():
            answer.set_exception(ConnectionError("The local Discord has gone."))

    async def _take(self, frame: JSON) -> None:
        async with self._news:
            if "event" in frame:
                self._notice(frame)
            elif (answer := self._answers.get(frame["id"])) is not None and not answer.done():
                answer.set_result(frame)
            self._news.notify_all()

    def _notice(self, frame: JSON) -> None:
        match frame["event"]:
            case "hello":
                self.hello = frame
                for messages in frame["messages"].values():
                    for message in messages:
                        self._keep(Message(message))
            case "message":
                self._keep(Message(frame["message"]))
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

    def _keep(self, message: Message) -> None:
        self._messages.setdefault(message.channel_id, {})[message.id] = message

    def _last_seen(self) -> str:
        lines = [f"#{channel['name']}: {message}" for channel in self.hello["channels"] for message in self._recent(channel["id"])]
        return "Last seen:\n" + "\n".join(lines or ["nothing"])

    def _recent(self, channel_id: str) -> list[Message]:
        return list(self._messages.get(channel_id, {}).values())[-_SHOWN:]


def _at(message: Message) -> JSON:
    return {"channel_id": message.channel_id, "message_id": message.id}


def _walk(components: list[JSON]) -> Iterator[JSON]:
    for component in components:
        yield component
        yield from _walk(component.get("components") or [])
        yield from _walk([component[key] for key in ("accessory", "component") if component.get(key)])
