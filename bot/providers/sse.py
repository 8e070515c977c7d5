"""Decoder of server-sent events, without I/O.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6; quoted where it is surprising.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

DEFAULT_MAX_EVENT_BYTES: Final = 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"
_PIECE_BYTES: Final = 64 * 1024  # at a time, because short lines take many times their size while they are decoded
_WHOLE_EVENTS_FROM_BYTES: Final = 512  # a smaller chunk holds few whole events, and is faster line by line
_LINES_KEPT: Final = 1024
_UTF8_BYTES: Final = 4  # the most for one character

# One event of the usual form in one step, with what is ignored between events; any other event as its lines, and at the end nothing.
_WHOLE_EVENT: Final = re.compile(
    r"""(?: :.*+\n | \n++ )*
        (?: (?: event:[ ]?+(.++)\n )?  (?: id:[ ]?+([^\0\n]++)\n )?  data:[ ]?+(.++ (?: \ndata:.*+ )* )\n\n
        |   ( (?: .++\n )+ )\n
        |   \Z )""",
    re.VERBOSE,
)
_NEXT_DATA: Final = re.compile("\ndata: ?")


class ServerEvent(NamedTuple):
    """One dispatched event."""

    type: str = "message"
    data: str = ""
    last_event_id: str = ""


class Decoder:
    """Decodes chunks of bytes, split anywhere, to events.

    An event of more than `max_event_bytes` (its lines in UTF-8, without line ends and comments) is dropped and counted in `dropped`; at
    most a few times that much is buffered. `retry_ms` is the reconnection time that the stream requested. An unfinished event at the end is
    ignored: "Once the end of the file is reached, any pending data must be discarded."
    """

    def __init__(self, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self.dropped = 0
        self.retry_ms: int | None = None
        self._max_event_bytes = max_event_bytes
        self._max_line_bytes = max_event_bytes + 1 + len(_BOM)  # enough to detect that a line is too long
        self._line = bytearray()  # the unfinished line
        self._at_start = True
        self._after_cr = False
        self._last_event_id = ""
        self._type = ""
        self._data: list[str] = []
        self._size = 0  # of the unfinished event's lines; 0 between events

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Decode the next bytes and return the events that they complete."""
        if self._after_cr and chunk:  # a CR ends its line at once, so the LF of a split CRLF ends none
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\n" not in chunk and b"\r" not in chunk:
            self._line += chunk
            if len(self._line) > self._max_line_bytes:
                del self._line[self._max_line_bytes :]
            return []
        if len(chunk) > _PIECE_BYTES:
            return self._feed_pieces(chunk)
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        ended, _, rest = chunk.rpartition(b"\n")
        line = self._line
        line += ended
        if self._at_start:  # "One leading U+FEFF BYTE ORDER MARK character must be ignored if any are present."
            line = line.removeprefix(_BOM)
            self._at_start = False
        text = line.decode("utf-8", "replace")  # whole lines, so no character is split
        self._line[:] = rest
        return self._lines(text) if len(chunk) < _WHOLE_EVENTS_FROM_BYTES else self._many_lines(text)

    def _feed_pieces(self, chunk: bytes) -> list[ServerEvent]:
        pieces = (chunk[start : start + _PIECE_BYTES] for start in range(0, len(chunk), _PIECE_BYTES))
        return [event for piece in pieces for event in self.feed(piece)]

    def _many_lines(self, text: str) -> list[ServerEvent]:
        """As `_lines`, with one search for all that is between the first and the last blank line."""
        start = text.find("\n\n") + 2 if self._size else 0
        end = text.rfind("\n\n") + 2
        if end - start < 2 or (end - start) * _UTF8_BYTES > self._max_event_bytes:  # the search does not count sizes
            return self._lines(text)
        events = self._lines(text[: start - 1]) if start else []
        for type_, id_, data, other in _WHOLE_EVENT.findall(text, start, end):
            if data:
                if id_:
                    self._last_event_id = id_
                if "\n" in data:
                    data = _NEXT_DATA.sub("\n", data)
                events.append(ServerEvent(type_ or "message", data, self._last_event_id))
            elif other:
                events += self._lines(other)
        return events + self._lines(text[end:])

    def _lines(self, text: str) -> list[ServerEvent]:
        """Take lines, separated by LF, one by one."""
        events = []
        ascii_only = text.isascii()
        for line in text.split("\n"):
            if not line:
                if event := self._dispatch():
                    events.append(event)
            elif line[0] != ":":
                self._size += len(line) if ascii_only else len(line.encode())
                if self._size > self._max_event_bytes:
                    self._data.clear()
                else:
                    name, _, value = line.partition(": ")  # the usual form
                    if name == "data":
                        self._data.append(value)
                    elif name == "event":
                        self._type = value
                    else:
                        self._take_field(line)
        if len(self._data) > _LINES_KEPT:  # a short string takes many times its size
            self._data = ["\n".join(self._data)]
        return events

    def _take_field(self, line: str) -> None:
        # Without a colon: "using the whole line as the field name, and the empty string as the field value."
        # "If value starts with a U+0020 SPACE character, remove it from value." One space, not all.
        name, _, value = line.partition(": ")
        if ":" in name:
            name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:  # "If the field value does not contain U+0000 NULL [...] Otherwise, ignore the field."
            self._last_event_id = value
        elif name == "retry" and re.fullmatch("[0-9]{1,18}", value):  # "consists of only ASCII digits"
            self.retry_ms = int(value)

    def _dispatch(self) -> ServerEvent | None:
        event = None
        if self._size > self._max_event_bytes:
            self.dropped += 1
        elif self._data:  # "If the data buffer is an empty string, set [...] the event type buffer to the empty string and return."
            event = ServerEvent(self._type or "message", "\n".join(self._data), self._last_event_id)
        self._type = ""
        self._data.clear()
        self._size = 0
        return event
