"""Whether a file holds nothing but one upright image in sRGB: no metadata, no profile, no comments, nothing after its end.

Only what is known to be harmless is accepted. Sources: PNG (W3C, section 11), JPEG (ITU-T T.81, annex B; JFIF 1.02), WebP (RFC 9649,
section 2).
"""

from __future__ import annotations

import re
import struct
from typing import Final

_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"sRGB", b"sBIT", b"IDAT", b"IEND"})
_JPEG_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})  # Huffman, quantization, restart interval
_JPEG_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_JPEG_COLOURS: Final = (1, 3)  # components: grey and YCbCr, not CMYK
_JFIF: Final = re.compile(rb"JFIF\0.{7}\0\0", re.DOTALL)  # without a thumbnail
_END_OF_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_WEBP_ALPHA: Final = 0x10  # the only flag of an extended WebP that is no metadata, profile or animation


def is_bare(content: bytes) -> bool:
    """False for other formats and for damaged files."""
    try:
        return _is_bare_png(content) or _is_bare_jpeg(content) or _is_bare_webp(content)
    except (struct.error, IndexError):  # cut short
        return False


def _is_bare_png(content: bytes) -> bool:
    if not content.startswith(_PNG_START):
        return False
    at, kind = len(_PNG_START), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind not in _PNG_CHUNKS:
            return False
        at += 12 + length
    return at == len(content)


def _is_bare_jpeg(content: bytes) -> bool:
    if not content.startswith(b"\xff\xd8"):
        return False
    at = 2
    while (code := _marker(content, at)) != 0xD9:
        (length,) = struct.unpack_from(">H", content, at + 2)
        if not _is_bare_segment(code, content[at + 4 : at + 2 + length]):
            return False
        at += 2 + length
        if code == 0xDA:  # followed by the coded pixels
            found = _END_OF_SCAN.search(content, at)
            if found is None:
                return False
            at = found.start()
    return at + 2 == len(content)


def _marker(content: bytes, at: int) -> int:
    return content[at + 1] if content[at] == 0xFF else 0


def _is_bare_segment(code: int, body: bytes) -> bool:
    match code:
        case 0xE0:
            return _JFIF.fullmatch(body) is not None
        case 0xEE:
            return body.startswith(b"Adobe") and len(body) == 12  # how the colours are stored
        case _ if code in _JPEG_FRAMES:
            return body[5] in _JPEG_COLOURS
        case _:
            return code in _JPEG_TABLES or code == 0xDA


def _is_bare_webp(content: bytes) -> bool:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or int.from_bytes(content[4:8], "little") + 8 != len(content):
        return False
    at, kinds = 12, []
    while at < len(content):
        kind, length = struct.unpack_from("<4sI", content, at)
        kinds.append(kind)
        at += 8 + length + length % 2
    is_extended = kinds[0] == b"VP8X"
    if is_extended and content[20] & ~_WEBP_ALPHA:
        return False
    return at == len(content) and kinds[is_extended:] in ([b"VP8 "], [b"VP8L"], [b"ALPH", b"VP8 "])
