"""PNG files of all kinds, with side data of all kinds."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from tests.media.cases import exif, profiles
from tests.media.cases.png import COLOURS, GREY, GREY_ALPHA, PALETTE, RGB, RGBA, START, chunk, header, png, profile, rows
from tests.media.cases.sample import (
    CUT,
    GREYS,
    QUARTERS,
    SIZE,
    Colour,
    Pixel,
    Quarters,
    RefusedFile,
    Sample,
    Size,
    four,
    grey,
    made,
    refusal,
    with_alpha,
)

_DEPTHS: Final = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
_NAMES: Final = {GREY: "grey", RGB: "RGB", PALETTE: "palette", GREY_ALPHA: "grey with alpha", RGBA: "RGBA"}
_ALPHAS: Final = (0, 128, 255, 255)
_COLOURS: Final = chunk(b"PLTE", b"".join(bytes(colour) for colour in COLOURS))


def _stored(kind: int, depth: int) -> tuple[list[Pixel], Quarters]:
    """The samples of the quarters, and the colours that they stand for. The least significant of 16 bits are not zero."""
    most = 2**depth - 1
    if kind == PALETTE:
        indices: list[Pixel] = [(index & most,) for index in range(4)]
        return indices, four(QUARTERS[index] for (index,) in indices)
    drawn = GREYS if kind in {GREY, GREY_ALPHA} else QUARTERS
    drawn = with_alpha(drawn, _ALPHAS) if kind in {GREY_ALPHA, RGBA} else drawn
    channels = {GREY: (0,), RGB: (0, 1, 2), GREY_ALPHA: (0, 3), RGBA: (0, 1, 2, 3)}[kind]
    if depth == 16:
        return [tuple(colour[channel] * 257 for channel in channels) for colour in drawn], drawn
    pixels = [tuple(round(colour[channel] / 255 * most) for channel in channels) for colour in drawn]
    return pixels, drawn if depth == 8 else four(grey(round(pixel[0] / most * 255)) for pixel in pixels)


def _palette(depth: int) -> bytes:
    return chunk(b"PLTE", b"".join(bytes(colour[:3]) for colour in QUARTERS[: min(4, 2**depth)]))


def _transparency(kind: int, depth: int, pixels: Sequence[Pixel], shown: Quarters) -> tuple[bytes, Quarters]:
    """The chunk that makes the first quarter's colour transparent, and what is shown then."""
    if kind == PALETTE:
        content = bytes(_ALPHAS[: min(4, 2**depth)])
        return chunk(b"tRNS", content), with_alpha(shown, [_ALPHAS[index] for (index,) in pixels])
    content = struct.pack(f">{len(pixels[0])}H", *pixels[0])
    return chunk(b"tRNS", content), with_alpha(shown, [0 if pixel == pixels[0] else 255 for pixel in pixels])


_PROFILES: Final = {
    "": ("", b"", None),
    "sRGB": (", sRGB", profile(profiles.SRGB), None),
    "wide": (", wide", profile(profiles.WIDE), profiles.wide_shown),
    "grey": (", grey profile", profile(profiles.GREY), profiles.grey_shown),
}


def _kinds() -> Iterator[Sample]:
    """Every colour type, depth, transparency and profile, plain and interlaced."""
    for kind, depths in _DEPTHS.items():
        is_grey = kind in {GREY, GREY_ALPHA}
        profiled = ("", "grey") if is_grey else ("", "sRGB", "wide")
        keys = (False,) if kind in {GREY_ALPHA, RGBA} else (False, True)
        for depth, interlaced, key, name in product(depths, (False, True), keys, profiled):
            pixels, shown = _stored(kind, depth)
            words, before, convert = _PROFILES[name]
            if convert is not None:
                shown = four(convert(colour) for colour in shown)
            before += _palette(depth) if kind == PALETTE else b""
            if key:
                transparent, shown = _transparency(kind, depth, pixels, shown)
                before += transparent
            yield Sample(
                name=f"PNG {_NAMES[kind]} {depth}{' interlaced' * interlaced}{' tRNS' * key}{words}",
                format="PNG",
                make=made(png, pixels, depth=depth, kind=kind, interlaced=interlaced, before=before),
                quarters=shown,
                tolerance=4 if convert else 2,
                frames=1,
                is_bare=True if kind in {RGB, RGBA} and depth == 8 and not (key or name or interlaced) else False if name else None,
            )


