"""PNG files. Source: PNG (W3C, third edition), sections 5, 7, 8 and 11."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

from tests.media.cases.sample import (
    QUARTERS,
    SIZE,
    Pixel,
    Size,
    quarter_at,
)

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # x, y, their steps
COLOURS: Final = tuple(colour[:3] for colour in QUARTERS)
START: Final = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes = b"", *, crc: int | None = None) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)


def header(size: Size, depth: int, kind: int, *, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, interlaced))


def rows(size: Size, depth: int, pixels: Sequence[Pixel], *, interlaced: bool = False) -> bytes:
    """The rows, each with its filter's number, of an image whose quarters have these samples."""
    steps = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    parts = ((range(x, size[0], dx), range(y, size[1], dy)) for x, y, dx, dy in steps)
    return b"".join(b"\0" + _packed([pixels[quarter_at(x, y, size)] for x in xs], depth) for xs, ys in parts if xs for y in ys)


def _packed(row: Sequence[Pixel], depth: int) -> bytes:
    samples = [sample for pixel in row for sample in pixel]
    if depth == 16:
        return struct.pack(f">{len(samples)}H", *samples)
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def png(
    pixels: Sequence[Pixel] = COLOURS,
    *,
    size: Size = SIZE,
    depth: int = 8,
    kind: int = RGB,
    interlaced: bool = False,
    before: bytes = b"",
    after: bytes = b"",
    behind: bytes = b"",
    data: bytes | None = None,
) -> bytes:
    """`before` and `after` are chunks around the pixels' data, and `behind` follows the end."""
    if data is None:
        data = chunk(b"IDAT", zlib.compress(rows(size, depth, pixels, interlaced=interlaced)))
    return START + header(size, depth, kind, interlaced=interlaced) + before + data + after + chunk(b"IEND") + behind


def profile(content: bytes) -> bytes:
    return chunk(b"iCCP", b"a profile\0\0" + zlib.compress(content))
