"""Seeded mutations of files, as broken programs, connections and attackers make them."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.media.cases.everything import SAMPLES
from tests.media.cases.jpeg_cases import noise

_MOST_BYTES: Final = 20_000  # of an original: mutations of side data alone find little
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_MARKS: Final = re.compile(
    rb"[A-Za-z][A-Za-z0-9 ]{3}|\xff[\xc0-\xfe]|![\x01\xf9\xfe\xff]|,", re.DOTALL
)  # where a chunk, segment or block begins
_NUMBERS: Final = (0, 1, 2, 7, 255, 256, 2**15 - 1, 2**15, 2**16 - 1, 2**16, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1)
_INSERTED: Final = (
    b"\x00" * 8,
    b"\xff" * 8,
    b"IDAT",
    b"IEND",
    b"\xff\xd9",
    b"\xff\xda",
    b"RIFF",
    b"VP8X",
    b"ANMF",
    b"acTL",
    b"GIF89a",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x08mdat",
    b"\0\0\0\0ftyp",
)


def originals() -> dict[str, tuple[bytes, ...]]:
    """Files that are read, by their format."""
    formats = sorted({sample.format for sample in SAMPLES.values()})
    files = {name: tuple(s.content for s in SAMPLES.values() if s.format == name and len(s.content) < _MOST_BYTES) for name in formats}
    return {**files, "JPEG": (*files["JPEG"], *[noise(), noise(progressive=True)] * 20)}


def chosen(files: dict[str, tuple[bytes, ...]], dice: Random) -> bytes:
    return dice.choice(files[dice.choice(list(files))])


def mutated(content: bytes, dice: Random, other: bytes = b"") -> bytes:
    """The file after one to four changes, which may take pieces of another one."""
    for _change in range(dice.randint(1, 4)):
        content = dice.choice(_CHANGES)(content, dice, other or content)
    return _with_checksums(content) if dice.random() < 0.7 else content


def _place(content: bytes, dice: Random) -> int:
    """Anywhere, often in the headers."""
    return dice.randrange(min(len(content), dice.choice((32, 128, len(content)))) or 1) if content else 0


def _mark(content: bytes, dice: Random) -> int:
    marks = [found.start() for found in _MARKS.finditer(content)]
    return dice.choice(marks) if marks else 0


def _flipped(content: bytes, dice: Random, other: bytes) -> bytes:
    data = bytearray(content)
    for _flip in range(dice.randint(1, 5) if data else 0):
        data[_place(content, dice)] ^= 1 << dice.randrange(8)
    return bytes(data)


def _replaced(content: bytes, dice: Random, other: bytes) -> bytes:
    at = _place(content, dice)
    return content[:at] + dice.randbytes(1) + content[at + 1 :]


def _cut(content: bytes, dice: Random, other: bytes) -> bytes:
    return content[: _place(content, dice)] if dice.random() < 0.3 else content[: -dice.randrange(1, 20)]


def _shortened(content: bytes, dice: Random, other: bytes) -> bytes:
    at = _place(content, dice)
    return content[:at] + content[at + dice.randrange(1, 64) :]


def _inserted(content: bytes, dice: Random, other: bytes) -> bytes:
    at = dice.choice((_place, _mark))(content, dice)
    return content[:at] + dice.choice((*_INSERTED, dice.randbytes(dice.randrange(1, 30)))) + content[at:]


def _repeated(content: bytes, dice: Random, other: bytes) -> bytes:
    at = _place(content, dice)
    piece = content[at : at + dice.randrange(1, 256)]
    return content[:at] + piece * dice.randrange(2, 9) + content[at + len(piece) :]


def _swapped(content: bytes, dice: Random, other: bytes) -> bytes:
    first, second, third = sorted(_mark(content, dice) for _each in range(3))
    return content[:first] + content[second:third] + content[first:second] + content[third:]


def _doubled(content: bytes, dice: Random, other: bytes) -> bytes:
    first, second = sorted(_mark(content, dice) for _each in range(2))
    return content[:second] + content[first:second] + content[second:]


def _numbered(content: bytes, dice: Random, other: bytes) -> bytes:
    """Another size, length or count, before or behind a mark or in the headers."""
    width = dice.choice((1, 2, 3, 4))
    at = max(0, dice.choice((_mark(content, dice) + dice.choice((-4, 2, 4, 5, 7, 8, 12)), _place(content, dice))))
    number = dice.choice((*_NUMBERS, dice.randrange(2**32), dice.randrange(300)))
    data = (number % (1 << 8 * width)).to_bytes(width, "big")
    return content[:at] + data[:: dice.choice((1, -1))] + content[at + width :]


def _spliced(content: bytes, dice: Random, other: bytes) -> bytes:
    place = dice.choice((_place, _mark))
    return content[: place(content, dice)] + other[place(other, dice) :]


_Change = Callable[[bytes, Random, bytes], bytes]
_CHANGES: Final[Sequence[_Change]] = (
    _flipped, _replaced, _cut, _shortened, _inserted, _repeated, _swapped, _doubled, _numbered, _numbered, _spliced,
)  # fmt: skip


def _with_checksums(content: bytes) -> bytes:
    """A PNG with right checksums, so that more than those is tried."""
    if not content.startswith(_PNG_START):
        return content
    data, at = bytearray(content), 8
    while at + 12 <= len(data):
        end = at + 8 + struct.unpack_from(">I", data, at)[0]
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)