def _near_key() -> bytes:
    """One colour differs from the transparent one in the least significant bits of 16 alone."""
    pixels: list[Pixel] = [(value * 257,) for value in (60, 60, 120, 240)]
    pixels[1] = (60 * 257 + 1,)
    return png(pixels, depth=16, kind=GREY, before=chunk(b"tRNS", struct.pack(">H", 60 * 257)))


def _text(kind: bytes, content: bytes) -> bytes:
    """A text, also a compressed one."""
    heads = {b"tEXt": b"parameters\0", b"zTXt": b"parameters\0\0", b"iTXt": b"parameters\0\x01\0\0\0"}
    return chunk(kind, heads[kind] + (content if kind == b"tEXt" else zlib.compress(content)))


def _raw_profile(content: bytes) -> bytes:
    """Exif in a text, as ImageMagick once wrote it."""
    return chunk(b"tEXt", b"Raw profile type exif\0\nexif\n%8d\n" % len(content) + content.hex().encode() + b"\n")


def _noise(size_bytes: int) -> bytes:
    return random.Random(1).randbytes(size_bytes)


_XMP: Final = b"XML:com.adobe.xmp\0\0\0\0\0" + exif.xmp(6)

# Chunks before the pixels that change nothing of what is shown.
_HARMLESS: Final = {
    "an unknown chunk": chunk(b"abCd", b"whatever"),
    "an unknown chunk of 2 MB": chunk(b"abCd", _noise(2_000_000)),
    "300 unknown chunks": chunk(b"abCd", b"x") * 300,
    "a text": _text(b"tEXt", b"a fox in the snow"),
    "a text of 3 MB": _text(b"tEXt", b"x" * 3_000_000),
    "a compressed text of 3 MB": _text(b"zTXt", b"x" * 3_000_000),
    "a compressed text of 12 MB": _text(b"zTXt", bytes(12_000_000)),
    "an international text of 3 MB": _text(b"iTXt", b"x" * 3_000_000),
    "2,000 texts": _text(b"tEXt", b"x") * 2000,
    "a text that is compressed wrongly": chunk(b"zTXt", b"a\0\0" + b"no deflate"),
    "a text without its end": chunk(b"tEXt", b"no zero"),
    "an empty text": chunk(b"tEXt"),
    "a long keyword": chunk(b"tEXt", b"k" * 200 + b"\0text"),
    "a text with a wrong checksum": chunk(b"tEXt", b"a\0text", crc=1),
    "an unknown chunk with a wrong checksum": chunk(b"abCd", b"whatever", crc=1),
    "a resolution with a wrong checksum": chunk(b"pHYs", struct.pack(">IIB", 1, 1, 1), crc=1),
    "a time with a wrong checksum": chunk(b"tIME", bytes(7), crc=1),
    "a profile with a wrong checksum": chunk(b"iCCP", b"a\0\0" + zlib.compress(b"no profile"), crc=1),
    "a time that is none": chunk(b"tIME", b"\xff" * 7),
    "an orientation in XMP alone": chunk(b"iTXt", _XMP),
    "an orientation in XMP of 2 MB": chunk(b"iTXt", _XMP + b" " * 2_000_000),
    "Exif in a text": _raw_profile(b"Exif\0\0" + exif.exif(6)),
    "Exif in a text that is none": _raw_profile(b"nothing"),
    "a broken raw profile": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n  999999\nzzzz"),
    "a resolution of zero": chunk(b"pHYs", bytes(9)),
    "a suggested palette": chunk(b"PLTE", bytes(range(30))),
    "an sPLT that is cut": chunk(b"sPLT", b"a\0\x08\x01"),
    "significant bits": chunk(b"sBIT", b"\x05\x06\x05"),
    "too many significant bits": chunk(b"sBIT", b"\xff\xff\xff"),
    "a background": chunk(b"bKGD", bytes(6)),
    "a background that is cut": chunk(b"bKGD", b"\0"),
    "sRGB": chunk(b"sRGB", b"\0"),
    "sRGB with a wrong intent": chunk(b"sRGB", b"\x09"),
    "the gamma of sRGB": chunk(b"gAMA", struct.pack(">I", 45455)),
    "sRGB and its gamma": chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 45455)),
    "no gamma": chunk(b"gAMA", bytes(4)),
    "a gamma that is cut": chunk(b"gAMA", b"\0"),
    "the primaries of sRGB": chunk(b"gAMA", struct.pack(">I", 45455))
    + chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
    "primaries that are none": chunk(b"cHRM", bytes(32)),
    "a transparent colour that is cut": chunk(b"tRNS", b"\0"),
    "two times": chunk(b"tIME", bytes(7)) * 2,
    **{f"a profile that is {name}": profile(content) for name, content in profiles.BROKEN.items()},
    "a grey profile": profile(profiles.GREY),
    "an ink profile": profile(profiles.INKED),
    "a profile of 1.5 MB of noise": profile(_noise(1_500_000)),
    "a profile of 12 MB of zeros": profile(bytes(12_000_000)),
    "a profile that is compressed wrongly": chunk(b"iCCP", b"a\0\0no deflate"),
    "a profile without its name": chunk(b"iCCP", b""),
    "a profile and sRGB": chunk(b"sRGB", b"\0") + profile(profiles.SRGB),
}  # fmt: skip
_METADATA: Final = ("text", "Exif", "XMP", "profile", "unknown", "time")  # in the name of what must not be passed on


