"""Exif and XMP as cameras and tools write them, also broken. Source: TIFF 6.0, section 2; Exif 2.32, section 4.6."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from tests.media.cases.sample import QUARTERS, Quarters, Size, turned, turned_size

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL = 1, 2, 3, 4, 5
_WIDTH, _MAKE, _ORIENTATION, _RESOLUTION, _DATE, _EXIF, _GPS = 0x0100, 0x010F, 0x0112, 0x011A, 0x0132, 0x8769, 0x8825
_SERIAL: Final = b"serial number 12345\0"

Entry = tuple[int, int, int, bytes]  # tag, type, count, value in the file's byte order


def directory(order: str, *entries: Entry, following: int = 0, at: int = 8) -> bytes:
    """A directory that begins at this offset, and behind it the values that are longer than four bytes."""
    values_at = at + 2 + 12 * len(entries) + 4
    lines, values = b"", b""
    for tag, kind, count, value in entries:
        where = struct.pack(f"{order}I", values_at + len(values)) if len(value) > 4 else value.ljust(4, b"\0")
        values += value if len(value) > 4 else b""
        lines += struct.pack(f"{order}HHI", tag, kind, count) + where
    return struct.pack(f"{order}H", len(entries)) + lines + struct.pack(f"{order}I", following) + values


def header(order: str, at: int = 8) -> bytes:
    return (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, at)


def short(order: str, value: int) -> bytes:
    return struct.pack(f"{order}H", value)


def exif(orientation: int, order: str = ">") -> bytes:
    """As a camera writes it, without the "Exif" in front."""
    entries = ((_MAKE, _ASCII, len(_SERIAL), _SERIAL), (_ORIENTATION, _SHORT, 1, short(order, orientation)))
    return header(order) + directory(order, *entries)


def xmp(orientation: int) -> bytes:
    return (
        b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        b'tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>' % orientation
    )


def _six(order: str, *others: Entry, following: int = 0) -> bytes:
    """Orientation 6 after other entries."""
    return header(order) + directory(order, *others, (_ORIENTATION, _SHORT, 1, short(order, 6)), following=following)


def _one(kind: int, count: int, value: bytes) -> bytes:
    return header(">") + directory(">", (_ORIENTATION, kind, count, value))


def photo(orientation: int) -> bytes:
    """With a date and a place, as a phone writes them."""
    place = (
        (1, _ASCII, 2, b"N\0"),
        (2, _RATIONAL, 3, _degrees(47, 22, 10)),
        (3, _ASCII, 2, b"E\0"),
        (4, _RATIONAL, 3, _degrees(8, 32, 30)),
    )
    date = b"2026:05:17 18:04:09\0"
    entries = ((_MAKE, _ASCII, len(_SERIAL), _SERIAL), (_ORIENTATION, _SHORT, 1, short(">", orientation)), (_DATE, _ASCII, len(date), date))
    start = len(directory(">", *entries, (_GPS, _LONG, 1, bytes(4)))) + 8
    return header(">") + directory(">", *entries, (_GPS, _LONG, 1, struct.pack(">I", start))) + directory(">", *place, at=start)


def _degrees(*parts: int) -> bytes:
    return b"".join(struct.pack(">II", part, 1) for part in parts)


# What each makes of the stored image: its orientation, or None where browsers differ.
VARIANTS: Final[dict[str, tuple[bytes, int | None]]] = {
    **{f"big orientation {number}": (exif(number, ">"), number) for number in range(1, 9)},
    **{f"little orientation {number}": (exif(number, "<"), number) for number in range(1, 9)},
    "a date and a place": (photo(6), 6),
    "a mistyped entry before": (_six(">", (_WIDTH, 99, 1, b"")), 6),
    "an entry of type 0 before": (_six("<", (_WIDTH, 0, 1, b"")), 6),
    "a value beyond the end before": (_six(">", (_MAKE, _ASCII, 5000, b"\0\x01\0\0")), 6),
    "a count beyond all numbers before": (_six(">", (_MAKE, _ASCII, 2**32 - 1, b"\0\0\0\x08")), 6),
    "a fraction by zero": (_six(">", (_RESOLUTION, _RATIONAL, 1, bytes(8))), 6),
    "a subdirectory beyond the end": (_six(">", (_EXIF, _LONG, 1, b"\xff\xff\xff\xf0"))[:-4] + bytes(4), None),
    "a subdirectory in itself": (_six(">", (_EXIF, _LONG, 1, b"\0\0\0\x08")), None),
    "a directory that follows itself": (_six(">", following=8), 6),
    "a directory that follows beyond the end": (_six(">", following=2**31), 6),
    "bytes behind the end": (exif(6) + b"\xff" * 999, 6),
    "orientation 0": (exif(0), 1),
    "orientation 9": (exif(9), 1),
    "orientation 65535": (exif(65535), 1),
    "a long orientation": (_one(_LONG, 1, b"\0\0\0\x06"), None),
    "an orientation of one byte": (_one(_BYTE, 1, b"\x06"), None),
    "an orientation of text": (_one(_ASCII, 2, b"6\0"), None),
    "two orientations": (_one(_SHORT, 2, b"\0\x06\0\x03"), None),
    "no orientation in its entry": (_one(_SHORT, 0, b"\0\x06"), None),
    "the orientation twice": (_six(">", (_ORIENTATION, _SHORT, 1, b"\0\x06")), None),
    "a cut directory": (exif(6)[:-22], None),
    "cut in its orientation": (exif(6)[: 8 + 2 + 12 + 6], 1),
    "more entries than it has": (exif(6)[:8] + b"\xff\xff" + exif(6)[10:], None),
    "the orientation of the thumbnail": (header(">") + directory(">", (_WIDTH, _SHORT, 1, b"\0\x40"), following=26) + exif(6)[8:], 1),
    "its directory beyond the end": (header(">", 2**31), 1),
    "its directory in its header": (header(">", 0), 1),
    "its header alone": (header(">")[:4], 1),
    "nothing": (b"", 1),
    "one byte": (b"I", 1),
    "a text": (b"parameters: a fox in the snow, steps 20", 1),
    "a text with its mark": (b"II*\0a fox in the snow, steps 20, seed 5", 1),
    "zeros": (bytes(64), 1),
    "ones": (b"\xff" * 64, 1),
    "the wrong byte order": (b"II" + exif(6)[2:], 1),
    "60 KB of garbage": (header(">") + bytes(range(7, 250)) * 240, None),
}  # fmt: skip


def variants() -> Iterator[tuple[str, bytes, Quarters | None, Size | None]]:
    """The name, the bytes, and what is shown of an image that is stored with `QUARTERS` in 64 x 32 px."""
    for name, (content, orientation) in VARIANTS.items():
        yield name, content, *((None, None) if orientation is None else (turned(QUARTERS, orientation), turned_size((64, 32), orientation)))
