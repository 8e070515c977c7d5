"""Type and size of an image, read from its header without decoding.

Decoders allocate memory for the size in the header, so it is checked before they are used.
Sources: PNG (W3C, section 11.2.1), GIF89a (section 18), JPEG (ITU-T T.81, annex B), WebP (RFC 9649, section 2).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Final

from bot.core.errors import ImageError, NotAnImage
from bot.core.i18n import N_, _


class Format(StrEnum):
    """The accepted types; the values are Pillow's names."""

    PNG = "PNG"
    JPEG = "JPEG"
    WEBP = "WEBP"
    GIF = "GIF"

    @property
    def content_type(self) -> str:
        return f"image/{self.value.lower()}"

    @property
    def extension(self) -> str:
        """The file extension, without the dot."""
        return "jpg" if self is Format.JPEG else self.value.lower()


@dataclass(frozen=True, kw_only=True)
class Header:
    """Type and size as the header states them."""

    format: Format
    width: int  # px, before the orientation is applied
    height: int


_CUT: Final = N_("The image is incomplete.")
_MAX_SEGMENTS: Final = 1000
# T.81, table B.1: start of frame is C0 to CF, except DHT (C4), JPG (C8) and DAC (CC). TEM and RST0 to EOI have no length.
START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})


def read_header(file: BinaryIO) -> Header:
    """Read the header from the start of `file`. Raises `ImageError` for other types and truncated files."""
    file.seek(0)
    start = file.read(30)
    try:
        format_, (width, height) = _read(start, file)
    except struct.error:
        raise ImageError(_(_CUT)) from None
    if width < 1 or height < 1:
        raise ImageError(_("The image has no width or height."))
    return Header(format=format_, width=width, height=height)


def _read(start: bytes, file: BinaryIO) -> tuple[Format, tuple[int, int]]:
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return Format.PNG, struct.unpack_from(">II", start, 16)
    if start.startswith((b"GIF87a", b"GIF89a")):
        return Format.GIF, struct.unpack_from("<HH", start, 6)
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return Format.WEBP, _webp_size(start)
    if start.startswith(b"\xff\xd8\xff"):
        return Format.JPEG, _jpeg_size(file)
    raise NotAnImage(_("The file isn't an image."))


def _webp_size(start: bytes) -> tuple[int, int]:
    chunk = start[12:16]
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", start, 26)
        return width & 0x3FFF, height & 0x3FFF
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", start, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8X":
        if len(start) < 30:
            raise ImageError(_(_CUT))
        return int.from_bytes(start[24:27], "little") + 1, int.from_bytes(start[27:30], "little") + 1
    raise ImageError(_("That WebP file has no image that Easel can read."))


def _jpeg_size(file: BinaryIO) -> tuple[int, int]:
    file.seek(2)
    for _segment in range(_MAX_SEGMENTS):
        code = _next_marker(file)
        if code in _WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if code in START_OF_FRAME:
            _depth, height, width = struct.unpack(">BHH", file.read(5))
            return width, height
        file.seek(max(length - 2, 0), 1)
    raise ImageError(_("That JPEG file has no image in it."))


def _next_marker(file: BinaryIO) -> int:
    """The code after FF. "Any marker may optionally be preceded by any number of fill bytes" FF (T.81, B.1.1.2)."""
    (byte,) = struct.unpack("B", file.read(1))
    if byte != 0xFF:
        raise ImageError(_("That JPEG file is damaged."))
    while byte == 0xFF:
        (byte,) = struct.unpack("B", file.read(1))
    return int(byte)
