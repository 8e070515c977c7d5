"""Small valid files that announce an enormous number of pixels, each in the way of another format.

Sources: PNG (W3C, section 11), GIF89a (sections 18 to 22), WebP (RFC 9649, sections 2 and 3), AVIF (ISO/IEC 23008-12, section 6.5.3).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from PIL import Image

_PNG_SIDE_PX: Final = 20_000
_GIF_SIDE_PX: Final = 65_535
_WEBP_SIDE_PX: Final = 16_383


@cache
def png() -> bytes:
    """400 million white pixels in a few dozen kilobytes."""
    row = b"\0" + b"\xff" * (_PNG_SIDE_PX // 8)
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(row * 100) for _ in range(_PNG_SIDE_PX // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", _PNG_SIDE_PX, _PNG_SIDE_PX, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")))


def gif() -> bytes:
    """A screen of one pixel, and one frame of four billion."""
    screen = struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, _GIF_SIDE_PX, _GIF_SIDE_PX, 0)
    return b"GIF89a" + screen + frame + b"\x02\x02\x44\x01\x00;"


def lossless_webp(width: int = _WEBP_SIDE_PX, height: int = _WEBP_SIDE_PX) -> bytes:
    """38 bytes, whatever its size: its pixels have codes of no length."""
    return _riff(_webp_chunk(b"VP8L", _lossless(width, height)))


def animated_webp() -> bytes:
    """A canvas of 268 megapixels, and two frames of one pixel."""
    canvas = struct.pack("<I", 0x02) + _24_bits(_WEBP_SIDE_PX - 1) * 2
    frame = bytes(6) + _24_bits(0) * 2 + _24_bits(100) + b"\0" + _webp_chunk(b"VP8L", _lossless(1, 1))
    frames = _webp_chunk(b"ANMF", frame) * 2
    return _riff(_webp_chunk(b"VP8X", canvas) + _webp_chunk(b"ANIM", bytes(6)) + frames)


def avif() -> bytes:
    """An image of 64 pixels that is announced with a thousand million."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "coral").save(buffer, "AVIF")
    content = bytearray(buffer.getvalue())
    at = content.index(b"ispe") + 8
    content[at : at + 8] = struct.pack(">II", 32_768, 32_768)
    return bytes(content)


BOMBS: Final[Mapping[str, Callable[[], bytes]]] = {
    "bomb.png": png,
    "bomb.gif": gif,
    "bomb.webp": lossless_webp,
    "animated.webp": animated_webp,
    "bomb.avif": avif,
}


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _webp_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _lossless(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14 | 0b0001_0001_0001_0001_0001_000 << 32  # no transforms, then five codes of one symbol
    return b"\x2f" + bits.to_bytes(17, "little")


def _24_bits(value: int) -> bytes:
    return value.to_bytes(3, "little")
