"""A fake of the ports to Discord, for tests of the services. The real adapters are tested in tests/journeys."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

from bot.core.errors import RouteClosed, TooLarge, TryLater
from bot.domain.job import Job
from bot.domain.order import Receipt
from bot.services.pipeline.routes import PostedMessage, ResultMessage


class Way(StrEnum):
    TOKEN = "token"
    MESSAGE = "message"  # the bot's own right to edit
    CHANNEL = "channel"  # a new message
    MEMBER = "member"  # a direct message
    HISTORY = "history"  # looking for a message
    ATTACHMENT = "attachment"  # looking for a picture in a message
    PROGRESS = "progress"  # editing a waiting message


class Trouble(StrEnum):
    BUSY = "busy"  # refused for now, nothing done
    LOST = "lost"  # done, and the answer lost
    ODD = "odd"  # something nobody thought of


@dataclass(kw_only=True)
class Notice:
    """One message."""

    id: int
    channel_id: int
    job_id: str = ""
    finished: bool = False
    files: list[tuple[str, int]] = field(default_factory=list)  # name and size in bytes
    notes: tuple[str, ...] = ()
    edits: int = 0
    steps: int | None = None  # of the bar
    promised: bool = False  # that its member will be called


class FakeDiscord:
    """Channels and direct messages (the channel of a member is minus their id). Edits may be repeated, new messages carry a nonce."""

    def __init__(self) -> None:
        self.notices: dict[int, Notice] = {}
        self.asked: Counter[Way] = Counter()
        self.closed: set[Way] = set()
        self.trouble: defaultdict[Way, deque[Trouble]] = defaultdict(deque)
        self.upload_limit_bytes = 10**9
        self.nonces_last = True  # Discord forgets them after a few minutes
        self.attachments: dict[tuple[str, int], str] = {}  # links to pictures that were shown, by job and picture
        self.held: dict[str, asyncio.Event] = {}  # by job id: calls for the job wait for the event
        self._originals: dict[str, int] = {}
        self._nonces: dict[tuple[int, str], int] = {}
        self._ids = count(1)

    def first_answer(self, job: Job) -> int:
        """The waiting message of a new job."""
        notice = self._new(job.place.channel_id, job.id)
        if job.place.token is not None:
            self._originals[job.place.token] = notice.id
        return notice.id

    def of(self, job_id: str) -> list[Notice]:
        """The finished messages of a job."""
        return [notice for notice in self.notices.values() if notice.job_id == job_id and notice.finished]

    # --- the port --------------------------------------------------------------------------------------------------

    async def edit_by_token(self, answer: ResultMessage) -> PostedMessage:
        original = self._originals.get(answer.job.place.token or "")
        return await self._carry_out(Way.TOKEN, answer, answer.job.place.message_id or original)

    async def edit_message(self, answer: ResultMessage) -> PostedMessage:
        return await self._carry_out(Way.MESSAGE, answer, answer.job.place.message_id)

    async def send_to_channel(self, answer: ResultMessage) -> PostedMessage:
        return await self._send(Way.CHANNEL, answer, answer.job.place.channel_id)

    async def send_to_member(self, answer: ResultMessage) -> PostedMessage:
        return await self._send(Way.MEMBER, answer, -answer.job.place.user_id)

    async def find(self, job: Job, *, since: int, direct: bool) -> PostedMessage | None:
        del since
        await self._enter(Way.HISTORY, job.id)
        channel_id = -job.place.user_id if direct else job.place.channel_id
        found = [notice for notice in self.of(job.id) if notice.channel_id == channel_id]
        return PostedMessage(channel_id=channel_id, message_id=found[0].id) if found else None

    async def attachment_url(self, job: Job, n: int) -> str | None:
        """Where the pictures of this job can be fetched, for tests that have put one there."""
        await self._enter(Way.ATTACHMENT, job.id)
        return self.attachments.get((job.id, n))

    async def show_progress(self, receipt: Receipt, *, steps: int | None) -> None:
        trouble = await self._enter(Way.PROGRESS, receipt.job.id)
        message_id = receipt.job.place.message_id
        if message_id is None or self.notices[message_id].finished:
            raise AssertionError("a waiting text was shown where a result stands")
        notice = self.notices[message_id]
        notice.edits, notice.steps, notice.promised = notice.edits + 1, steps, receipt.job.ping_promised
        _lose_the_answer(trouble)

    # --- within ----------------------------------------------------------------------------------------------------

    async def _send(self, way: Way, answer: ResultMessage, channel_id: int) -> PostedMessage:
        known = self._nonces.get((channel_id, answer.job.id)) if self.nonces_last else None
        posted = await self._carry_out(way, answer, known, channel_id=channel_id)
        self._nonces[channel_id, answer.job.id] = posted.message_id
        return posted

    async def _carry_out(self, way: Way, answer: ResultMessage, message_id: int | None, *, channel_id: int | None = None) -> PostedMessage:
        trouble = await self._enter(way, answer.job.id)
        files = [(picture.filename, len(await asyncio.to_thread(picture.path.read_bytes))) for picture in answer.images]
        if any(size > self.upload_limit_bytes for _, size in files):
            raise TooLarge("Request entity too large.")
        if message_id is None and channel_id is not None:
            message_id = self._new(channel_id, answer.job.id).id
            self._nonces[channel_id, answer.job.id] = message_id
        notice = self.notices.get(message_id or 0)
        if notice is None:
            raise RouteClosed("Unknown message.")
        notice.finished, notice.files, notice.notes, notice.edits = True, files, answer.notes, notice.edits + 1
        _lose_the_answer(trouble)
        return PostedMessage(channel_id=notice.channel_id, message_id=notice.id)

    async def _enter(self, way: Way, job_id: str) -> Trouble | None:
        self.asked[way] += 1
        if job_id in self.held:
            await self.held[job_id].wait()
        if way in self.closed:
            raise RouteClosed(f"The {way} is closed.")
        trouble = self.trouble[way].popleft() if self.trouble[way] else None
        if trouble is Trouble.BUSY:
            raise TryLater("Busy.")
        if trouble is Trouble.ODD:
            raise LookupError("nobody thought of this")
        return trouble

    def _new(self, channel_id: int, job_id: str) -> Notice:
        notice = Notice(id=next(self._ids), channel_id=channel_id, job_id=job_id)
        self.notices[notice.id] = notice
        return notice


def _lose_the_answer(trouble: Trouble | None) -> None:
    if trouble is Trouble.LOST:
        raise TryLater("No answer.")
