"""libvips, which decodes, changes and encodes every image: its set-up, its loaders, and what its errors mean.

It is imported for the first image: that takes 13 MiB. HEIC is decoded by libheif's own package, because the wheels of libvips cannot.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bot.core.errors import ImageError, MachineTrouble
from bot.core.i18n import _
from bot.core.running import machine
from bot.media.formats import Format

if TYPE_CHECKING:
    import pyvips

T = TypeVar("T")

PROFILE: Final = "icc-profile-data"  # libvips' name of an image's colour profile
_LOADERS: Final = {
    Format.PNG: "pngload_buffer",
    Format.JPEG: "jpegload_buffer",
    Format.WEBP: "webpload_buffer",
    Format.GIF: "gifload_buffer",
    Format.HEIC: "heifload_buffer",
    Format.AVIF: "heifload_buffer",
}
_CLASSES: Final = ("Png", "Jpeg", "Webp", "Nsgif", "Heif")  # of the loaders, in libvips
# What libheif's package raises; it has no base class.
_DAMAGED: Final = (ValueError, EOFError, RuntimeError, SyntaxError, OSError, MemoryError)
_HEIC_FORMATS: Final = {"L": ("b-w", 1), "RGB": ("srgb", 3), "RGBA": ("srgb", 4)}  # by the mode of libheif's package: space and bands

# libvips and its decoders report shortages as texts. Those of a file that asks for too much are no shortages.
_ENDS_EARLY: Final = "premature end of data"  # of libjpeg; it decodes the rest as grey
_TOO_MUCH_ASKED: Final = ("bad image dimensions", "security limit")
_ERRNOS: Final = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO)
_SHORTAGES: Final = {
    "out of memory": errno.ENOMEM,
    "insufficient memory": errno.ENOMEM,
    **{os.strerror(code).casefold(): code for code in _ERRNOS},
}


def load(content: bytes, format_: Format, **options: Any) -> pyvips.Image:
    """The first frame, lazily: only headers are read now, and pixels in lines from the top when they are used."""
    _set_up()
    import pyvips

    image: pyvips.Image = getattr(pyvips.Image, _LOADERS[format_])(content, **{"access": "sequential", "fail_on": "truncated", **options})
    return image


def check_scans(content: bytes, *, shrink: int) -> None:
    """Decode a JPEG. Raises libvips' error if its scans end early; stray bytes between its parts are no damage."""
    try:
        load(content, Format.JPEG, shrink=shrink, fail_on="warning").avg()
    except error() as wrong:
        if _ENDS_EARLY in str(wrong):
            raise
        load(content, Format.JPEG, shrink=shrink).avg()


def load_heic(content: bytes) -> pyvips.Image:
    """The main image, upright, decoded completely into memory."""
    _set_up()
    with machine.loading():
        import pi_heif
    import pyvips

    pi_heif.options.DECODE_THREADS = 1  # as for libvips
    file = pi_heif.open_heif(content, convert_hdr_to_8bit=True)
    main = file[file.primary_index]
    space, bands = _HEIC_FORMATS[main.mode]
    width, height = main.size
    rows = pyvips.Image.new_from_memory(main.data, main.stride, height, 1, "uchar")  # each is padded at its end
    image = from_pixels(rows.crop(0, 0, width * bands, height).write_to_memory(), width, height, bands, space)
    return with_profile(image, main.info["icc_profile"]) if main.info.get("icc_profile") else image


def from_pixels(pixels: bytes, width: int, height: int, bands: int, space: str) -> pyvips.Image:
    """An image of 8-bit samples: line by line, the bands of each pixel next to each other."""
    import pyvips

    return pyvips.Image.new_from_memory(pixels, width, height, bands, "uchar").copy(interpretation=space)


def with_profile(image: pyvips.Image, profile: bytes) -> pyvips.Image:
    import pyvips

    profiled = image.copy()
    profiled.set_type(pyvips.GValue.blob_type, PROFILE, profile)  # type: ignore[arg-type]  # its own type lacks bytes
    return profiled


def value(image: pyvips.Image, name: str, otherwise: T) -> T:
    """What the file of an image says about it; `otherwise` if it says nothing, or something of another type."""
    found: object = image.get(name) if image.get_typeof(name) else otherwise
    return found if isinstance(found, type(otherwise)) else otherwise


def error() -> type[Exception]:
    """What libvips raises."""
    import pyvips

    return pyvips.Error


@contextmanager
def decoding() -> Iterator[None]:
    """Raise what is wrong with an image as `ImageError`, and a shortage of this machine as `MachineTrouble`."""
    try:
        yield
    except (ImageError, MachineTrouble):
        raise
    except (error(), *_DAMAGED) as wrong:
        shortage = _shortage_of(wrong)
        raise machine.trouble_of(shortage) or ImageError(_("The image is damaged or incomplete.")) from shortage


def _shortage_of(wrong: Exception) -> Exception:
    """The error of Python for a shortage that libvips reports as a text; others as they are."""
    text = str(wrong).casefold()
    if any(each in text for each in _TOO_MUCH_ASKED):
        return wrong
    code = next((code for words, code in _SHORTAGES.items() if words in text), None)
    if code is None:
        return wrong
    shortage = OSError(code, str(wrong)) if code != errno.ENOMEM else MemoryError(str(wrong))
    shortage.__cause__ = wrong
    return shortage


def _text(x: Any) -> str:
    """A text of libvips. Where it quotes bytes that are no UTF-8, pyvips' own function fails, and so do all later errors."""
    import pyvips

    return bytes(pyvips.ffi.string(x)).decode(errors="replace") if x else ""


@cache
def _set_up() -> None:
    with machine.loading():
        import _libvips  # noqa: F401  if it cannot be loaded now, pyvips would search for another libvips
        import pyvips

    pyvips._to_string = pyvips.error._to_string = _text  # noqa: SLF001  used for errors and warnings
    logging.getLogger(pyvips.__name__).setLevel(logging.CRITICAL)  # warnings about files
    pyvips.cache_set_max(0)  # results would stay in memory
    pyvips.voperation.concurrency_set(1)  # images are decoded next to each other already
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in _CLASSES:
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)
