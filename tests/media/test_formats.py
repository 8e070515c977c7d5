"""What a file is, by its first bytes, and what people are told of files that are no images."""

from __future__ import annotations

import re

import pytest

from bot.core.errors import NotAnImage
from bot.media.formats import Format, format_of

READ = {
    b"\x89PNG\r\n\x1a\n": Format.PNG,
    b"\xff\xd8\xff\xe0": Format.JPEG,
    b"RIFF\0\0\0\0WEBPVP8 ": Format.WEBP,
    b"GIF87a": Format.GIF,
    b"\0\0\0\x1cftypheic\0\0\0\0mif1heic": Format.HEIC,
    b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix": Format.HEIC,
    b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf": Format.AVIF,
    b"\0\0\0\x18ftypmif1\0\0\0\0avifmiaf": Format.AVIF,
}
NAMED = {
    b"II*\0\x08\0\0\0": "TIFF",
    b"MM\0*\0\0\0\x08": "TIFF",
    b"II*\0\x10\0\0\0CR\x02\0": "RAW",
    b"BM\x36\0\0\0\0\0\0\0": "BMP",
    b"%PDF-1.7": "PDF",
    b"\xff\x0a\xfa": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"8BPS\0\x01": "PSD",
    b"\0\0\x01\0\x01\0": "ICO",
    b"PK\3\4": "ZIP",
    b"<?xml version='1.0'?><!-- drawn --><svg xmlns='http://www.w3.org/2000/svg'>": "SVG",
    b"\xef\xbb\xbf<svg>": "SVG",
    b"\n<!DOCTYPE html><html><body><svg></svg>": "HTML",
}
DESCRIBED = {
    b"": "The file is empty.",
    b"\0\0\0\x20ftypisom\0\0\2\0isomiso2": "video",
    b"\0\0\0\x14ftypqt  \0\0\0\0qt  ": "video",
    b"\x1aE\xdf\xa3\x9fB": "video",
    b"RIFF\0\0\0\0AVI LIST": "video",
    b"ID3\4\0": "audio",
    b"RIFF\0\0\0\0WAVEfmt ": "audio",
    "Ein Fuchs im Schnee: schön".encode(): "text",
    b"x" * 1023 + "ü".encode()[:1]: "text",
    bytes(range(256)): "isn't an image",
}


@pytest.mark.parametrize("start", READ)
def test_a_format_is_known_by_its_first_bytes(start: bytes) -> None:
    assert format_of(start) is READ[start]


@pytest.mark.parametrize("start", NAMED)
def test_another_type_is_named(start: bytes) -> None:
    with pytest.raises(NotAnImage, match=f"^Files of type {NAMED[start]} don't work here. Use PNG, JPEG, WebP, GIF, HEIC or AVIF.$"):
        format_of(start)


@pytest.mark.parametrize("start", DESCRIBED)
def test_what_is_no_image_is_described(start: bytes) -> None:
    with pytest.raises(NotAnImage, match=re.escape(DESCRIBED[start])):
        format_of(start)
