"""HEIC and AVIF files: boxes around encoded pixels. Source: ISO/IEC 14496-12, sections 4 and 8.11; ISO/IEC 23008-12, section 6."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import pillow_heif
import pyvips
from PIL import Image

from tests.media.cases import exif, profiles
from tests.media.cases.jpeg import film
from tests.media.cases.sample import (
    CUT,
    GREYS,
    QUARTERS,
    Quarters,
    RefusedFile,
    Sample,
    Size,
    four,
    made,
    quarter_at,
    refusal,
    turned,
    turned_size,
    with_alpha,
)
from tests.media.cases.webp import drawn

SIZE: Final = (128, 64)
_TILE: Final = (64, 64)
_SEEN: Final = with_alpha(QUARTERS, (0, 128, 255, 255))
_CODECS: Final = {"HEIC": (b"heic", b"hvc1", b"hvcC"), "AVIF": (b"avif", b"av01", b"av1C")}  # brand, type of the item, configuration


def box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I", len(data) + 8) + kind + data


def full_box(kind: bytes, *parts: bytes, version: int = 0) -> bytes:
    return box(kind, bytes((version, 0, 0, 0)), *parts)


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something in the file: coded pixels, a grid of other items, Exif. `refers` says to which other items, and how."""

    kind: bytes
    data: bytes
    properties: Sequence[bytes] = ()
    refers: tuple[bytes, Sequence[int]] | None = None
    content_type: bytes = b""  # of the kind "mime"


def heif(items: Sequence[Item], *, brand: bytes = b"heic", primary: int = 1, shift: int = 0, behind: bytes = b"") -> bytes:
    """The items are numbered from 1. `shift` moves where the file says that the data of the items is."""
    start = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    size = len(start) + len(_meta(items, primary, 0))
    return start + _meta(items, primary, size + 8 + shift) + box(b"mdat", *(item.data for item in items)) + behind


def _meta(items: Sequence[Item], primary: int, at: int) -> bytes:
    known: list[bytes] = []
    associations, places, entries, references = b"", b"", b"", b""
    for number, item in enumerate(items, 1):
        known += [prop for prop in item.properties if prop not in known]
        indices = bytes(known.index(prop) + 1 | 0x80 * (prop[4:8] in {b"irot", b"imir", b"hvcC", b"av1C"}) for prop in item.properties)
        if indices:
            associations += struct.pack(">HB", number, len(indices)) + indices
        places += struct.pack(">HHHII", number, 0, 1, at, len(item.data))
        at += len(item.data)
        entries += full_box(b"infe", struct.pack(">HH", number, 0), item.kind, b"\0", item.content_type, version=2)
        if item.refers:
            how, others = item.refers
            references += box(how, struct.pack(">HH", number, len(others)), *(struct.pack(">H", other) for other in others))
    described = sum(1 for item in items if item.properties)
    return full_box(
        b"meta",
        full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
        full_box(b"pitm", struct.pack(">H", primary)),
        full_box(b"iloc", b"\x44\0", struct.pack(">H", len(items)), places),
        full_box(b"iinf", struct.pack(">H", len(items)), entries),
        full_box(b"iref", references) if references else b"",
        box(b"iprp", box(b"ipco", *known), full_box(b"ipma", struct.pack(">I", described), associations)),
    )


def extent(size: Size) -> bytes:
    return full_box(b"ispe", struct.pack(">II", *size))


def rotation(quarters_left: int) -> bytes:
    return box(b"irot", bytes((quarters_left,)))


def mirror(axis: int) -> bytes:
    """0 swaps top and bottom, 1 swaps left and right."""
    return box(b"imir", bytes((axis,)))


_FULL_RANGE: Final = box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0x80))


@cache
def encoded(format_: str, quarters: Quarters = QUARTERS, size: Size = SIZE, *, alpha: bool = False, profile: bytes = b"") -> bytes:
    """By an encoder, with 8 bits and all of the colour samples."""
    image = drawn(quarters, size).convert("RGBA" if alpha else "RGB")
    file = io.BytesIO()
    more = {"icc_profile": profile} if profile else {}
    if format_ == "AVIF":
        image.save(file, "AVIF", quality=100, subsampling="4:4:4", speed=9, **more)
    else:
        pillow_heif.from_pillow(image).save(file, quality=100, chroma=444, **more)
    return file.getvalue()


def _deep(format_: str) -> bytes:
    """With 10 bits."""
    samples = [value * 257 for y in range(SIZE[1]) for x in range(SIZE[0]) for value in QUARTERS[quarter_at(x, y, SIZE)][:3]]
    data = struct.pack(f"={len(samples)}H", *samples)
    if format_ == "AVIF":
        image = pyvips.Image.new_from_memory(data, *SIZE, 3, "ushort").copy(interpretation="rgb16")
        return bytes(image.heifsave_buffer(compression="av1", bitdepth=10, Q=99, effort=0, subsample_mode="off"))
    file = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", SIZE, data).save(file, quality=100, chroma=444)
    return file.getvalue()


