"""Decoder of server-sent events, without I/O.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6; quoted where it is surprising.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DEFAULT_MAX_EVENT_BYTES: Final = 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, kw_only=True)
class ServerEvent:
    """One dispatched event."""

    type: str = "message"
    data: str = ""
    last_event_id: str = ""


class Decoder:
    """Decodes chunks of bytes, split anywhere, to events.

    An event of more than `max_event_bytes` (its lines, without line ends and comments) is dropped and counted in `dropped`; at most about
    twice that much is buffered. `retry_ms` is the reconnection time that the stream requested. An unfinished event at the end is
    ignored: "Once the end of the file is reached, any pending data must be discarded."
    """

    def __init__(self, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self.dropped = 0
        self.retry_ms: int | None = None
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()  # the unfinished line
        self._at_start = True
        self._after_cr = False
        self._last_event_id = ""
        self._begin_event()

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Decode the next bytes and return the events that they complete."""
        if not chunk:
            return []
        position = 1 if self._after_cr and chunk.startswith(b"\n") else 0  # a CRLF was split between two chunks
        self._after_cr = chunk.endswith(b"\r")
        events = []
        for end in _LINE_END.finditer(chunk, position):
            self._grow(chunk[position : end.start()])
            position = end.end()
            events.append(self._end_line())
        self._grow(chunk[position:])
        return [event for event in events if event is not None]

    def _grow(self, part: bytes) -> None:
        """Append to the line, up to one byte more than the limit: enough to detect that it is too long."""
        remaining = self._max_event_bytes + 1 + len(_BOM) - len(self._line)
        self._line += part[:remaining]

    def _end_line(self) -> ServerEvent | None:
        line = bytes(self._line)
        self._line.clear()
        if self._at_start:  # "One leading U+FEFF BYTE ORDER MARK character must be ignored if any are present."
            line = line.removeprefix(_BOM)
            self._at_start = False
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            return None
        self._size += len(line)
        if self._size > self._max_event_bytes:
            self._data.clear()
        else:
            self._take_field(line)
        return None

    def _take_field(self, line: bytes) -> None:
        # Without a colon: "using the whole line as the field name, and the empty string as the field value."
        name, _, raw = line.partition(b":")
        # "If value starts with a U+0020 SPACE character, remove it from value." One space, not all.
        value = raw.removeprefix(b" ").decode("utf-8", errors="replace")
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._type = value
            case b"id" if "\0" not in value:  # "If the field value does not contain U+0000 NULL [...] Otherwise, ignore the field."
                self._last_event_id = value
            case b"retry" if re.fullmatch("[0-9]{1,18}", value):  # "consists of only ASCII digits"
                self.retry_ms = int(value)

    def _dispatch(self) -> ServerEvent | None:
        size, type_, data = self._size, self._type, self._data
        self._begin_event()
        if size > self._max_event_bytes:
            self.dropped += 1
            return None
        if (
            not data
        ):  # "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and return."
            return None
        return ServerEvent(type=type_ or "message", data="\n".join(data), last_event_id=self._last_event_id)

    def _begin_event(self) -> None:
        self._type = ""
        self._data: list[str] = []
        self._size = 0
