"""Files of other types, which people attach too."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from typing import Final

from PIL import Image

from tests.media.cases.heif import box
from tests.media.cases.sample import RefusedFile, made, refusal


def _saved(kind: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (64, 32), 90 if mode == "L" else (220, 40, 30)).save(file, kind)
    return file.getvalue()


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.png", b"x")
    return file.getvalue()


_SVG: Final = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="32"><rect width="9" height="9"/></svg>'
_MORE: Final = bytes(200)

# The start of a file, and what the sentence must name.
_FILES: Final = {
    "nothing": (b"", "empty"),
    "a byte": (b"\x89", "."),
    "a zero": (b"\0", "."),
    "4 KB of zeros": (bytes(4096), "."),
    "4 KB of ones": (b"\xff" * 4096, "."),
    "a text": (b"a fox in the snow\n" * 20, "."),
    "a text in UTF-16": (("\ufeffa fox in the snow" * 9).encode("utf-16-le"), "."),
    "JSON": (b'{"error": "not found"}', "."),
    "HTML": (b"<!DOCTYPE html><html><body>Not found</body></html>", "HTML|web page"),
    "HTML in small letters": (b"\n  <html><head>", "HTML|web page"),
    "TIFF of Intel": (_saved("TIFF"), "TIFF"),
    "TIFF of Motorola": (b"MM\0*\0\0\0\x08" + _MORE, "TIFF"),
    "BigTIFF": (b"II+\0\x08\0\0\0" + _MORE, "TIFF"),
    "BMP": (_saved("BMP"), "BMP"),
    "SVG": (_SVG, "SVG"),
    "SVG behind a declaration": (b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- made by hand -->\n' + _SVG, "SVG"),
    "SVG behind a byte order mark": (b"\xef\xbb\xbf \r\n" + _SVG, "SVG"),
    "SVG behind a document type": (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "a.dtd">\n' + _SVG, "SVG"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + _MORE, "PDF"),
    "JPEG XL": (b"\xff\x0a\xfa\x1f\x01" + _MORE, "JPEG XL"),
    "JPEG XL in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n" + _MORE, "JPEG XL"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + _MORE, "JPEG 2000"),
    "MP4": (box(b"ftyp", b"isom", bytes(4), b"isomiso2avc1mp41") + box(b"mdat", _MORE), "video"),
    "MP4 of version 2": (box(b"ftyp", b"mp42", bytes(4), b"mp42") + box(b"mdat", _MORE), "video"),
    "QuickTime": (box(b"ftyp", b"qt  ", bytes(4), b"qt  ") + box(b"mdat", _MORE), "video"),
    "3GP": (box(b"ftyp", b"3gp5", bytes(4), b"3gp5") + _MORE, "video"),
    "M4V": (box(b"ftyp", b"M4V ", bytes(4), b"M4V ") + _MORE, "video"),
    "WebM": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm" + _MORE, "video"),
    "AVI": (b"RIFF" + struct.pack("<I", 200) + b"AVI LIST" + _MORE, "video"),
    "WAV": (b"RIFF" + struct.pack("<I", 200) + b"WAVEfmt " + _MORE, "."),
    "ICO": (b"\0\0\1\0\1\0\x20\x20\0\0\1\0\x18\0" + _MORE, "ICO|icon"),
    "PSD": (b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x20\0\0\0\x40\0\x08\0\3" + _MORE, "PSD|Photoshop"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n" + _MORE, "."),
    "ZIP": (_archive(), "."),
    "a camera's raw file": (box(b"ftyp", b"crx ", bytes(4), b"crx isom") + _MORE, "."),
    "PPM": (_saved("PPM"), "."),
    "TGA": (_saved("TGA"), "."),
    "QOI": (b"qoif" + struct.pack(">IIBB", 64, 32, 3, 0) + _MORE, "."),
    "OpenEXR": (b"v/1\x01\2\0\0\0" + _MORE, "."),
    "HDR": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 32 +X 64\n" + _MORE, "."),
    "FITS": (b"SIMPLE  =                    T" + b" " * 2850, "."),
    "MATLAB": (b"MATLAB 5.0 MAT-file".ljust(128), "."),
    "a program": (b"\x7fELF\2\1\1" + _MORE, "."),
}  # fmt: skip


def refused() -> Iterator[RefusedFile]:
    for name, (content, says) in _FILES.items():
        yield refusal(name, made(bytes, content), says)
