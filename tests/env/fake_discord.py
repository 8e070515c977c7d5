"""A fake of the services' ports to Discord. The real adapters are tested in tests/journeys."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

from bot.core.errors import MessageRefused, Refused, RouteClosed, TooLarge, TryLater
from bot.domain.job import Job
from bot.domain.order import Receipt
from bot.services.pipeline.delivery.results import PostedImage
from bot.services.pipeline.delivery.routes import PostedMessage, ResultMessage


class DiscordRoute(StrEnum):
    TOKEN = "token"
    MESSAGE = "message"  # an edit with the bot's own permissions
    CHANNEL = "channel"  # a new message
    MEMBER = "member"  # a direct message
    HISTORY = "history"  # searching for a message
    ATTACHMENT = "attachment"  # searching for an image in a message
    PROGRESS = "progress"  # editing a waiting message


class DiscordFault(StrEnum):
    BUSY = "busy"  # refused for now, nothing done
    LOST = "lost"  # done, but the response is lost
    UNEXPECTED = "unexpected"  # an unknown exception


@dataclass(kw_only=True)
class FakeMessage:
    id: int
    channel_id: int
    job_id: str = ""
    finished: bool = False
    files: list[tuple[str, int]] = field(default_factory=list)  # name and size in bytes
    notes: tuple[str, ...] = ()
    edits: int = 0
    steps: int | None = None  # of the progress bar
    promised: bool = False  # it promises a ping


class FakeDiscord:
    """Channels and direct messages (whose channel id is minus the member's id). Edits are idempotent, new messages have a nonce."""

    def __init__(self) -> None:
        self.messages: dict[int, FakeMessage] = {}
        self.calls: Counter[DiscordRoute] = Counter()
        self.closed: set[DiscordRoute] = set()
        self.faults: defaultdict[DiscordRoute, deque[DiscordFault]] = defaultdict(deque)
        self.upload_limit_bytes = 10**9
        self.refuses: Callable[[ResultMessage], Refused | None] = lambda _message: None
        self.remembers_nonces = True  # Discord forgets them after a few minutes
        self.attachments: dict[tuple[str, int], str] = {}  # links to delivered images, by job id and number
        self.gone: set[int] = set()  # channels that were deleted
        self.blocked: dict[str, asyncio.Event] = {}  # by job id: calls for the job wait for the event
        self._originals: dict[str, int] = {}
        self._nonces: dict[tuple[int, str], int] = {}
        self._ids = count(1)

    def post_waiting_message(self, job: Job) -> int:
        message = self._new(job.place.channel_id, job.id)
        if job.place.token is not None:
            self._originals[job.place.token] = message.id
        return message.id

    def results_of(self, job_id: str) -> list[FakeMessage]:
        """The job's messages that show its outcome."""
        return [message for message in self.messages.values() if message.job_id == job_id and message.finished]

    # --- the port --------------------------------------------------------------------------------------------------

    async def edit_by_token(self, message: ResultMessage) -> PostedMessage:
        original = self._originals.get(message.job.place.token or "")
        return await self._show(DiscordRoute.TOKEN, message, message.job.place.message_id or original)

    async def edit_message(self, message: ResultMessage) -> PostedMessage:
        return await self._show(DiscordRoute.MESSAGE, message, message.job.place.message_id)

    async def send_to_channel(self, message: ResultMessage) -> PostedMessage:
        return await self._send(DiscordRoute.CHANNEL, message, message.job.place.channel_id)

    async def send_to_member(self, message: ResultMessage) -> PostedMessage:
        return await self._send(DiscordRoute.MEMBER, message, -message.job.place.user_id)

    async def find(self, job: Job, *, since: int, direct: bool, waiting: bool = False) -> PostedMessage | None:
        del since
        await self._call(DiscordRoute.HISTORY, job.id)
        channel_id = -job.place.user_id if direct else job.place.channel_id
        shown = [message for message in self.messages.values() if message.job_id == job.id and (message.finished or waiting)]
        found = [message for message in shown if message.channel_id == channel_id]
        return PostedMessage(channel_id=channel_id, message_id=found[0].id) if found else None

    async def posted_images(self, job: Job) -> Mapping[int, PostedImage]:
        """The links that a test has put into `attachments`."""
        await self._call(DiscordRoute.ATTACHMENT, job.id)
        return {n: PostedImage(url=url) for (job_id, n), url in self.attachments.items() if job_id == job.id}

    async def is_gone(self, job: Job) -> bool:
        return job.place.channel_id in self.gone

    async def show_progress(self, receipt: Receipt, *, steps: int | None) -> None:
        fault = await self._call(DiscordRoute.PROGRESS, receipt.job.id)
        message_id = receipt.job.place.message_id
        if message_id is None or self.messages[message_id].finished:
            raise AssertionError("a result was overwritten by a waiting message")
        message = self.messages[message_id]
        message.edits, message.steps, message.promised = message.edits + 1, steps, receipt.job.ping_promised
        _raise_if_lost(fault)

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _send(self, route: DiscordRoute, result: ResultMessage, channel_id: int) -> PostedMessage:
        known = self._nonces.get((channel_id, result.job.id)) if self.remembers_nonces else None
        posted = await self._show(route, result, known, channel_id=channel_id)
        self._nonces[channel_id, result.job.id] = posted.message_id
        return posted

    async def _show(
        self, route: DiscordRoute, result: ResultMessage, message_id: int | None, *, channel_id: int | None = None
    ) -> PostedMessage:
        fault = await self._call(route, result.job.id)
        if (reason := self.refuses(result)) is not None:
            raise MessageRefused("Refused.", reason=reason)
        files = [(image.filename, len(await asyncio.to_thread(image.path.read_bytes))) for image in result.images]
        if any(size > self.upload_limit_bytes for _, size in files):
            raise TooLarge("Request entity too large.")
        if message_id is None and channel_id is not None:
            message_id = self._new(channel_id, result.job.id).id
            self._nonces[channel_id, result.job.id] = message_id
        message = self.messages.get(message_id or 0)
        if message is None:
            raise RouteClosed("Unknown message.")
        message.finished, message.files, message.notes, message.edits = True, files, result.notes, message.edits + 1
        _raise_if_lost(fault)
        return PostedMessage(channel_id=message.channel_id, message_id=message.id)

    async def _call(self, route: DiscordRoute, job_id: str) -> DiscordFault | None:
        self.calls[route] += 1
        if job_id in self.blocked:
            await self.blocked[job_id].wait()
        if route in self.closed:
            raise RouteClosed(f"The {route} is closed.")
        fault = self.faults[route].popleft() if self.faults[route] else None
        if fault is DiscordFault.BUSY:
            raise TryLater("Busy.")
        if fault is DiscordFault.UNEXPECTED:
            raise LookupError("unexpected")
        return fault

    def _new(self, channel_id: int, job_id: str) -> FakeMessage:
        message = FakeMessage(id=next(self._ids), channel_id=channel_id, job_id=job_id)
        self.messages[message.id] = message
        return message


def _raise_if_lost(fault: DiscordFault | None) -> None:
    if fault is DiscordFault.LOST:
        raise TryLater("No response.")
