"""GIF files. Source: GIF89a."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from tests.media.cases.sample import CUT, QUARTERS, SIZE, Quarters, RefusedFile, Sample, Size, made, quarter_at, refusal, with_alpha

TABLE: Final = b"".join(bytes(colour[:3]) for colour in QUARTERS)
_OTHER: Final = bytes(range(100, 112))  # colours that must not be shown
CLEAR: Final = (0, 0, 0, 0)


def _blocks(data: bytes) -> bytes:
    return b"".join(bytes((len(piece),)) + piece for piece in (data[at : at + 255] for at in range(0, len(data), 255))) + b"\0"


def _lzw(indices: Sequence[int], bits: int) -> bytes:
    """Without compression: the table is cleared before its codes grow."""
    clear = 1 << bits
    most = clear - 3
    codes = [code for at in range(0, len(indices), most) for code in (clear, *indices[at : at + most])]
    digits = "".join(f"{code:0{bits + 1}b}" for code in (clear + 1, *reversed(codes)))
    return int(digits, 2).to_bytes((len(digits) + 7) // 8, "little")


def extension(label: int, *blocks: bytes) -> bytes:
    return bytes((0x21, label)) + b"".join(bytes((len(block),)) + block for block in blocks) + b"\0"


def control(*, transparent: int | None = None, disposal: int = 0) -> bytes:
    return extension(0xF9, struct.pack("<BHB", disposal << 2 | (transparent is not None), 10, transparent or 0))


def frame(
    size: Size = SIZE,
    *,
    at: Size = (0, 0),
    local: bytes = b"",
    interlaced: bool = False,
    indices: Sequence[int] = (0, 1, 2, 3),
    bits: int = 8,
    data: bytes | None = None,
    stated: Size | None = None,
) -> bytes:
    """`stated` is the size in its header, if it is another one."""
    rows = list(range(size[1]))
    if interlaced:
        rows = [*rows[::8], *rows[4::8], *rows[2::4], *rows[1::2]]
    flags = (0x80 | _depth(local) if local else 0) | 0x40 * interlaced
    head = b"," + struct.pack("<HHHHB", *at, *(stated or size), flags) + local
    if data is None:
        data = _lzw([indices[quarter_at(x, y, size)] for y in rows for x in range(size[0])], bits)
    return head + bytes((bits,)) + _blocks(data)


def _depth(table: bytes) -> int:
    return (len(table) // 3).bit_length() - 2


def gif(
    *frames: bytes, screen: Size = SIZE, version: bytes = b"89a", table: bytes = TABLE, background: int = 0, behind: bytes = b";"
) -> bytes:
    flags = 0x80 | _depth(table) if table else 0
    return b"GIF" + version + struct.pack("<HHBBB", *screen, flags, background, 0) + table + b"".join(frames) + behind


_LOOP: Final = extension(0xFF, b"NETSCAPE2.0", b"\1\0\0")
_COMMENT: Final = extension(0xFE, b"written at home")
_XMP: Final = extension(0xFF, b"XMP DataXMP", b"whatever", bytes(range(255)))
_HIDDEN: Final = with_alpha(QUARTERS, (0, 255, 255, 255))

_SHOWN: Final[dict[str, tuple[bytes, Quarters | None, Size | None, int | None]]] = {
    "of 1987": (gif(frame(), version=b"87a"), QUARTERS, SIZE, 1),
    "of 1989": (gif(frame()), QUARTERS, SIZE, 1),
    "with codes of 2 bits": (gif(frame(bits=2)), QUARTERS, SIZE, 1),
    "interlaced": (gif(frame(interlaced=True)), QUARTERS, SIZE, 1),
    "with a local table": (gif(frame(local=TABLE), table=b""), QUARTERS, SIZE, 1),
    "with a local table besides": (gif(frame(local=TABLE), table=_OTHER), QUARTERS, SIZE, 1),
    "with a local table of 256": (gif(frame(local=TABLE + bytes(768 - 12)), table=_OTHER), QUARTERS, SIZE, 1),
    "with transparency": (gif(control(transparent=0), frame()), _HIDDEN, SIZE, 1),
    "interlaced with transparency": (gif(control(transparent=0), frame(interlaced=True)), _HIDDEN, SIZE, 1),
    "with a transparent colour beyond its table": (gif(control(transparent=200), frame()), QUARTERS, SIZE, 1),
    "with a screen of 0x0": (gif(frame(), screen=(0, 0)), QUARTERS, SIZE, 1),
    "with a screen of 0x0 and transparency": (gif(control(transparent=0), frame(), screen=(0, 0)), _HIDDEN, SIZE, 1),
    "with a screen of 0x32": (gif(frame(), screen=(0, 32)), QUARTERS, SIZE, 1),
    "with a frame larger than its screen": (gif(frame(), screen=(1, 1)), QUARTERS, SIZE, 1),
    "with a frame wider than its screen": (gif(frame(), screen=(20, 32)), QUARTERS, SIZE, 1),
    "with a frame smaller than its screen": (
        gif(frame((32, 16), at=(32, 16), indices=(1, 1, 1, 1))), (CLEAR, CLEAR, CLEAR, QUARTERS[1]), SIZE, 1
    ),
    "with a frame smaller than its screen and a background": (
        gif(frame((32, 16), indices=(2, 2, 2, 2)), background=3), (QUARTERS[2], CLEAR, CLEAR, CLEAR), SIZE, 1
    ),
    "with a frame that begins outside": (gif(frame(at=(500, 500))), None, None, 1),
    "with a frame partly outside": (gif(frame(at=(32, 0))), None, None, 1),
    "without a table": (gif(frame(), table=b""), None, SIZE, 1),
    "with indices beyond its table": (gif(frame(indices=(200, 1, 2, 3))), None, SIZE, 1),
    "with two frames": (gif(_LOOP, control(), frame(), control(), frame(indices=(3, 2, 1, 0))), QUARTERS, SIZE, 2),
    "with two frames, disposed of": (gif(_LOOP, control(disposal=2), frame(), control(disposal=3), frame()), QUARTERS, SIZE, 2),
    "with a first frame that is small": (
        gif(control(), frame((32, 16), indices=(0, 0, 0, 0)), control(), frame()), (QUARTERS[0], CLEAR, CLEAR, CLEAR), SIZE, 2
    ),
    "with a second frame larger than its screen": (gif(frame(), frame((200, 100), indices=(1, 1, 1, 1))), None, None, None),
    "cut after its first frame": (gif(frame(), frame(), behind=b"")[:-900], QUARTERS, SIZE, None),
    "without its end": (gif(frame(), behind=b""), QUARTERS, SIZE, None),
    "with bytes behind its end": (gif(frame(), behind=b";more"), QUARTERS, SIZE, 1),
    "with zeros behind its end": (gif(frame(), behind=b";" + bytes(90)), QUARTERS, SIZE, 1),
    "with zeros before its end": (gif(frame(), behind=bytes(9) + b";"), QUARTERS, SIZE, 1),
    "with a comment": (gif(_COMMENT, frame()), QUARTERS, SIZE, 1),
    "with 300 comments": (gif(_COMMENT * 300, frame()), QUARTERS, SIZE, 1),
    "with a comment behind its frame": (gif(frame(), _COMMENT), QUARTERS, SIZE, 1),
    "with XMP": (gif(_XMP, frame()), QUARTERS, SIZE, 1),
    "with a text": (gif(extension(0x01, bytes(12), b"text"), frame()), QUARTERS, SIZE, None),
    "with an unknown extension": (gif(extension(0x77, b"whatever"), frame()), QUARTERS, SIZE, 1),
    "with two control extensions": (gif(control(), control(transparent=0), frame()), _HIDDEN, SIZE, 1),
    "with more data than pixels": (gif(frame(data=_lzw([0] * 64 * 40, 8))), (QUARTERS[0],) * 4, SIZE, 1),
    "of a pixel": (gif(frame((1, 1)), screen=(1, 1)), None, (1, 1), 1),
    "of 7x3, interlaced": (gif(frame((7, 3), interlaced=True, indices=(1, 1, 1, 1)), screen=(7, 3)), (QUARTERS[1],) * 4, (7, 3), 1),
}  # fmt: skip


def samples() -> Iterator[Sample]:
    for name, (content, quarters, size, frames) in _SHOWN.items():
        make = made(bytes, content)
        yield Sample(name=f"GIF {name}", format="GIF", make=make, quarters=quarters, size=size, frames=frames, is_bare=False)


HUGE_FRAME: Final = gif(frame((1, 1), stated=(65_535, 65_535)), screen=(1, 1), table=TABLE[:6])


def refused() -> Iterator[RefusedFile]:
    whole = gif(frame())
    for at in (6, 9, 13, 20, 25, 33, 900):
        yield refusal(f"GIF cut at {at}", made(bytes, whole[:at]), CUT)
    yield refusal("GIF with a frame of 65535x65535", made(bytes, HUGE_FRAME), "megapixels")
    small = frame((1, 1), stated=(65_535, 65_535))
    tabled = frame((1, 1), stated=(65_535, 65_535), local=TABLE)
    yield refusal("GIF with a local table and a frame of 65535x65535", made(gif, tabled, screen=(1, 1)), "megapixels")
    yield refusal("GIF with a comment and a frame of 65535x65535", made(gif, _COMMENT, small, screen=(1, 1)), "megapixels")
    yield refusal("GIF with a screen of 65535x65535", made(gif, frame(), screen=(65_535, 65_535)))
    yield refusal("GIF with a frame at 65535x65535", made(gif, frame(at=(65_535, 65_535))))
    yield refusal("GIF with a second frame of 65535x65535", made(gif, frame(), small))
    yield refusal("GIF with an empty extension", made(gif, extension(0xF9), frame()))
    yield refusal("GIF without a frame", made(gif), ".")
    yield refusal("GIF of a comment", made(gif, _COMMENT), ".")
    yield refusal("GIF without pixels", made(gif, frame(data=b"")))
    yield refusal("GIF with half of its pixels", made(gif, frame(data=_lzw([0] * 64 * 16, 8)[:-2])))
    yield refusal("GIF with codes of 0 bits", made(gif, frame(bits=0, data=bytes(20))))
    yield refusal("GIF with codes of 13 bits", made(gif, frame(bits=13, data=bytes(20))))
    yield refusal("GIF with codes of 255 bits", made(gif, frame(bits=255, data=bytes(20))))
    yield refusal("GIF with a frame of 0x0", made(gif, frame(stated=(0, 0))))
    yield refusal("GIF of another version", made(gif, frame(), version=b"90a"))
    yield refusal("GIF with code before its table", made(gif, frame(data=b"\xff" * 50)))
