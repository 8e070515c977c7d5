"""Results of other kinds than the one that was asked for: other formats, depths and sizes, animations. Each is a named fault."""

from __future__ import annotations

import asyncio
import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageCms

from sandbox.images import bombs
from sandbox.painter import PaintedImage

if TYPE_CHECKING:
    from sandbox.faults import Switchboard

WIDE_PX = 16_400  # WebP ends at 16,383
FRAMES = 3
FRAME_MS = 200
LARGE_SIDE_PX = 2_000  # of noise, which no format makes smaller than Discord's 10 MB
LARGE_FRAMES = 3


async def as_switched(image: PaintedImage, switchboard: Switchboard) -> PaintedImage:
    """The image, or what the first fault of this table that fires makes of it."""
    change = next((change for fault, change in ODD_RESULTS.items() if switchboard.fires(fault)), None)
    return image if change is None else await asyncio.to_thread(change, image)


def _saved(format_: str, **options: Any) -> Callable[[PaintedImage], PaintedImage]:
    def change(image: PaintedImage) -> PaintedImage:
        return _encoded(_opened(image), format_, **options)

    return change


def _see_through(image: PaintedImage) -> PaintedImage:
    """An AVIF whose left half is transparent."""
    changed = _opened(image).convert("RGBA")
    changed.paste((0, 0, 0, 0), (0, 0, changed.width // 2, changed.height))
    return _encoded(changed, "AVIF")


def _with_broken_exif(image: PaintedImage) -> PaintedImage:
    """A PNG with a text in place of EXIF data, before the pixels."""
    data = _encoded(_opened(image), "PNG").data
    end = 8 + 25  # of the signature and IHDR
    return PaintedImage(data=data[:end] + _chunk(b"eXIf", b"prompt: a red fox") + data[end:], media_type="image/png")


def _with_profile(image: PaintedImage) -> PaintedImage:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return _encoded(_opened(image), "PNG", icc_profile=profile)


def _deep(image: PaintedImage) -> PaintedImage:
    """A PNG of 16 bits of grey."""
    grey = _opened(image).convert("L")
    deep = Image.frombytes("I;16", grey.size, b"".join(struct.pack("<H", value * 257) for value in grey.tobytes()))
    return _encoded(deep, "PNG")


def _animated(format_: str) -> Callable[[PaintedImage], PaintedImage]:
    def change(image: PaintedImage) -> PaintedImage:
        first = _opened(image)
        return _sequence([first.rotate(90 * turn) for turn in range(FRAMES)], format_)

    return change


def _large_animation(_image: PaintedImage) -> PaintedImage:
    noise = random.Random(1)
    side = LARGE_SIDE_PX
    frames = [Image.frombytes("P", (side, side), noise.randbytes(side * side)) for _ in range(LARGE_FRAMES)]
    for frame in frames:
        frame.putpalette([value for grey in range(256) for value in (grey, grey, grey)])
    return _sequence(frames, "GIF")


def _noise(mode: str, size: tuple[int, int]) -> Callable[[PaintedImage], PaintedImage]:
    def change(_image: PaintedImage) -> PaintedImage:
        pixels = random.Random(1).randbytes(size[0] * size[1] * len(mode))
        return _encoded(Image.frombytes(mode, size, pixels), "PNG", compress_level=1)

    return change


def _bomb(content: Callable[[], bytes], media_type: str) -> Callable[[PaintedImage], PaintedImage]:
    return lambda _image: PaintedImage(data=content(), media_type=media_type)


ODD_RESULTS: dict[str, Callable[[PaintedImage], PaintedImage]] = {
    "result-avif": _saved("AVIF"),
    "result-avif-alpha": _see_through,
    "result-jpeg": _saved("JPEG", quality=60),
    "result-tiff": _saved("TIFF"),
    "result-broken-exif": _with_broken_exif,
    "result-profile": _with_profile,
    "result-16bit": _deep,
    "result-gif": _animated("GIF"),
    "result-animated-webp": _animated("WEBP"),
    "result-animated-png": _animated("PNG"),
    "result-gif-large": _large_animation,
    "result-large": _noise("RGB", (LARGE_SIDE_PX, LARGE_SIDE_PX)),
    "result-wide": _noise("RGBA", (WIDE_PX, 200)),
    "result-bomb": _bomb(bombs.png, "image/png"),
    "result-bomb-gif": _bomb(bombs.gif, "image/gif"),
    "result-bomb-webp": _bomb(bombs.lossless_webp, "image/webp"),
    "result-bomb-animation": _bomb(bombs.animated_webp, "image/webp"),
    "result-bomb-avif": _bomb(bombs.avif, "image/avif"),
}


def _opened(image: PaintedImage) -> Image.Image:
    return Image.open(io.BytesIO(image.data)).convert("RGB")


def _encoded(image: Image.Image, format_: str, **options: Any) -> PaintedImage:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return PaintedImage(data=out.getvalue(), media_type=f"image/{format_.lower()}")


def _sequence(frames: list[Image.Image], format_: str) -> PaintedImage:
    return _encoded(frames[0], format_, save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
