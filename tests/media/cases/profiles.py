"""ICC profiles, and the sRGB colours that they stand for. Source: ICC.1:2001-04 (version 2.4.0), sections 6.1 and 6.5."""

from __future__ import annotations

import struct
from typing import Final

from tests.media.cases.sample import Colour, Pixel, Quarters, four, grey

_D50: Final = (0.9642, 1.0, 0.8249)
_P3: Final = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))  # red, green, blue in XYZ
_SRGB: Final = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
_TO_SRGB: Final = ((3.1338561, -1.6168667, -0.4906146), (-0.9787684, 1.9161415, 0.0334540), (0.0719453, -0.2289914, 1.4052427))
_WIDE_GAMMA: Final = 461 / 256  # nearly 1.8
_GREY_GAMMA: Final = 1.0
# L*, a*, b* of one ink alone: cyan, magenta, yellow, black. Other inks than the usual ones, so that a conversion without the profile shows.
INKS: Final = ((60.0, -30.0, 20.0), (40.0, 30.0, -40.0), (75.0, 10.0, 50.0), (30.0, 0.0, 0.0))


def _profile(space: bytes, pcs: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _description(b"made for a test"), b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(_D50), **tags}
    table, data, at = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", at + len(data), len(content))
        data += padded
    size = at + len(data)
    date = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head = struct.pack(">I4s4s4s4s4s", size, b"", b"\x02\x40\0\0", kind, space, pcs) + date + b"acsp" + bytes(28) + _xyz(_D50)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def _description(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(8 + 3 + 67)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _gamma(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def _matrix(primaries: tuple[tuple[float, float, float], ...], curve: bytes) -> bytes:
    columns = {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return _profile(b"RGB ", b"XYZ ", b"mntr", columns | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def _inks() -> bytes:
    """A table with two points for each ink, which is read without interpolation where an ink is full or missing."""
    points = b""
    for number in range(16):
        full = [ink for ink in range(4) if number & 8 >> ink]
        lightness, a, b = (100.0, 0.0, 0.0) if not full else INKS[full[0]] if len(full) == 1 else (15.0, 0.0, 0.0)
        points += bytes((round(lightness * 2.55), round(a) + 128, round(b) + 128))
    identity = struct.pack(">9i", *(65536 * (at % 4 == 0) for at in range(9)))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + bytes(range(256)) * 4 + points + bytes(range(256)) * 3
    return _profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": table})


def _encoded(linear: float) -> int:
    """IEC 61966-2-1."""
    value = min(max(linear, 0.0), 1.0)
    return round(255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))


def _shown(x: float, y: float, z: float) -> tuple[int, int, int]:
    red, green, blue = (_encoded(a * x + b * y + c * z) for a, b, c in _TO_SRGB)
    return red, green, blue


def _lab(lightness: float, a: float, b: float) -> Colour:
    middle = (lightness + 16) / 116
    x, y, z = (
        white * (part**3 if part > 6 / 29 else 3 * (6 / 29) ** 2 * (part - 4 / 29))
        for white, part in zip(_D50, (middle + a / 500, middle, middle - b / 200), strict=True)
    )
    return (*_shown(x, y, z), 255)


def wide_shown(colour: Colour) -> Colour:
    """The sRGB colour of one in `WIDE`."""
    linear = [(value / 255) ** _WIDE_GAMMA for value in colour[:3]]
    x, y, z = (sum(part * primary[axis] for part, primary in zip(linear, _P3, strict=True)) for axis in range(3))
    return (*_shown(x, y, z), colour[3])


def grey_shown(colour: Colour) -> Colour:
    """The sRGB colour of one in `GREY`."""
    return (*grey(_encoded((colour[0] / 255) ** _GREY_GAMMA))[:3], colour[3])


def inks_shown() -> Quarters:
    """The sRGB colours of each ink alone, in `INKED`."""
    return four(_lab(*ink) for ink in INKS)


FULL_INKS: Final[tuple[Pixel, ...]] = ((255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255))
_SRGB_CURVE: Final = b"curv\0\0\0\0" + struct.pack(">I", 1024) + struct.pack(
    ">1024H", *(round(65535 * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)) for v in (n / 1023 for n in range(1024)))
)  # fmt: skip
SRGB: Final = _matrix(_SRGB, _SRGB_CURVE)
WIDE: Final = _matrix(_P3, _gamma(_WIDE_GAMMA))  # the primaries of Display P3, with another gamma
GREY: Final = _profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": _gamma(_GREY_GAMMA)})
INKED: Final = _inks()
BROKEN: Final = {
    "empty": b"",
    "text": b"this is no profile",
    "cut": WIDE[:300],
    "zeros": bytes(600),
    "without its signature": WIDE.replace(b"acsp", b"oops"),
    "with tags beyond the end": WIDE[:132] + b"\xff" * 108 + WIDE[240:],
    "without curves": _profile(b"RGB ", b"XYZ ", b"mntr", {}),
    "a million tags": WIDE[:128] + struct.pack(">I", 1_000_000) + WIDE[132:],
}
