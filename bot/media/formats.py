"""The image formats that Easel reads, and how other files are named to people: told by their first bytes, never by a file's name.

Sources: PNG (W3C, section 5.2), JPEG (ITU-T T.81, annex B), WebP (RFC 9649, section 2), GIF89a (section 17), HEIF (ISO/IEC 23008-12,
annex B), AVIF (AV1 Image File Format, section 6).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from bot.core.errors import NotAnImage
from bot.core.i18n import N_, _

SNIFFED_BYTES: Final = 1024  # of a file's start: the root of an SVG may follow a long comment


class Format(StrEnum):
    """What is read; the values are the names that people know."""

    PNG = "PNG"
    JPEG = "JPEG"
    WEBP = "WEBP"
    GIF = "GIF"
    HEIC = "HEIC"
    AVIF = "AVIF"

    @property
    def content_type(self) -> str:
        return f"image/{self.value.lower()}"

    @property
    def extension(self) -> str:
        """The file extension, without the dot."""
        return "jpg" if self is Format.JPEG else self.value.lower()


_USE: Final = N_("Files of type {type} don't work here. Use PNG, JPEG, WebP, GIF, HEIC or AVIF.")
_VIDEO: Final = N_("The file is a video. Use an image: PNG, JPEG, WebP, GIF, HEIC or AVIF.")
_AUDIO: Final = N_("The file is audio. Use an image: PNG, JPEG, WebP, GIF, HEIC or AVIF.")
_TEXT: Final = N_("The file contains text. Use an image: PNG, JPEG, WebP, GIF, HEIC or AVIF.")
_UNKNOWN: Final = N_("The file isn't an image. Use PNG, JPEG, WebP, GIF, HEIC or AVIF.")
_EMPTY: Final = N_("The file is empty. Upload it again.")
_SENTENCES: Final = frozenset({_VIDEO, _AUDIO, _TEXT, _UNKNOWN, _EMPTY})
_SAVE: Final = N_("{name} is in {type} format. Save it as PNG or JPEG and try again.")
_SAVE_UNKNOWN: Final = N_("{name} is in a format that Easel can't read. Save it as PNG or JPEG and try again.")

_READ: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), Format.PNG),
    (re.compile(rb"\xff\xd8\xff"), Format.JPEG),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), Format.WEBP),
    (re.compile(rb"GIF8[79]a"), Format.GIF),
)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIC_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1", b"miaf"}
)
_SEQUENCES: Final = frozenset({b"avis", b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"})  # major brands of animations

# The first that matches the start of a file. What is not a sentence is the name of a type.
_OTHERS: Final = (
    (rb"II\*\0.{4}CR|IIRO|IIRS|IIU\0|FUJIFILMCCD-RAW|FOVb|....ftypcrx ", "RAW"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),
    (rb"BM.{4}\0\0\0\0", "BMP"),
    (rb"%PDF-", "PDF"),
    (rb"\xff\x0a|\0\0\0\x0cJXL \r\n", "JPEG XL"),
    (rb"\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"8BPS", "PSD"),
    (rb"gimp xcf", "XCF"),
    (rb"\0\0[\1\2]\0[^\0]\0", "ICO"),
    (rb"icns", "ICNS"),
    (rb"qoif", "QOI"),
    (rb"DDS ", "DDS"),
    (rb"\x76\x2f\x31\x01", "EXR"),
    (rb"#\?R", "HDR"),
    (rb"P[1-7]\s", "PNM"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "EPS"),
    (rb"\x8aMNG", "MNG"),
    (rb"PK[\3\5]", "ZIP"),
    (rb"\x1f\x8b", "GZIP"),
    (rb"7z\xbc\xaf", "7Z"),
    (rb"Rar!", "RAR"),
    (rb"....ftypM4[AB]|RIFF....WAVE|ID3|\xff[\xfb\xf3\xf2]|fLaC|MThd|OggS.{24}(OpusHead|.vorbis)", _AUDIO),
    (rb"....(ftyp|moov|mdat|wide|free)|\x1aE\xdf\xa3|RIFF....AVI |OggS|FLV\1|\0\0\1[\xba\xb3]|0&\xb2u", _VIDEO),
)
_STARTS: Final = tuple((re.compile(start, re.DOTALL), name) for start, name in _OTHERS)
_SVG: Final = re.compile(rb"<svg[\s>:]|<[a-z]+:svg[\s>]", re.IGNORECASE)
_HTML: Final = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body)[\s>]", re.IGNORECASE | re.DOTALL)
_NOT_TEXT: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def format_of(start: bytes) -> Format:
    """The format of a file that begins with `start`, `SNIFFED_BYTES` long if the file is.

    Raises `NotAnImage` with a sentence that names the file's type.
    """
    for pattern, format_ in _READ:
        if pattern.match(start):
            return format_
    brands = _brands(start)
    if _AVIF_BRANDS.intersection(brands):
        return Format.AVIF
    if _HEIC_BRANDS.intersection(brands):
        return Format.HEIC
    found = _type(start)
    raise NotAnImage(_(found)) if found in _SENTENCES else NotAnImage(_(_USE).format(type=found), type_name=found)


def unread(name: str, type_name: str) -> str:
    """What members read of a file of a type that Easel does not read. Both names are Markdown; that of the type may be empty."""
    return _(_SAVE if type_name else _SAVE_UNKNOWN).format(name=name, type=type_name)


def is_sequence(start: bytes) -> bool:
    """Whether a HEIC or AVIF file is an animation."""
    return bool(_SEQUENCES.intersection(_brands(start)[:1]))


def _brands(start: bytes) -> list[bytes]:
    """The brands of an ISO media file, the major one first; none for other files."""
    if start[4:8] != b"ftyp":
        return []
    box = start[8 : int.from_bytes(start[:4], "big")]
    return [box[:4], *(box[at : at + 4] for at in range(8, len(box), 4))]


def _type(start: bytes) -> str:
    """The name of a file's type, or one of the sentences."""
    if not start:
        return _EMPTY
    for pattern, name in _STARTS:
        if pattern.match(start):
            return name
    bare = start.removeprefix(b"\xef\xbb\xbf")
    if _HTML.match(bare):
        return "HTML"
    if _SVG.search(bare):
        return "SVG"
    return _UNKNOWN if _NOT_TEXT.search(bare) or not _is_utf8(bare) else _TEXT


def _is_utf8(start: bytes) -> bool:
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.start > len(start) - 4  # the last character was cut
    return True