def _side_data() -> Iterator[Sample]:
    for name, before in _HARMLESS.items():
        is_known = any(word in name for word in _METADATA)
        tolerance = 8 if "primaries" in name else 2  # browsers take the gamma of sRGB as 2.2 then
        bare = False if is_known else None
        yield Sample(name=f"PNG with {name}", format="PNG", make=made(png, before=before), tolerance=tolerance, is_bare=bare)
    for name, content, quarters, size in exif.variants():
        make = made(png, before=chunk(b"eXIf", content))
        yield Sample(name=f"PNG with Exif, {name}", format="PNG", make=make, quarters=quarters, size=size, is_bare=False)


def _sample(name: str, content: bytes, *, size: Size | None = SIZE, quarters: Quarters | None = QUARTERS, **more: bool | None) -> Sample:
    return Sample(name=f"PNG {name}", format="PNG", make=lambda: content, size=size, quarters=quarters, is_bare=more.get("is_bare"))


def _plain(colour: Colour) -> Quarters:
    return colour, colour, colour, colour


def _data() -> Iterator[Sample]:
    raw = rows(SIZE, 8, COLOURS)
    packed = zlib.compress(raw)
    yield _sample("in chunks of a byte", png(data=b"".join(chunk(b"IDAT", packed[at : at + 1]) for at in range(len(packed)))), is_bare=True)
    yield _sample("with empty chunks", png(data=chunk(b"IDAT") + chunk(b"IDAT", packed) + chunk(b"IDAT")))
    yield _sample("that is not compressed", png(data=chunk(b"IDAT", zlib.compress(raw, 0))), is_bare=True)
    yield _sample("with more data than pixels", png(data=chunk(b"IDAT", zlib.compress(raw + bytes(500)))))
    yield _sample("with bytes behind the data", png(data=chunk(b"IDAT", packed + b"more")))
    yield _sample("with a text behind the pixels", png(after=_text(b"tEXt", b"x")), is_bare=False)
    yield _sample("with Exif behind the pixels", png(after=chunk(b"eXIf", exif.exif(1))), is_bare=False)
    yield _sample("with a transparent colour behind the pixels", png(after=chunk(b"tRNS", struct.pack(">3H", *COLOURS[0]))), quarters=None)
    yield _sample("with bytes behind the end", png(behind=b"PK\x03\x04 something else"), is_bare=False)
    yield _sample("with zeros behind the end", png(behind=bytes(3)), is_bare=False)
    yield _sample("with another PNG behind the end", png(behind=png()), is_bare=False)
    keyed = ((60, 60, 60, 0), (60, 60, 60, 255), (120, 120, 120, 255), (240, 240, 240, 255))
    yield _sample("with nearly the transparent colour", _near_key(), quarters=keyed)
    key = chunk(b"tRNS", struct.pack(">3H", *COLOURS[0]))
    yield _sample("RGBA with a transparent colour", png(QUARTERS, kind=RGBA, before=key))
    palette = chunk(b"PLTE", bytes(3 * 2) + b"\xff\0\0")
    yield _sample("with indices beyond its palette", png([(200,)] * 4, kind=PALETTE, before=palette), quarters=None)
    long = chunk(b"PLTE", b"".join(bytes(colour[:3]) for colour in QUARTERS) * 8)
    yield _sample("with a long palette", png([(n,) for n in range(4)], depth=2, kind=PALETTE, before=long), quarters=None)
    alphas = _COLOURS + chunk(b"tRNS", b"\xff" * 200)
    yield _sample("with more alphas than colours", png([(n,) for n in range(4)], kind=PALETTE, before=alphas))


