"""WebP files: chunks around encoded pixels. Source: RFC 9649, section 2."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from functools import cache
from typing import Final

from PIL import Image

from tests.media.cases import exif, profiles
from tests.media.cases.sample import (
    CUT,
    QUARTERS,
    SIZE,
    Quarters,
    RefusedFile,
    Sample,
    Size,
    four,
    made,
    quarter_at,
    refusal,
    turned,
    with_alpha,
)

_ANIMATED, _XMP, _EXIF, _ALPHA, _PROFILE = 0x02, 0x04, 0x08, 0x10, 0x20
_SEEN: Final = with_alpha(QUARTERS, (0, 128, 255, 255))


def chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def riff(*chunks: bytes, stated: int | None = None, behind: bytes = b"") -> bytes:
    """`stated` is the size in its header, if it is another one."""
    data = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(data) if stated is None else stated) + data + behind


def _three(value: int) -> bytes:
    return value.to_bytes(3, "little")


def extended(flags: int, size: Size = SIZE) -> bytes:
    return chunk(b"VP8X", bytes((flags, 0, 0, 0)) + _three(size[0] - 1) + _three(size[1] - 1))


def drawn(quarters: Quarters = QUARTERS, size: Size = SIZE) -> Image.Image:
    image = Image.new("RGBA", size)
    image.putdata([quarters[quarter_at(x, y, size)] for y in range(size[1]) for x in range(size[0])])
    return image


@cache
def pixels(*, lossless: bool = False, alpha: bool = False, size: Size = SIZE, other: bool = False) -> bytes:
    """The chunks of the pixels alone."""
    quarters = _SEEN if alpha else turned(QUARTERS, 3) if other else QUARTERS
    file = io.BytesIO()
    drawn(quarters, size).convert("RGBA" if alpha else "RGB").save(file, "WEBP", lossless=lossless, quality=100, exact=True)
    content = file.getvalue()[12:]
    return content[18:] if content.startswith(b"VP8X") else content


def _frame(data: bytes, size: Size = SIZE, at: Size = (0, 0)) -> bytes:
    place = _three(at[0] // 2) + _three(at[1] // 2) + _three(size[0] - 1) + _three(size[1] - 1)
    return chunk(b"ANMF", place + _three(100) + b"\x02" + data)


_ANIM: Final = chunk(b"ANIM", b"\xff\xff\xff\xff\0\0")


def _animated(*frames: bytes, size: Size = SIZE, flags: int = _ANIMATED) -> bytes:
    return riff(extended(flags, size), _ANIM, *frames)


def with_exif(content: bytes, *, lossless: bool = True, flags: int = _EXIF) -> bytes:
    return riff(extended(flags), pixels(lossless=lossless), chunk(b"EXIF", content))


def _sample(
    name: str, content: bytes, *, quarters: Quarters | None = QUARTERS, tolerance: int = 3, frames: int = 1, is_bare: bool | None = None
) -> Sample:
    make = made(bytes, content)
    return Sample(name=f"WebP {name}", format="WEBP", make=make, quarters=quarters, tolerance=tolerance, frames=frames, is_bare=is_bare)


def _kinds() -> Iterator[Sample]:
    for lossless in (False, True):
        name, tolerance = ("lossless", 1) if lossless else ("lossy", 10)
        plain, seen = pixels(lossless=lossless), pixels(lossless=lossless, alpha=True)
        yield _sample(name, riff(plain), tolerance=tolerance, is_bare=True)
        yield _sample(f"{name}, extended", riff(extended(0), plain), tolerance=tolerance)
        yield _sample(f"{name} with transparency", riff(extended(_ALPHA), seen), quarters=_SEEN, tolerance=tolerance)
        moving = _animated(_frame(plain), _frame(pixels(lossless=lossless, other=True)))
        yield _sample(f"{name} with two frames", moving, tolerance=tolerance, frames=2, is_bare=False)
        yield _sample(f"{name} with one frame of an animation", _animated(_frame(plain)), tolerance=tolerance, is_bare=None)
        for size in ((1, 1), (17, 9), (1, 300)):
            content = pixels(lossless=lossless, size=size)
            quarters = None if size[0] == 1 else QUARTERS
            full = f"WebP {name} {size[0]}x{size[1]}"
            yield Sample(name=full, format="WEBP", make=made(riff, content), size=size, quarters=quarters, tolerance=60, is_bare=True)
    yield _sample("lossless with transparency, not extended", riff(pixels(lossless=True, alpha=True)), quarters=_SEEN, is_bare=True)
    small = _frame(pixels(lossless=True, size=(32, 16)), (32, 16), (32, 16))
    yield _sample("with a first frame that is small", _animated(small, _frame(pixels(lossless=True)), flags=_ANIMATED | _ALPHA),
                  quarters=None, frames=2, is_bare=False)  # fmt: skip
    edge = pixels(lossless=True, size=(16_383, 2))
    yield Sample(name="WebP 16383x2", format="WEBP", make=made(riff, edge), size=(16_383, 2), quarters=None, is_bare=True)


def _side_data() -> Iterator[Sample]:
    plain, seen = pixels(lossless=True), pixels(lossless=True, alpha=True)
    shown = four(profiles.wide_shown(colour) for colour in QUARTERS)
    wide_profile = chunk(b"ICCP", profiles.WIDE)
    yield _sample("with a wide profile", riff(extended(_PROFILE), wide_profile, plain), quarters=shown, tolerance=5, is_bare=False)
    yield _sample(
        "lossy with a wide profile", riff(extended(_PROFILE), wide_profile, pixels()), quarters=shown, tolerance=12, is_bare=False
    )
    hidden = with_alpha(shown, (0, 128, 255, 255))
    both = riff(extended(_PROFILE | _ALPHA), wide_profile, seen)
    yield _sample("with a wide profile and transparency", both, quarters=hidden, tolerance=6, is_bare=False)
    yield _sample("with the profile of sRGB", riff(extended(_PROFILE), chunk(b"ICCP", profiles.SRGB), plain), is_bare=False)
    for name, content in {**profiles.BROKEN, "for grey": profiles.GREY, "for inks": profiles.INKED}.items():
        yield _sample(f"with a profile that is {name}", riff(extended(_PROFILE), chunk(b"ICCP", content), plain), is_bare=False)
    for name, content, quarters, size in exif.variants():
        full = f"WebP with Exif, {name}"
        yield Sample(name=full, format="WEBP", make=made(with_exif, content), quarters=quarters, size=size, is_bare=False)
    yield Sample(name="WebP lossy with orientation 6", format="WEBP", make=made(with_exif, exif.exif(6), lossless=False), size=(32, 64),
                 quarters=turned(QUARTERS, 6), tolerance=12, is_bare=False)  # fmt: skip
    yield Sample(name="WebP with Exif behind its mark", format="WEBP", make=made(with_exif, b"Exif\0\0" + exif.exif(6)), quarters=None,
                 size=None, is_bare=False)  # fmt: skip
    yield Sample(name="WebP with Exif that its header doesn't tell of", format="WEBP", make=made(with_exif, exif.exif(6), flags=0),
                 quarters=None, size=None, is_bare=False)  # fmt: skip
    turned_xmp = chunk(b"XMP ", exif.xmp(6))
    yield _sample("with an orientation in XMP alone", riff(extended(_XMP), plain, turned_xmp), is_bare=False)
    yield _sample("with XMP that its header doesn't tell of", riff(extended(0), plain, turned_xmp), is_bare=False)
    yield _sample("with broken XMP", riff(extended(_XMP), plain, chunk(b"XMP ", b"\xff<x")), is_bare=False)
    yield _sample("with XMP of 3 MB", riff(extended(_XMP), plain, chunk(b"XMP ", b"x" * 3_000_000)), is_bare=False)
    yield _sample("with an unknown chunk", riff(extended(0), chunk(b"what", b"ever"), plain), is_bare=False)
    yield _sample("with an unknown chunk of odd length", riff(extended(0), plain, chunk(b"what", b"ever!")), is_bare=False)
    yield _sample("with an unknown chunk behind simple pixels", riff(plain, chunk(b"what", b"ever")), is_bare=False)
    yield _sample("with promises that it doesn't keep", riff(extended(_XMP | _EXIF), plain), is_bare=None)
    yield _sample("with transparency that it doesn't have", riff(extended(_ALPHA), plain), is_bare=None)
    for name, behind in {
        "zeros": bytes(12),
        "a byte": b"\n",
        "a film": b"\0\0\0\x18ftypmp42" + bytes(5000),
        "another": riff(plain),
    }.items():
        yield _sample(f"with {name} behind its end", riff(plain, behind=behind), is_bare=False)


def samples() -> Iterator[Sample]:
    yield from _kinds()
    yield from _side_data()


def refused() -> Iterator[RefusedFile]:
    plain, lossy = pixels(lossless=True), pixels()
    for at in (12, 16, 20, 25, 30, 45):
        yield refusal(f"WebP cut at {at}", made(bytes, riff(plain)[:at]), CUT)
    yield refusal("WebP of which half is there", made(bytes, riff(lossy)[: len(lossy) // 2]), CUT)
    yield refusal("WebP extended and cut", made(bytes, with_exif(exif.exif(6))[:60]), CUT)
    yield refusal("WebP without its Exif's end", made(bytes, with_exif(exif.exif(6))[:-20]))
    yield refusal("WebP with a canvas that is too large", made(riff, extended(0, (200, 100)), plain))
    yield refusal("WebP with a canvas that is too small", made(riff, extended(0, (8, 8)), plain))
    yield refusal("WebP with a canvas of 16777216x16777216", made(riff, extended(0, (2**24, 2**24)), plain), ".")
    yield refusal("WebP with an animation of 60000x60000", made(_animated, _frame(plain), size=(60_000, 60_000)), ".")
    yield refusal("WebP with a frame outside", made(_animated, _frame(plain, at=(60, 0))))
    yield refusal("WebP with a frame of another size than its pixels", made(_animated, _frame(plain, (32, 16))))
    yield refusal("WebP without pixels", made(riff, extended(0)), ".")
    yield refusal("WebP without frames", made(_animated), ".")
    yield refusal("WebP with a chunk beyond its end", made(riff, extended(0), b"what\xff\xff\xff\x7f", plain))
    yield refusal("WebP that states too little", made(riff, plain, stated=20))
    yield refusal("WebP that states too much", made(riff, plain, stated=2**31))
    yield refusal("WebP that states nothing", made(riff, plain, stated=0))
    yield refusal("WebP of another codec", made(riff, chunk(b"VP9 ", bytes(40))), ".")
    broken = bytearray(riff(lossy))
    broken[23:26] = b"\0\0\0"  # the start code of a frame
    yield refusal("WebP without a start code", made(bytes, bytes(broken)), ".")