@cache
def coded(format_: str, quarters: Quarters = QUARTERS, size: Size = SIZE) -> tuple[bytes, bytes]:
    """The box with the decoder's configuration, and the pixels' data."""
    content = encoded(format_, quarters, size)
    at = content.index(_CODECS[format_][2]) - 4
    data = content.index(b"mdat") + 4
    return content[at : at + struct.unpack_from(">I", content, at)[0]], content[data:]


def image_item(format_: str, quarters: Quarters = QUARTERS, size: Size = SIZE, *, properties: Sequence[bytes] = ()) -> Item:
    configuration, data = coded(format_, quarters, size)
    return Item(kind=_CODECS[format_][1], data=data, properties=(configuration, _FULL_RANGE, extent(size), *properties))


def _single(format_: str, *properties: bytes, others: Sequence[Item] = (), behind: bytes = b"") -> bytes:
    return heif([image_item(format_, properties=properties), *others], brand=_CODECS[format_][0], behind=behind)


def grid_data(rows: int, columns: int, size: Size) -> bytes:
    return bytes((0, 1, rows - 1, columns - 1)) + struct.pack(">II", *size)


def _grid(format_: str, *properties: bytes, size: Size = (128, 128), stated: bytes = b"", tiles: Sequence[int] = (2, 3, 4, 5)) -> bytes:
    """Four tiles, one for each quarter."""
    parts = [image_item(format_, (colour,) * 4, _TILE) for colour in QUARTERS]
    whole = Item(kind=b"grid", data=stated or grid_data(2, 2, size), properties=(extent(size), *properties), refers=(b"dimg", tiles))
    return heif([whole, *parts], brand=_CODECS[format_][0])


def _exif_item(content: bytes) -> Item:
    return Item(kind=b"Exif", data=b"\0\0\0\x06Exif\0\0" + content, refers=(b"cdsc", (1,)))


# What the properties make of a stored image: its orientation.
_TURNS: Final = {
    "turned left": ((rotation(1),), 8),
    "turned over": ((rotation(2),), 3),
    "turned right": ((rotation(3),), 6),
    "upside down": ((mirror(0),), 4),
    "mirrored": ((mirror(1),), 2),
    "turned right and then mirrored": ((rotation(3), mirror(1)), 5),
}


def _turned(format_: str) -> Iterator[Sample]:
    for name, (properties, orientation) in _TURNS.items():
        shown, size = turned(QUARTERS, orientation), turned_size(SIZE, orientation)
        yield _sample(format_, name, _single(format_, *properties), quarters=shown, size=size)
    shown = turned(QUARTERS, 6)
    right = _single(format_, rotation(3), others=[_exif_item(exif.photo(6))])
    yield _sample(format_, "turned right, which Exif says too", right, quarters=shown, size=(64, 128))
    yield _sample(format_, "with an orientation in Exif alone", _single(format_, others=[_exif_item(exif.exif(6))]))
    for name in ("nothing", "a text", "zeros", "its directory beyond the end", "one byte"):
        yield _sample(format_, f"with Exif, {name}", _single(format_, others=[_exif_item(exif.VARIANTS[name][0])]))
    yield _sample(format_, "in tiles", _grid(format_), size=(128, 128))
    yield _sample(format_, "in tiles, turned right", _grid(format_, rotation(3)), quarters=shown, size=(128, 128))
    yield _sample(format_, "in tiles that are larger than it", _grid(format_, size=(120, 110)), size=(120, 110))


def _sample(
    format_: str, name: str, content: bytes, *, quarters: Quarters | None = QUARTERS, size: Size | None = SIZE, tolerance: int = 6
) -> Sample:
    make = made(bytes, content)
    return Sample(name=f"{format_} {name}", format=format_, make=make, quarters=quarters, size=size, tolerance=tolerance, is_bare=False)


def _coloured(format_: str) -> Iterator[Sample]:
    shown = four(profiles.wide_shown(colour) for colour in QUARTERS)
    yield _sample(format_, "with a wide profile", encoded(format_, profile=profiles.WIDE), quarters=shown, tolerance=8)
    for name in ("text", "cut", "zeros", "without curves"):
        broken = box(b"colr", b"prof", profiles.BROKEN[name])
        yield _sample(format_, f"with a profile that is {name}", _single(format_, broken))
    yield _sample(format_, "with 10 bits", _deep(format_))
    yield _sample(format_, "with transparency", encoded(format_, _SEEN, alpha=True), quarters=_SEEN)
    file = io.BytesIO()
    image = drawn(GREYS, SIZE).convert("L")
    if format_ == "AVIF":
        image.save(file, "AVIF", quality=100)
    else:
        pillow_heif.from_pillow(image).save(file, quality=100)
    yield _sample(format_, "grey", file.getvalue(), quarters=GREYS)