def _sizes() -> Iterator[Sample]:
    red = _plain(QUARTERS[0])
    for (width, height), (kind, depth), interlaced in product(
        ((1, 1), (1, 40), (40, 1), (3, 5)), ((RGB, 8), (RGBA, 16), (GREY, 1), (PALETTE, 4)), (False, True)
    ):
        pixels, shown = _stored(kind, depth)
        before = _palette(depth) if kind == PALETTE else b""
        content = png(pixels[:1] * 4, size=(width, height), depth=depth, kind=kind, interlaced=interlaced, before=before)
        quarters = red if kind in {RGB, PALETTE} else _plain(shown[0])
        yield _sample(
            f"{width}x{height} {_NAMES[kind]} {depth}{' interlaced' * interlaced}", content, size=(width, height), quarters=quarters
        )
    yield _sample("20000x1", png([QUARTERS[0][:3]] * 4, size=(20_000, 1)), size=(20_000, 1), quarters=red)


def animation(*, hides_first: bool = False) -> bytes:
    """Two frames; if the first is hidden, the image in the file is not one of them."""
    raw = zlib.compress(rows(SIZE, 8, COLOURS))
    control = [chunk(b"fcTL", struct.pack(">5I2H2B", number, *SIZE, 0, 0, 1, 10, 0, 0)) for number in range(3)]
    start = chunk(b"acTL", struct.pack(">II", 2, 0))
    if hides_first:
        frames = [
            control[0],
            chunk(b"fdAT", b"\0\0\0\1" + raw),
            control[2],
            chunk(b"fdAT", b"\0\0\0\3" + raw),
        ]
        return png(before=start, after=b"".join(frames))
    return png(before=start + control[0], after=control[1] + chunk(b"fdAT", b"\0\0\0\2" + raw))


def samples() -> Iterator[Sample]:
    yield from _kinds()
    yield from _side_data()
    yield from _data()
    yield from _sizes()
    yield Sample(name="PNG with two frames", format="PNG", make=animation, is_bare=False)
    yield Sample(name="PNG with two frames behind its image", format="PNG", make=made(animation, hides_first=True), is_bare=False)


def refused() -> Iterator[RefusedFile]:
    whole = png()
    for at in (8, 20, 33, 40, len(whole) - 40):
        yield refusal(f"PNG cut at {at}", made(bytes, whole[:at]), CUT)
    yield refusal("PNG without its end", made(bytes, whole[:-12]))
    yield refusal("PNG without pixels", made(png, data=b""), CUT)
    yield refusal("PNG with half of its rows", made(png, data=chunk(b"IDAT", zlib.compress(rows((64, 16), 8, [(9, 9, 9)] * 4)))), ".")
    yield refusal("PNG without width", made(png, size=(0, 32)), ".")
    yield refusal("PNG with a depth of 3", made(bytes, START + header(SIZE, 3, GREY) + whole[33:]), ".")
    yield refusal("PNG with colour type 5", made(bytes, START + header(SIZE, 8, 5) + whole[33:]), ".")
    yield refusal("PNG with a palette of none", made(png, [(0,)] * 4, kind=PALETTE))
    yield refusal("PNG with an unknown critical chunk", made(png, before=chunk(b"ABCD", b"x")))
    wrong = chunk(b"IDAT", zlib.compress(rows(SIZE, 8, COLOURS)), crc=1)
    yield refusal("PNG with a wrong checksum of its pixels", made(png, data=wrong))
    yield refusal("PNG with a chunk of 4 GB", made(png, before=b"\xff\xff\xff\xfftEXt"))
    yield refusal("PNG of 2 gigapixels", made(png, [(0,)] * 4, size=(2**31 - 1, 1), kind=GREY, depth=1, data=b""), ".")
    yield refusal("PNG of 99999x99999", made(png, size=(99_999, 99_999), data=chunk(b"IDAT", b"")), "megapixels")
