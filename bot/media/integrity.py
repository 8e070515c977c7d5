"""Whether a PNG or JPEG file is whole. It is read in pieces, so that the memory does not depend on the image, unlike when decoding it.

Damaged files raise `EOFError`, `LookupError`, `ValueError`, `struct.error` or `zlib.error`.
Sources: PNG (W3C, sections 5, 8 and 11.2), JPEG (ITU-T T.81, annex B).
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from bot.media.headers import START_OF_FRAME

_PIECE_BYTES: Final = 64 * 1024
_MAX_CHUNKS: Final = 20_000  # of a PNG; libpng's usual 8 KB make 160 MB of them
_MAX_SEGMENTS: Final = 1000  # of a JPEG
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PLAIN: Final = ((0, 0, 1, 1),)
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # x, y, their steps
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = 0xD9
_WITHOUT_LENGTH: Final = (0x01, 0xD8)
_METADATA: Final = frozenset({*range(0xE0, 0xF0), 0xFE})
_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in a scan, FF 00 stands for the byte FF, and D0 to D7 are restarts


def check_png(file: BinaryIO) -> None:
    """Checks the checksums of critical chunks, the number of pixels, and the end."""
    file.seek(8)
    pixels: _Pixels | None = None
    for _chunk in range(_MAX_CHUNKS):
        length, kind = struct.unpack(">I4s", file.read(8))
        checksum = zlib.crc32(kind)
        for piece in _pieces(file, length):
            checksum = zlib.crc32(piece, checksum)
            if kind == b"IHDR":
                pixels = _Pixels(piece)
            elif kind == b"IDAT" and pixels is not None:
                pixels.inflate(piece)
        if struct.unpack(">I", file.read(4)) != (checksum,) and kind[:1].isupper():
            raise ValueError("a checksum is wrong")
        if kind == b"IEND":
            break
    if pixels is None or pixels.missing_bytes > 0:
        raise EOFError("pixels are missing")


class _Pixels:
    """Counts the bytes of the filtered rows while they are inflated."""

    def __init__(self, header: bytes) -> None:
        width, height, depth, colour_type, interlaced = struct.unpack(">IIBB2xB", header)
        bits = depth * _CHANNELS[colour_type]
        sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in (_ADAM7 if interlaced else _PLAIN))
        self.missing_bytes = sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)
        self._stream = zlib.decompressobj()

    def inflate(self, piece: bytes) -> None:
        """Stops at the expected length, however large the data would become."""
        while piece and self.missing_bytes > 0:
            self.missing_bytes -= len(self._stream.decompress(piece, _PIECE_BYTES))
            piece = self._stream.unconsumed_tail


def check_jpeg(file: BinaryIO) -> bytes:
    """Checks that segments and scans are complete, and the end. What scans contain is not checked: decoders accept any data there.

    Returns the frame's header and all tables as a JPEG of 8x8 px without data, for a decoder to check them.
    """
    file.seek(2)
    small, has_scan = bytearray(b"\xff\xd8"), False
    for _segment in range(_MAX_SEGMENTS):
        code = _next_marker(file)
        if code == _END_OF_IMAGE and has_scan:
            return bytes(small + b"\xff\xd9")
        segment = b"" if code in _WITHOUT_LENGTH else _segment_of(file)
        if code in START_OF_FRAME:
            segment = segment[:3] + struct.pack(">HH", 8, 8) + segment[7:]
        if code not in _METADATA:
            small += bytes((0xFF, code)) + segment
        has_scan |= code == _START_OF_SCAN
    raise ValueError("too many segments")


def _segment_of(file: BinaryIO) -> bytes:
    """A segment from its length on."""
    length = file.read(2)
    return length + b"".join(_pieces(file, struct.unpack(">H", length)[0] - 2))


def _next_marker(file: BinaryIO) -> int:
    """The code of the next marker, behind a scan or fill bytes."""
    while piece := file.read(_PIECE_BYTES):
        if found := _MARKER.search(piece):
            file.seek(found.end() - len(piece), io.SEEK_CUR)
            return piece[found.end() - 1]
        if piece.endswith(b"\xff") and len(piece) > 1:
            file.seek(-1, io.SEEK_CUR)  # perhaps the first half of a marker
    raise EOFError("the end is missing")


def _pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0:
        piece = file.read(min(length, _PIECE_BYTES))
        if not piece:
            raise EOFError("a chunk is cut short")
        length -= len(piece)
        yield piece
