"""Drops long texts from JSON while it is received.

An image API may echo inline reference images, so that one row has tens of megabytes; nothing that is read from such an answer is long.
"""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 64 * 1024  # bytes of a text that is kept even if it does not arrive in one piece
_TEXT: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)  # up to the closing quote
_OUTSIDE: Final = re.compile(rb'(?:[^"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)  # up to a text that does not end in this piece


class LeanJson:
    """Takes the pieces of a JSON document, and returns them with an empty text in place of each long one."""

    def __init__(self) -> None:
        self._text: bytearray | None = None  # the start of the text that is being received
        self._is_long = False
        self._carry = b""  # a backslash without the character that it escapes

    def feed(self, piece: bytes) -> bytes:
        piece, self._carry = self._carry + piece, b""
        kept, at = bytearray(), 0
        if self._text is not None:
            at = self._take_text(piece, 0)
            if at == len(piece):
                return b""
            kept += (b"" if self._is_long else self._text) + b'"'
            at += 1
        end = _end(_OUTSIDE, piece, at)
        kept += piece[at:end]
        self._text = None
        if end < len(piece):
            kept += b'"'
            self._text, self._is_long = bytearray(), False
            self._take_text(piece, end + 1)
        return bytes(kept)

    def _take_text(self, piece: bytes, at: int) -> int:
        """Keep the text from `at` on unless it is too long. Returns where its closing quote is, or the length of the piece."""
        end = _end(_TEXT, piece, at)
        if piece[end : end + 1] == b"\\":
            self._carry, piece = piece[end:], piece[:end]
        if self._text is not None and not self._is_long:
            self._text += piece[at:end]
            self._is_long = len(self._text) > _LONGEST
            if self._is_long:
                self._text.clear()
        return end if end < len(piece) else len(piece) + len(self._carry)


def _end(pattern: re.Pattern[bytes], piece: bytes, at: int) -> int:
    found = pattern.match(piece, at)
    return at if found is None else found.end()
