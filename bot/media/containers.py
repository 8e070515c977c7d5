"""The chunks and segments of image files: which of them hold pixels, and the same image without any others.

What is left out decides nothing: faulty metadata does not make an image unusable.
Sources: PNG (W3C, sections 5 and 11), JPEG (ITU-T T.81, annex B), WebP (RFC 9649, section 2), GIF89a.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from bot.media.formats import Format

_MAX_CHUNKS: Final = 20_000  # libpng's usual 8 KB make 160 MB of them
_META_BYTES: Final = 1 << 20  # of a HEIC or AVIF file: what precedes its pixels
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_PNG_SIZES: Final = {b"sRGB": 1, b"pHYs": 9}  # bytes of what is kept next to pixels: values that name nobody and change no colour
_PALETTE: Final = 3  # the colour type
_TRANSPARENCY_SIZES: Final = {0: {2}, 2: {6}, _PALETTE: range(1, 257)}  # bytes of tRNS, by colour type

_WEBP_KEPT: Final = frozenset({b"VP8X", b"ALPH", b"VP8 ", b"VP8L"})
_WEBP_ALPHA: Final = 0x10  # of the flags of VP8X; others say which metadata follow

_JPEG_METADATA: Final = frozenset({*range(0xE0, 0xF0), 0xFE})
_JPEG_KEPT: Final = {0xE0: (b"JFIF\0", 18), 0xEE: (b"Adobe", 16)}  # start and bytes: density without a preview; how colours are stored
_TABLES: Final = 0xDB
_TABLE_SIZE: Final = 64
_TABLE_SUM: Final = 3688  # of the table for brightness (T.81, annex K.1), which quality 50 uses as it is
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = 0xD9
_MARKER: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # in a scan, FF 00 stands for the byte FF, and D0 to D7 are restarts


class Chunk(NamedTuple):
    kind: bytes
    data: memoryview
    whole: memoryview  # with its length and checksum
    is_sound: bool


def png_chunks(content: bytes) -> Iterator[Chunk]:
    """Up to the end of the image. Raises `ValueError` if that is missing, or a critical chunk is damaged."""
    view, at = memoryview(content), len(_PNG_START)
    for _chunk in range(_MAX_CHUNKS):
        if at + 12 > len(view):
            break
        length, kind = struct.unpack_from(">I4s", view, at)
        end = at + 12 + length
        if end > len(view):
            break
        (checksum,) = struct.unpack_from(">I", view, end - 4)
        is_sound = zlib.crc32(view[at + 4 : end - 4]) == checksum
        if not is_sound and kind[:1].isupper():
            raise ValueError("a checksum is wrong")
        yield Chunk(kind, view[at + 8 : end - 4], view[at:end], is_sound)
        if kind == b"IEND":
            return
        at = end
    raise ValueError("the end is missing")


def sound_png(content: bytes) -> bytes:
    """The file without its faulty ancillary chunks. Raises `ValueError` if a critical one is damaged."""
    if all(chunk.is_sound for chunk in png_chunks(content)):
        return content
    return _PNG_START + b"".join(chunk.whole for chunk in png_chunks(content) if chunk.is_sound)


def png_frames(content: bytes) -> int:
    """More than one in an animation (PNG, section 11.3.6.1), which other readers show as a still."""
    for kind, data, _whole, is_sound in png_chunks(content):
        if kind == b"acTL" and is_sound:
            return int.from_bytes(data[:4], "big")
        if kind == b"IDAT":
            break
    return 1


def gif_screen(content: bytes) -> tuple[int, int]:
    """Width and height in px (GIF89a, section 18)."""
    return struct.unpack_from("<HH", content, 6)


def gif_first_frame(content: bytes) -> tuple[int, int, int, int]:
    """Left, top, width and height in px (GIF89a, section 20). Raises `ValueError` if there is none."""
    at = 13 + _table_bytes(content[10])
    for _block in range(_MAX_CHUNKS):
        if content[at : at + 1] == b"!":
            at = _after_blocks(content, at + 2)
        elif content[at : at + 1] == b"," and at + 9 <= len(content):
            left, top, width, height = struct.unpack_from("<HHHH", content, at + 1)
            if width and height:
                return left, top, width, height
            break
        else:
            at += 1  # padding, as some encoders write it
    raise ValueError("no frame was found")


def _table_bytes(flags: int) -> int:
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0


def _after_blocks(content: bytes, at: int) -> int:
    """Behind the sub-blocks of an extension, which end with an empty one."""
    while at < len(content) and content[at]:
        at += 1 + content[at]
    return at + 1


def claimed_pixels(content: bytes, format_: Format) -> int:
    """How many pixels the start of a PNG or an extended WebP asks for; 0 if it does not say. For images beyond the limits of decoders."""
    try:
        if format_ is Format.PNG:
            width, height = struct.unpack_from(">II", content, 16)
            return int(width * height)
        if format_ is Format.WEBP and content[12:16] == b"VP8X":
            return (1 + int.from_bytes(content[24:27], "little")) * (1 + int.from_bytes(content[27:30], "little"))
    except struct.error:
        pass
    return 0


def is_hevc(content: bytes) -> bool:
    """Whether the images in a HEIC or AVIF file are coded as HEVC, by the properties of its items: brands do not tell."""
    start = content[:_META_BYTES]
    return b"hvcC" in start and b"av1C" not in start


def is_lossless_webp(content: bytes) -> bool:
    try:
        return any(kind == b"VP8L" or (kind == b"ANMF" and bytes(data[16:20]) == b"VP8L") for kind, data in _webp_chunks(content))
    except ValueError:
        return True


def stripped(content: bytes, format_: Format) -> bytes:
    """A still PNG, JPEG or WebP with the same encoded pixels and nothing else. Raises `ValueError` if the file is irregular."""
    return _STRIPPED[format_](content)


def _stripped_png(content: bytes) -> bytes:
    colour_type, seen = content[25], set[bytes]()
    kept: list[bytes | memoryview] = [_PNG_START]
    for kind, data, whole, is_sound in png_chunks(content):
        if is_sound and _is_kept_png(kind, len(data), colour_type):
            if kind in seen and kind != b"IDAT":
                raise ValueError("a chunk comes twice")
            seen.add(kind)
            kept.append(whole)
    return b"".join(kept)


def _is_kept_png(kind: bytes, size: int, colour_type: int) -> bool:
    if kind == b"tRNS":
        return size in _TRANSPARENCY_SIZES.get(colour_type, ())
    if kind == b"PLTE":
        return colour_type == _PALETTE
    return kind in {b"IHDR", b"IDAT", b"IEND"} or _PNG_SIZES.get(kind) == size


def _stripped_webp(content: bytes) -> bytes:
    chunks = [each for each in _webp_chunks(content) if each[0] in _WEBP_KEPT]
    if sum(kind.startswith(b"VP8 ") or kind == b"VP8L" for kind, _data in chunks) != 1:
        raise ValueError("its image is in the frame of an animation")
    body = b"".join(_webp_chunk(kind, data) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _webp_chunk(kind: bytes, data: memoryview) -> bytes:
    content = bytes([data[0] & _WEBP_ALPHA]) + data[1:] if kind == b"VP8X" else bytes(data)
    return kind + struct.pack("<I", len(data)) + content + bytes(len(data) % 2)


def _webp_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, at = memoryview(content), 12
    end = min(len(view), int.from_bytes(view[4:8], "little") + 8)
    for _each in range(_MAX_CHUNKS):
        if at + 8 > end:
            return
        kind, length = struct.unpack_from("<4sI", view, at)
        if at + 8 + length > end:
            raise ValueError("a chunk is cut short")
        yield kind, view[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise ValueError("too many chunks")


def jpeg_quality(content: bytes) -> int:
    """The quality, 1 to 100, with which a JPEG was encoded, by its table for brightness. Raises `ValueError` if it is irregular."""
    table = next((part for code, part in _jpeg_parts(content) if code == _TABLES), memoryview(b""))
    if len(table) < 5 + _TABLE_SIZE or table[4]:
        raise ValueError("there is no table of 8 bits")
    scale = 100 * sum(table[5 : 5 + _TABLE_SIZE]) / _TABLE_SUM  # in percent, as in libjpeg's jpeg_quality_scaling
    return max(1, round(100 - scale / 2 if scale < 100 else 5000 / scale))


def _stripped_jpeg(content: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(part for code, part in _jpeg_parts(content) if _is_kept(code, part)) + b"\xff\xd9"


def _is_kept(code: int, part: memoryview) -> bool:
    if code not in _JPEG_METADATA:
        return True
    start, size = _JPEG_KEPT.get(code, (b"", 0))
    return len(part) == size and part[4:9] == start


def _jpeg_parts(content: bytes) -> Iterator[tuple[int, memoryview]]:
    """The segments from their markers on, those of scans with their data; without the start and the end of the image."""
    view, at, has_scan = memoryview(content), 2, False
    for _segment in range(_MAX_CHUNKS):
        if (found := _MARKER.match(content, at)) is None:
            break
        code, start = found[1][0], found.end() - 2
        if code == _END_OF_IMAGE and has_scan:
            return
        at = start + 2 + int.from_bytes(view[start + 2 : start + 4], "big")
        if code == _START_OF_SCAN:
            has_scan, after = True, _MARKER.search(content, at)
            at = after.start() if after else len(view)
        yield code, view[start:at]
    raise ValueError("something else is between segments, or the end is missing")


_STRIPPED: Final[Mapping[Format, Callable[[bytes], bytes]]] = {
    Format.PNG: _stripped_png,
    Format.WEBP: _stripped_webp,
    Format.JPEG: _stripped_jpeg,
}
