"""JPEG files whose blocks have one colour each, so that their pixels are known. Source: ITU-T T.81, annexes B and F; Adobe TN 5116."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.media.cases.sample import (
    QUARTERS,
    SIZE,
    Pixel,
    Size,
    quarter_at,
)

START, END = b"\xff\xd8", b"\xff\xd9"
_STEP: Final = 8  # quantisation: a block's first coefficient is eight times its mean
_LENGTHS: Final = bytes((0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0))  # of the codes of the twelve categories (T.81, table K.3)


def _codes() -> list[str]:
    codes, code = [], 0
    for length, count in enumerate(_LENGTHS, 1):
        for _code in range(count):
            codes.append(f"{code:0{length}b}")
            code += 1
        code <<= 1
    return codes


_CODES: Final = _codes()


@dataclass(frozen=True, kw_only=True)
class Component:
    """One plane: its samples in the four quarters, and its sampling factors."""

    id: int
    samples: Pixel
    across: int = 1
    down: int = 1


def segment(marker: int, data: bytes = b"") -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


JFIF: Final = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes((transform,)))


def ycc(colour: Sequence[int]) -> Pixel:
    """Of JFIF: ITU-R BT.601 in the full range."""
    red, green, blue = colour[:3]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return tuple(min(255, round(value)) for value in (luma, 128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402))


def planes(pixels: Sequence[Pixel], *sampling: tuple[int, int], ids: Sequence[int] = (1, 2, 3, 4)) -> list[Component]:
    """Components of the four quarters' samples. The first has the sampling factors, if there are any."""
    factors = [*sampling, *[(1, 1)] * 4]
    return [
        Component(id=ids[at], samples=tuple(pixel[at] for pixel in pixels), across=factors[at][0], down=factors[at][1])
        for at in range(len(pixels[0]))
    ]


COLOURS: Final = [ycc(colour) for colour in QUARTERS]


def _difference(value: int) -> str:
    category = abs(value).bit_length()
    bits = value if value >= 0 else value + (1 << category) - 1
    return _CODES[category] + (f"{bits:0{category}b}" if category else "")


def _entropy(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int(bits or "11111111", 2).to_bytes(max(1, len(bits) // 8), "big").replace(b"\xff", b"\xff\0")


def _scan(
    components: Sequence[Component], among: Sequence[Component], size: Size, *, restart: int, first: bool = True, others: bool = True
) -> bytes:
    """The coded blocks: their first coefficients, the others (all zero), or both. One component is not padded to units (T.81, A.2)."""
    widest, tallest = max(c.across for c in among), max(c.down for c in among)
    is_alone = len(components) == 1
    one = components[0]
    unit = (8 * widest // one.across, 8 * tallest // one.down) if is_alone else (8 * widest, 8 * tallest)
    units = [(x, y) for y in range(0, size[1], unit[1]) for x in range(0, size[0], unit[0])]
    data, bits, before, restarts = b"", "", dict.fromkeys((c.id for c in components), 0), 0
    for number, (left, top) in enumerate(units):
        if restart and number and number % restart == 0:
            data += _entropy(bits) + bytes((0xFF, 0xD0 + restarts % 8))
            bits, before, restarts = "", dict.fromkeys(before, 0), restarts + 1
        for c in components:
            step_x, step_y = 8 * widest // c.across, 8 * tallest // c.down
            for row in range(1 if is_alone else c.down):
                for column in range(1 if is_alone else c.across):
                    x, y = min(left + column * step_x, size[0] - 1), min(top + row * step_y, size[1] - 1)
                    value = c.samples[quarter_at(x, y, size)] - 128
                    bits += _difference(value - before[c.id]) * first + "0" * others
                    before[c.id] = value
    return data + _entropy(bits)


def jpeg(
    components: Sequence[Component] = tuple(planes(COLOURS)),
    *,
    size: Size = SIZE,
    head: bytes = JFIF,
    gap: bytes = b"",
    restart: int = 0,
    separate: bool = False,
    frame: int = 0xC0,
    behind: bytes = b"",
    end: bytes = END,
) -> bytes:
    """`head` are the first segments, `gap` is put before each later one, and `behind` follows the end."""
    sof = struct.pack(">BHHB", 8, size[1], size[0], len(components))
    sof += b"".join(bytes((c.id, c.across << 4 | c.down, 0)) for c in components)
    tables = [segment(0xDB, b"\0" + bytes((_STEP,)) + b"\1" * 63), segment(frame, sof)]
    tables += [segment(0xC4, b"\0" + _LENGTHS + bytes(range(12))), segment(0xC4, b"\x10" + bytes((1, *[0] * 15, 0)))]
    tables += [segment(0xDD, struct.pack(">H", restart))] if restart else []
    groups = [[c] for c in components] if separate else [components]
    if frame == 0xC2:
        scans = [_with_header(members, _scan(members, components, size, restart=restart, others=False), 0, 0) for members in groups]
        scans += [_with_header([c], _scan([c], components, size, restart=restart, first=False), 1, 63) for c in components]
    else:
        scans = [_with_header(members, _scan(members, components, size, restart=restart), 0, 63) for members in groups]
    return START + head + b"".join(gap + table for table in (*tables, *scans)) + gap + end + behind


def _with_header(components: Sequence[Component], coded: bytes, first: int, last: int) -> bytes:
    """A scan of these coefficients."""
    members = b"".join(bytes((c.id, 0)) for c in components)
    return segment(0xDA, bytes((len(components),)) + members + bytes((first, last, 0))) + coded


def profile(content: bytes, *, piece: int = 65_519, order: int = 1) -> bytes:
    """In as many segments as it takes. With the order -1 the last one comes first."""
    pieces = [content[at : at + piece] for at in range(0, len(content), piece)] or [b""]
    numbered = [b"ICC_PROFILE\0" + bytes((number, len(pieces))) + data for number, data in enumerate(pieces, 1)]
    return b"".join(segment(0xE2, data) for data in numbered[::order])


def xmp(content: bytes) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + content)


def film(size_bytes: int = 5000) -> bytes:
    """The start of an MP4 file, as a motion photo has it behind its end."""
    return (
        struct.pack(">I8s4s8s", 24, b"ftypmp42", b"\0\0\0\0", b"isommp42")
        + struct.pack(">I4s", size_bytes, b"mdat")
        + bytes(size_bytes - 8)
    )