def _others(format_: str) -> Iterator[Sample]:
    yield _sample(format_, "by an encoder", encoded(format_))
    yield _sample(format_, "with nothing but its image", _single(format_))
    small = image_item(format_, ((9, 9, 9, 255),) * 4, _TILE)
    thumbnail = Item(kind=small.kind, data=small.data, properties=small.properties, refers=(b"thmb", (1,)))
    yield _sample(format_, "with a thumbnail", _single(format_, others=[thumbnail]))
    yield _sample(format_, "with another image", _single(format_, others=[small]))
    yield _sample(format_, "whose second item is its image",
                  heif([small, image_item(format_)], brand=_CODECS[format_][0], primary=2))  # fmt: skip
    xmp = Item(kind=b"mime", data=exif.xmp(6), refers=(b"cdsc", (1,)), content_type=b"application/rdf+xml\0")
    yield _sample(format_, "with XMP", _single(format_, others=[xmp]))
    yield _sample(format_, "with an unknown item", _single(format_, others=[Item(kind=b"what", data=b"ever")]))
    yield _sample(format_, "with an unknown property", _single(format_, box(b"what", b"ever")))
    yield _sample(format_, "with a film behind its end", _single(format_, behind=box(b"mpvd", film())))
    yield _sample(format_, "with stray bytes behind its end", _single(format_, behind=b"\0\0\0\0\0"))
    odd = (67, 71)
    yield _sample(format_, "of an odd size", encoded(format_, QUARTERS, odd), size=odd, tolerance=60)


def samples() -> Iterator[Sample]:
    for format_ in _CODECS:
        yield from _others(format_)
        yield from _turned(format_)
        yield from _coloured(format_)
    moving = io.BytesIO()
    drawn(size=SIZE).convert("RGB").save(moving, "AVIF", save_all=True, append_images=[Image.new("RGB", SIZE)], quality=100)
    yield _sample("AVIF", "with two frames", moving.getvalue(), tolerance=24)
    yield _sample("HEIC", "of the brand mif1", _single("HEIC").replace(b"heic", b"mif1"))
    yield _sample("AVIF", "of the brand mif1", _single("AVIF").replace(b"ftypavif", b"ftypmif1"))
    yield _sample("HEIC", "of the brand heix", _single("HEIC").replace(b"heic", b"heix"))


UNNAMED: Final = _single("HEIC", rotation(3)).replace(b"irot", b"\xe9rot")


def refused() -> Iterator[RefusedFile]:
    for format_, (brand, kind, _configuration) in _CODECS.items():
        whole = _single(format_)
        for share in (5, 30, 60, 95):
            cut = whole[: len(whole) * share // 100]
            yield refusal(f"{format_} of which {share} % are there", made(bytes, cut), CUT)
        item = image_item(format_)
        huge = Item(kind=kind, data=item.data, properties=(item.properties[0], extent((65_535, 65_535))))
        yield refusal(f"{format_} that says 65535x65535", made(heif, [huge], brand=brand), ".")
        wide = grid_data(2, 2, (60_000, 60_000))
        yield refusal(f"{format_} of tiles that says 60000x60000", made(_grid, format_, size=(60_000, 60_000), stated=wide), ".")
        many = grid_data(256, 256, (16_384, 16_384))
        repeated = [2] * 65_535
        yield refusal(f"{format_} of one tile 65535 times", made(_grid, format_, size=(16_384, 16_384), stated=many, tiles=repeated),
                          ".")  # fmt: skip
        yield refusal(f"{format_} of tiles that are missing", made(_grid, format_, tiles=(2, 3)))
        yield refusal(f"{format_} of tiles that are not there", made(_grid, format_, tiles=(20, 30, 40, 50)), ".")
        yield refusal(f"{format_} of itself", made(_grid, format_, tiles=(1, 1, 1, 1)), ".")
        yield refusal(f"{format_} with its data beyond the end", made(heif, [item], brand=brand, shift=2**24), ".")
        yield refusal(f"{format_} with its data elsewhere", made(heif, [item], brand=brand, shift=-100))
        yield refusal(f"{format_} without its image", made(heif, [item], brand=brand, primary=7), ".")
        yield refusal(f"{format_} without items", made(heif, [], brand=brand), ".")
        yield refusal(f"{format_} of its type alone", made(bytes, box(b"ftyp", brand, bytes(4), b"mif1")), ".")
        yield refusal(f"{format_} of an Exif item", made(heif, [Item(kind=b"Exif", data=b"whatever")], brand=brand), ".")
        bare = Item(kind=kind, data=item.data, properties=(extent(SIZE),))
        yield refusal(f"{format_} without its configuration", made(heif, [bare], brand=brand), ".")
    yield refusal("HEIC with an essential property whose name is no text", made(bytes, UNNAMED), ".")
    yield refusal("HEIC with the pixels of AVIF", made(heif, [image_item("AVIF")], brand=b"heic"))
    yield refusal("AVIF with the pixels of HEIC", made(heif, [image_item("HEIC")], brand=b"avif"))
