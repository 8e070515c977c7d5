"""Undoes the content encodings gzip and deflate, which some servers use although none was accepted.

Sources: RFC 9110 (section 8.4.1), RFC 1950 (zlib), RFC 1952 (gzip).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from bot.core.errors import ImageError
from bot.core.i18n import _

_GZIP: Final = 16 + zlib.MAX_WBITS
_NONE: Final = frozenset({"", "identity"})
_NAMES: Final = frozenset({"gzip", "x-gzip", "deflate"})


class BodyDecoder:
    """Decompresses a body in pieces. Raises `ValueError` for damaged data."""

    def __init__(self, name: str) -> None:
        self._is_deflate = name == "deflate"
        self._stream = None if self._is_deflate else zlib.decompressobj(_GZIP)

    @property
    def is_complete(self) -> bool:
        """Whether the end of the compressed data was read."""
        return self._stream is not None and self._stream.eof

    def feed(self, piece: bytes | bytearray, *, most: int) -> bytes:
        """The content of the next piece, at most `most` bytes of it: the caller must give up at that size."""
        if not piece:
            return b""
        if self._stream is None:
            # "deflate" is zlib's format; some servers send the bare data instead.
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if _has_zlib_header(piece) else -zlib.MAX_WBITS)
        content = bytearray()
        try:
            while piece and len(content) < most:
                content += self._stream.decompress(piece, most - len(content))
                piece = self._stream.unconsumed_tail
                if self._stream.eof and not self._is_deflate and self._stream.unused_data.strip(b"\0"):
                    piece = self._stream.unused_data  # gzip may have several members
                    self._stream = zlib.decompressobj(_GZIP)
        except zlib.error as error:
            raise ValueError("the compressed data is damaged") from error
        return bytes(content)


def decoder_of(encodings: Iterable[str]) -> BodyDecoder | None:
    """The decoder for the values of Content-Encoding; None if there is nothing to undo. Raises `ImageError` for other encodings."""
    names = [name for value in encodings for each in value.split(",") if (name := each.strip().lower()) not in _NONE]
    if not names:
        return None
    if len(names) > 1 or names[0] not in _NAMES:
        raise ImageError(_("The image is compressed in a form that Easel can't read."))
    return BodyDecoder(names[0])


def _has_zlib_header(piece: bytes | bytearray) -> bool:
    """RFC 1950, section 2.2. A single byte is not enough to tell; then the first nibble decides."""
    if piece[0] & 0x0F != 8:
        return False
    return len(piece) < 2 or (piece[0] * 256 + piece[1]) % 31 == 0
