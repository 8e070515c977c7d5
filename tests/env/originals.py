"""Originals of reference images, as people have them: bare ones, and ones that have something to remove."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import pillow_heif
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

SECRET: Final = "52.5200N 13.4050E"  # in everything that must not be passed on
_ORIENTATION, _DESCRIPTION, _GPS = 0x0112, 0x010E, 0x8825


def photo(size: tuple[int, int] = (48, 32)) -> Image.Image:
    """Red at the top left, blue elsewhere."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 4, size[1] // 4))
    return image


def encoded(format_: str, image: Image.Image | None = None, **more: Any) -> bytes:
    buffer = io.BytesIO()
    (image or photo()).save(buffer, format_, **more)
    return buffer.getvalue()


def _exif(*, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[_ORIENTATION], exif[_DESCRIPTION] = orientation, SECRET
    exif.get_ifd(_GPS)[1] = "N"
    return exif.tobytes()


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def text() -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", SECRET)
    return info


def _with_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG with another chunk behind its header."""
    png = encoded("PNG")
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png[:33] + chunk + png[33:]


def heic(**more: Any) -> bytes:
    """As phones make them."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(photo((64, 48))).save(buffer, quality=90, **more)
    return buffer.getvalue()


def _frames() -> dict[str, Any]:
    return {"save_all": True, "append_images": [Image.new("RGB", (48, 32), "green")], "duration": 50}


BARE: Final[Mapping[str, Callable[[], bytes]]] = {
    "plain.png": lambda: encoded("PNG"),
    "palette.png": lambda: encoded("PNG", photo().quantize(4), transparency=0),
    "plain.jpg": lambda: encoded("JPEG"),
    "progressive.jpg": lambda: encoded("JPEG", progressive=True),
    "grey.jpg": lambda: encoded("JPEG", photo().convert("L")),
    "lossy.webp": lambda: encoded("WEBP"),
    "lossless.webp": lambda: encoded("WEBP", photo().convert("RGBA"), lossless=True),
    "alpha.webp": lambda: encoded("WEBP", Image.new("RGBA", (48, 32), (9, 9, 9, 99))),
}
TO_CLEAN: Final[Mapping[str, Callable[[], bytes]]] = {
    "gps.jpg": lambda: encoded("JPEG", exif=_exif()),
    "portrait.jpg": lambda: encoded("JPEG", exif=_exif(orientation=6)),
    "portrait.png": lambda: encoded("PNG", exif=_exif(orientation=6)),
    "portrait.webp": lambda: encoded("WEBP", exif=_exif(orientation=6)),
    "comment.jpg": lambda: encoded("JPEG", comment=SECRET),
    "profile.jpg": lambda: encoded("JPEG", icc_profile=_profile()),
    "motion.jpg": lambda: encoded("JPEG") + b"\0\0\0\x18ftypmp42" + SECRET.encode(),
    "two.jpg": lambda: encoded("JPEG") + encoded("JPEG", exif=_exif()),
    "cmyk.jpg": lambda: encoded("JPEG", photo().convert("CMYK")),
    "text.png": lambda: encoded("PNG", pnginfo=text()),
    "profile.png": lambda: encoded("PNG", icc_profile=_profile()),
    "time.png": lambda: _with_chunk(b"tIME", struct.pack(">H5B", 2026, 1, 2, 3, 4, 5)),
    "private.png": lambda: _with_chunk(b"caBX", SECRET.encode()),
    "appended.png": lambda: encoded("PNG") + SECRET.encode(),
    "animated.png": lambda: encoded("PNG", **_frames()),
    "exif.webp": lambda: encoded("WEBP", exif=_exif()),
    "xmp.webp": lambda: encoded("WEBP", xmp=f"<x:xmpmeta>{SECRET}</x:xmpmeta>".encode()),
    "profile.webp": lambda: encoded("WEBP", icc_profile=_profile()),
    "animated.webp": lambda: encoded("WEBP", **_frames()),
    "appended.webp": lambda: encoded("WEBP") + SECRET.encode(),
    "plain.gif": lambda: encoded("GIF", comment=SECRET.encode()),
    "animated.gif": lambda: encoded("GIF", **_frames()),
    "photo.heic": lambda: heic(exif=_exif()),
    "portrait.heic": lambda: heic(exif=_exif(orientation=6)),
    "heic.jpg": lambda: heic(exif=_exif()),
    "photo.avif": lambda: encoded("AVIF", exif=_exif()),
    "avif.png": lambda: encoded("AVIF"),
    "large.jpg": lambda: encoded("JPEG", Image.new("L", (4200, 4100))),
}
TURNED: Final = frozenset({"portrait.jpg", "portrait.png", "portrait.webp", "portrait.heic"})


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3))


_HARMLESS: Final = {
    *("jfif", "jfif_version", "jfif_unit", "jfif_density", "adobe", "adobe_transform", "progressive", "progression"),
    "dpi",  # pixels per inch name nobody
    *("transparency", "loop", "background", "timestamp", "duration"),  # Pillow names the last four for every WebP
}


def remains(content: bytes) -> list[str]:
    """What an image has beside one upright frame: what must not be passed on."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        more = {str(name) for name in image.info} - _HARMLESS
        frames = ["frames"] if getattr(image, "n_frames", 1) > 1 else []
    return [*sorted(more), *frames, *([SECRET] if SECRET.encode() in content else [])]
