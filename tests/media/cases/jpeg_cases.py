"""JPEG files of all kinds, with side data of all kinds."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterator
from typing import Final

from PIL import Image

from tests.media.cases import exif, profiles
from tests.media.cases.jpeg import COLOURS, END, JFIF, START, adobe, film, jpeg, planes, profile, segment, xmp, ycc
from tests.media.cases.sample import (
    CUT,
    GREYS,
    QUARTERS,
    Colour,
    Pixel,
    Quarters,
    RefusedFile,
    Sample,
    Size,
    four,
    made,
    refusal,
    turned,
)
from tests.media.cases.webp import drawn


def _pillow(mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    drawn().convert(mode).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def noise(size: Size = (96, 64), **options: object) -> bytes:
    """Something with all frequencies."""
    image = Image.effect_mandelbrot(size, (-2, -1, 1, 1), 40).convert("RGB")
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def _sample(name: str, content: bytes, *, quarters: Quarters | None = QUARTERS, tolerance: int = 4, is_bare: bool | None = None) -> Sample:
    return Sample(
        name=f"JPEG {name}", format="JPEG", make=lambda: content, quarters=quarters, tolerance=tolerance, frames=1, is_bare=is_bare
    )


_SAMPLINGS: Final = {
    "4:4:4": [(1, 1)],
    "4:2:2": [(2, 1)],
    "4:2:0": [(2, 2)],
    "4:1:1": [(4, 1)],
    "4:4:0": [(1, 2)],
    "4:1:0": [(4, 2)],
    "4:4:4 in twos": [(2, 1), (2, 1), (2, 1)],
    "more red than blue": [(2, 2), (1, 2), (2, 1)],
}  # fmt: skip


def _kinds() -> Iterator[Sample]:
    for name, sampling in _SAMPLINGS.items():
        components = planes(COLOURS, *sampling)
        yield _sample(name, jpeg(components), is_bare=True)
        yield _sample(f"{name}, progressive", jpeg(components, frame=0xC2), is_bare=True)
        yield _sample(f"{name}, restarts", jpeg(components, restart=1))
        yield _sample(f"{name}, a scan for each", jpeg(components, separate=True))
    yield _sample("extended", jpeg(frame=0xC1))
    yield _sample("by Pillow", _pillow(), tolerance=6, is_bare=True)
    yield _sample("by Pillow, progressive", _pillow(progressive=True), tolerance=6, is_bare=True)
    greys = [(colour[0],) for colour in GREYS]
    yield _sample("grey", jpeg(planes(greys)), quarters=GREYS)
    yield _sample("grey, progressive", jpeg(planes(greys), frame=0xC2), quarters=GREYS)
    yield _sample("grey with sampling factors", jpeg(planes(greys, (2, 2))), quarters=GREYS)
    rgb = [colour[:3] for colour in QUARTERS]
    yield _sample("RGB by Adobe's marker", jpeg(planes(rgb), head=adobe(0)))
    yield _sample("RGB by its ids", jpeg(planes(rgb, ids=b"RGB"), head=b""))
    yield _sample("YCC by Adobe's marker", jpeg(head=adobe(1)))
    yield _sample("without any marker of its colours", jpeg(head=b""))
    yield _sample("with ids from 0", jpeg(planes(COLOURS, ids=(0, 1, 2))))
    for size in ((1, 1), (1, 40), (17, 9), (9, 33)):
        red: Quarters = (QUARTERS[0],) * 4
        content = jpeg(planes([COLOURS[0]] * 4, (2, 2)), size=size)
        name = f"JPEG {size[0]}x{size[1]}"
        yield Sample(name=name, format="JPEG", make=made(bytes, content), size=size, quarters=red, tolerance=4, is_bare=True)


_STORED_INKS: Final[tuple[Pixel, ...]] = ((220, 40, 30, 255), (30, 160, 60, 255), (255, 255, 255, 100), (200, 100, 50, 150))  # inverted


def _mixed(inks: Pixel) -> Colour:
    red, green, blue = (round(inks[at] * inks[3] / 255) for at in range(3))
    return red, green, blue, 255


def _inks() -> Iterator[Sample]:
    """Four inks. Browsers take them as inverted, as Adobe's programs write them, whether its marker is there or not."""
    shown = four(_mixed(inks) for inks in _STORED_INKS)
    yield _sample("CMYK", jpeg(planes(_STORED_INKS), head=adobe(0)), quarters=shown, tolerance=6, is_bare=False)
    yield _sample("CMYK, progressive", jpeg(planes(_STORED_INKS), head=adobe(0), frame=0xC2), quarters=shown, tolerance=6, is_bare=False)
    yield _sample("CMYK without Adobe's marker", jpeg(planes(_STORED_INKS), head=b""), quarters=shown, tolerance=6, is_bare=False)
    packed = [(*ycc([255 - ink for ink in inks[:3]]), inks[3]) for inks in _STORED_INKS]
    yield _sample("YCCK", jpeg(planes(packed, (2, 2), (1, 1), (1, 1), (2, 2)), head=adobe(2)), quarters=shown, tolerance=6, is_bare=False)
    full = planes([tuple(255 - ink for ink in inks) for inks in profiles.FULL_INKS])
    profiled = adobe(0) + profile(profiles.INKED)
    yield _sample("CMYK with a profile", jpeg(full, head=profiled), quarters=profiles.inks_shown(), tolerance=14, is_bare=False)
    broken = adobe(0) + profile(profiles.BROKEN["text"])
    yield _sample("CMYK with a broken profile", jpeg(planes(_STORED_INKS), head=broken), quarters=shown, tolerance=6, is_bare=False)
    other = adobe(0) + profile(profiles.SRGB)
    yield _sample("CMYK with a profile for RGB", jpeg(planes(_STORED_INKS), head=other), quarters=shown, tolerance=6, is_bare=False)


