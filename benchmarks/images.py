"""What members' images take to become references, beside Pillow doing the same, and what it takes to refuse those that are too large.

python -m benchmarks.images [--quick]

Each image is handled in a process of its own, whose growth of memory is measured. Pillow decodes, turns, reduces to 16 megapixels and
encodes. Refusals read headers only.
"""

from __future__ import annotations

import io
import multiprocessing
import multiprocessing.connection
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageOps

from benchmarks.measure import Row, show
from bot.core.errors import ImageError
from bot.media import codec
from sandbox.images import bombs

_MAX_PIXELS = 40_000_000  # the default of REFERENCE_MAX_MEGAPIXELS
_MOST = 4096 * 4096  # px of a reference

Handle = Callable[[bytes], object]


def photo(format_: str) -> bytes:
    """48 megapixels, turned, with a place."""
    image = Image.effect_noise((500, 375), 40).resize((8000, 6000), Image.Resampling.BILINEAR).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, format_, quality=85, exif=exif)
    return file.getvalue()


def by_pillow(content: bytes) -> None:
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(content)) as image:
        format_ = image.format
        upright = ImageOps.exif_transpose(image)
        upright.thumbnail((4096, 4096))
        upright.save(io.BytesIO(), format_, quality=95)


def by_easel(content: bytes) -> None:
    codec.clean_reference(content, max_pixels=_MAX_PIXELS)


def refused(content: bytes) -> None:
    """Raises ValueError if the image is not refused."""
    try:
        codec.clean_reference(content, max_pixels=_MAX_PIXELS)
    except ImageError:
        return
    raise ValueError("it is not refused")


def measured(handle: Handle, content: bytes) -> tuple[float, float]:
    """Seconds, and by how many MiB the process grew at most."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(handle, content, theirs), name="image")
    process.start()
    seconds, mib = ours.recv()
    process.join()
    return float(seconds), float(mib)


def _measure(handle: Handle, content: bytes, out: multiprocessing.connection.Connection) -> None:
    codec.clean_reference(bombs.lossless_webp(8, 8), max_pixels=100)  # imports everything
    before, started = _peak_mib(), time.perf_counter()
    handle(content)
    out.send((time.perf_counter() - started, _peak_mib() - before))


def _peak_mib() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _images() -> Iterator[tuple[str, bytes]]:
    yield "a photo of 48 megapixels (JPEG)", photo("JPEG")
    yield "a photo of 48 megapixels (WebP)", photo("WEBP")
    yield "a lossless WebP of 40 megapixels in 38 bytes", bombs.lossless_webp(8000, 5000)


def rows(rounds: int) -> list[Row]:
    found: list[Row] = []
    for name, content in _images():
        seconds = Row(what=f"{name}: time", unit="s", anchor_name="Pillow", goal=1, relative=True)
        memory = Row(what=f"{name}: memory", unit="MiB", anchor_name="Pillow", goal=1, relative=True)
        for _round in range(rounds):
            for row, anchor, value in zip((seconds, memory), measured(by_pillow, content), measured(by_easel, content), strict=True):
                row.anchor.append(anchor)
                row.value.append(value)
        found += [seconds, memory]
    for name, bomb in bombs.BOMBS.items():
        seconds = Row(what=f"{name}, which announces too many pixels, refused: time", unit="s", goal=0.1, always=True)
        memory = Row(what=f"{name}, which announces too many pixels, refused: memory", unit="MiB", goal=64, always=True)
        for _round in range(rounds):
            for row, value in zip((seconds, memory), measured(refused, bomb()), strict=True):
                row.value.append(value)
        found += [seconds, memory]
    return found


if __name__ == "__main__":
    sys.stdout.write(show(rows(1 if "--quick" in sys.argv else 3)))
