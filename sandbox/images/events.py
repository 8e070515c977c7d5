"""The event stream, its listeners and its faults."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from sandbox.faults import Switchboard
    from sandbox.images.account import ApiAccount
    from sandbox.images.timing import ApiTiming

COMPLETED = "media_generation_completed"
KEEP_ALIVE = b": keep-alive\n\n"
HUGE_BYTES = 4 * 2**20
MAX_WAITING_CHUNKS = 256  # a listener that is further behind is disconnected


@dataclass(frozen=True, kw_only=True)
class StreamChunk:
    """What is written for one event, one item per write."""

    writes: tuple[bytes, ...]
    cut: bool = False  # cut the stream afterwards


class EventStreams:
    """All open streams. Events have no ids and are not replayed to listeners that connect later."""

    def __init__(self, *, switchboard: Switchboard, timing: ApiTiming) -> None:
        self._switchboard = switchboard
        self._timing = timing
        self._inboxes: dict[asyncio.Queue[StreamChunk], ApiAccount] = {}
        switchboard.listen(self._close_if_refused)

    def __len__(self) -> int:
        return len(self._inboxes)

    def publish(self, account: ApiAccount, event: dict[str, Any]) -> None:
        """Send one completion event to every stream of the account, with the faults that are on."""
        if self._switchboard.fires("events-lost") or self._switchboard.fires("events-silent"):
            return
        chunk = _chunk_for(event, self._switchboard)
        for inbox in [inbox for inbox, owner in self._inboxes.items() if owner is account]:
            self._put(inbox, chunk)

    async def serve(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        """Hold one stream open until the client leaves, a fault cuts it, or `close_all` ends it."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        with self._listening(account) as inbox:
            await response.prepare(request)
            while True:
                chunk = await self._next(inbox)
                for piece in chunk.writes:
                    await response.write(piece)
                    await asyncio.sleep(0)  # so that every piece is sent on its own
                if chunk.cut:
                    _cut(request)
                    return response

    def close_all(self) -> None:
        """End every open stream."""
        for inbox in list(self._inboxes):
            self._put(inbox, StreamChunk(writes=(), cut=True))

    @contextmanager
    def _listening(self, account: ApiAccount) -> Iterator[asyncio.Queue[StreamChunk]]:
        inbox: asyncio.Queue[StreamChunk] = asyncio.Queue(MAX_WAITING_CHUNKS)
        self._inboxes[inbox] = account
        try:
            yield inbox
        finally:
            self._inboxes.pop(inbox, None)

    async def _next(self, inbox: asyncio.Queue[StreamChunk]) -> StreamChunk:
        try:
            async with asyncio.timeout(self._timing.keep_alive_s):
                return await inbox.get()
        except TimeoutError:
            silent = self._switchboard.is_on("events-silent")
            return StreamChunk(writes=() if silent else (KEEP_ALIVE,))

    def _put(self, inbox: asyncio.Queue[StreamChunk], chunk: StreamChunk) -> None:
        """A listener that does not read loses its waiting events and is disconnected."""
        if inbox.full():
            while not inbox.empty():
                inbox.get_nowait()
            chunk = StreamChunk(writes=(), cut=True)
        inbox.put_nowait(chunk)

    def _close_if_refused(self) -> None:
        if self._switchboard.is_on("events-refused"):
            self.close_all()


def _cut(request: web.Request) -> None:
    """Close the connection: what was written is still sent, the end of the chunked body is not."""
    if request.transport is not None:
        request.transport.close()


def frame(name: str, data: dict[str, Any], *, ending: str = "\n") -> bytes:
    """One event. The JSON has no spaces because a documented client searches for `"generation_id":"<id>"` with awk."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return f"event: {name}{ending}data: {text}{ending}{ending}".encode()


def _chunk_for(event: dict[str, Any], switchboard: Switchboard) -> StreamChunk:
    pieces: list[bytes] = []
    if switchboard.fires("events-other-types"):
        pieces += [frame("repository_pushed", {"repo": "sandbox/images"}), frame("message", {"text": "no news"})]
    if switchboard.fires("events-strangers"):
        pieces.append(frame(COMPLETED, _foreign_event()))
    if switchboard.fires("events-huge"):
        pieces.append(frame(COMPLETED, _foreign_event() | {"note": "x" * HUGE_BYTES}))
    if switchboard.fires("events-garbled"):
        pieces += _garbled(event)
    else:
        pieces.append(frame(COMPLETED, event))
    if switchboard.fires("events-doubled"):
        pieces.append(frame(COMPLETED, event))
    return StreamChunk(writes=tuple(pieces), cut=switchboard.fires("events-cut"))


def _foreign_event() -> dict[str, Any]:
    """A completion event of another application that uses the same account."""
    url = "https://hub.oxen.ai/api/repos/elau/assets/file/main/elsewhere.png"
    return {"generation_id": str(uuid.uuid4()), "status": "succeeded", "media_type": "image", "model": "elsewhere", "url": url}


def _garbled(event: dict[str, Any]) -> list[bytes]:
    """Noise that the standard tells clients to ignore, then the event with other line endings, in pieces of seven bytes."""
    noise = (
        b": \xff\xfe bad UTF-8 in a comment\r\n:\r\n"
        b"noise\xc3: \x80\r\n\r\n"
        b"event: " + COMPLETED.encode() + b"\r\n\r\n"  # no data: never dispatched
        b"data\r\n\r\n"  # an empty message
        b"retry: soon\rid: \xf0\x9f\r\r"
    )
    whole = noise + frame(COMPLETED, event, ending="\r\n")
    return [whole[start : start + 7] for start in range(0, len(whole), 7)]