def _profiled() -> Iterator[Sample]:
    shown = four(profiles.wide_shown(colour) for colour in QUARTERS)
    for name, head in {
        "a wide profile": profile(profiles.WIDE),
        "a wide profile in pieces": profile(profiles.WIDE, piece=100),
        "a wide profile in pieces, the last one first": profile(profiles.WIDE, piece=100, order=-1),
        "a wide profile behind Exif": segment(0xE1, b"Exif\0\0" + exif.exif(1)) + profile(profiles.WIDE),
    }.items():
        yield _sample(f"with {name}", jpeg(head=JFIF + head), quarters=shown, tolerance=5, is_bare=False)
    yield _sample("with a wide profile and orientation 3", jpeg(head=segment(0xE1, b"Exif\0\0" + exif.exif(3)) + profile(profiles.WIDE)),
                  quarters=turned(shown, 3), tolerance=5, is_bare=False)  # fmt: skip
    yield _sample("with the profile of sRGB", jpeg(head=JFIF + profile(profiles.SRGB)), is_bare=False)
    greys = planes([(colour[0],) for colour in GREYS])
    lit = four(profiles.grey_shown(colour) for colour in GREYS)
    yield _sample("grey with a grey profile", jpeg(greys, head=JFIF + profile(profiles.GREY)), quarters=lit, is_bare=False)
    yield _sample("grey with a profile for RGB", jpeg(greys, head=JFIF + profile(profiles.SRGB)), quarters=GREYS, is_bare=False)
    yield _sample("with a grey profile", jpeg(head=JFIF + profile(profiles.GREY)), is_bare=False)
    yield _sample("with an ink profile", jpeg(head=JFIF + profile(profiles.INKED)), is_bare=False)
    for name, content in profiles.BROKEN.items():
        yield _sample(f"with a profile that is {name}", jpeg(head=JFIF + profile(content)), is_bare=False)
    noisy = profiles.WIDE[:132] + random.Random(2).randbytes(400_000)
    yield _sample("with a profile of 400 KB of noise", jpeg(head=JFIF + profile(noisy)), is_bare=False)
    pieces = profile(profiles.WIDE, piece=100)
    first_length = 4 + struct.unpack_from(">H", pieces, 2)[0] - 2
    yield _sample("with a profile without its first piece", jpeg(head=JFIF + pieces[first_length:]), is_bare=False)
    yield _sample("with a profile of piece 0 of 0", jpeg(head=JFIF + segment(0xE2, b"ICC_PROFILE\0\0\0" + profiles.WIDE)), quarters=None)


# Segments after JFIF's that change nothing of what is shown.
_SEGMENTS: Final = {
    "a comment": segment(0xFE, b"written at home"),
    "a comment of 64 KB": segment(0xFE, b"\xff" * 65_533),
    "an empty comment": segment(0xFE),
    "300 comments": segment(0xFE, b"x") * 300,
    "1,500 comments": segment(0xFE, b"x") * 1500,
    "an orientation in XMP alone": xmp(exif.xmp(6)),
    "broken XMP": xmp(b"<x:xmpmeta"),
    "XMP of a motion photo": xmp(exif.xmp(1).replace(b"tiff:Orientation", b"GCamera:MotionPhoto")),
    "Photoshop's data": segment(0xED, b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x05abc"),
    "other images": segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff"),
    "an Adobe marker that is cut": segment(0xEE, b"Adobe"),
    "JFIF once more": JFIF,
    "JFIF with a thumbnail that is cut": segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\xff\xff"),
    "JFXX": segment(0xE0, b"JFXX\0\x10" + START + b"thumbnail" + END),
    "all application segments": b"".join(segment(0xE1 + n, b"\xff\xd8\xff\xd9whatever") for n in range(13)),
    "an Exif header alone": segment(0xE1, b"Exif\0\0"),
    "an Exif header that is cut": segment(0xE1, b"Exif"),
    "fill bytes": b"\xff" * 7 + segment(0xFE, b"x"),
    "1,000 fill bytes": b"\xff" * 1000 + segment(0xFE, b"x"),
    "three stray bytes": b"\0\0\0" + segment(0xFE, b"x"),
    "a stray byte": b"\x0a" + segment(0xFE, b"x"),
    "forty stray bytes": b"\r\n" * 20 + segment(0xFE, b"x"),
    "a TEM marker": b"\xff\x01",
    "tables twice": segment(0xDB, b"\3" + b"\1" * 64),
}  # fmt: skip
_NEUTRAL: Final = ("Adobe", "JFIF", "JFXX", "fill", "stray", "TEM", "tables")  # in the name of what need not be taken out


def _side_data() -> Iterator[Sample]:
    for name, head in _SEGMENTS.items():
        is_neutral = any(word in name for word in _NEUTRAL)
        yield _sample(f"with {name}", jpeg(head=JFIF + head), is_bare=None if is_neutral else False)
    yield _sample("with fill bytes everywhere", jpeg(gap=b"\xff\xff\xff"))
    yield _sample("with stray bytes everywhere", jpeg(gap=b"\0\x0a"))
    for name, behind in {
        "zeros": bytes(12), "a film": film(), "another JPEG": jpeg(), "a text": b"secret", "a PNG": b"\x89PNG\r\n\x1a\n", "one byte": b"\n",
        "2 MB": bytes(2_000_000), "the end again": END,
    }.items():  # fmt: skip
        yield _sample(f"with {name} behind its end", jpeg(behind=behind), is_bare=False)
    for name, content, quarters, size in exif.variants():
        head = segment(0xE1, b"Exif\0\0" + content)
        for place, segments in {"": JFIF + head, ", before JFIF": head + JFIF, ", without JFIF": head}.items():
            if not place or "big orientation" in name:
                made_of = made(jpeg, head=segments)
                full = f"JPEG with Exif, {name}{place}"
                yield Sample(name=full, format="JPEG", make=made_of, quarters=quarters, size=size, tolerance=4, is_bare=False)


def samples() -> Iterator[Sample]:
    yield from _kinds()
    yield from _inks()
    yield from _profiled()
    yield from _side_data()


def _sized(size: Size) -> bytes:
    """Another size in the header than the data have."""
    content = bytearray(noise())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", size[1], size[0])
    return bytes(content)


def refused() -> Iterator[RefusedFile]:
    yield refusal("JPEG with stray bytes behind its start", made(jpeg, head=b"\0\0" + JFIF))
    whole, rich = jpeg(), noise()
    for at in (3, 10, 24, 100, len(whole) - 30):
        yield refusal(f"JPEG cut at {at}", made(bytes, whole[:at]), CUT)
    for share in (30, 60, 90):
        yield refusal(f"JPEG of which {share} % are there", made(bytes, rich[: len(rich) * share // 100]), CUT)
    yield refusal("JPEG without its end", made(jpeg, end=b""))
    yield refusal("JPEG without height", made(jpeg, size=(64, 0)))
    yield refusal("JPEG whose height comes behind the scan", made(_sized, (96, 0)))
    yield refusal("JPEG of 65500x65500", made(_sized, (65_500, 65_500)), "megapixels")
    yield refusal("JPEG of half of the rows", made(_sized, (96, 128)))
    for name, frame in {"arithmetic": 0xC9, "lossless": 0xC3, "arithmetic and progressive": 0xCA, "hierarchical": 0xC5}.items():
        yield refusal(f"JPEG with {name} coding", made(jpeg, frame=frame))
    yield refusal("JPEG of 12 bits", made(bytes, whole.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")))
    yield refusal("JPEG of two components", made(jpeg, planes([colour[:2] for colour in QUARTERS])))
    yield refusal("JPEG with a segment without length", made(jpeg, head=b"\xff\xe1\0\0"))
    yield refusal("JPEG with a segment beyond the end", made(jpeg, head=b"\xff\xe1\xff\xff"), ".")
    yield refusal("JPEG without tables", made(bytes, START + JFIF + whole[whole.index(b"\xff\xc0") :]), ".")
    yield refusal("JPEG of its start alone", made(bytes, START + JFIF + END), ".")
    wrong = jpeg(restart=1).replace(b"\xff\xd1", b"\xff\xd5")
    yield refusal("JPEG with restarts in the wrong order", made(bytes, wrong))
