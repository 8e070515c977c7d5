"""Untrusted images: validation, removal of metadata, fitting into an upload limit, thumbnails.

All functions need time and memory: call them in a thread. They raise `ImageError` for images that cannot be used, and `MachineTrouble` if
this machine cannot read or decode one.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from bot.core.errors import ImageError, MachineTrouble
from bot.core.i18n import N_, _
from bot.core.numbers import number
from bot.core.running import machine
from bot.media import integrity
from bot.media.bareness import is_bare
from bot.media.headers import Format, Header, read_header

if TYPE_CHECKING:  # Pillow takes 5 MiB: it is imported for the first image
    from PIL import Image

ALL_FORMATS: Final = frozenset(Format)
DEFAULT_MAX_PIXELS: Final = 100_000_000
THUMBNAIL_EDGE: Final = 384  # px
_REFERENCE_MAX_PIXELS: Final = 4096 * 4096  # no model takes more, and encoding them would take seconds
_THUMBNAIL_QUALITY: Final = 65
_QUALITIES: Final = (92, 85, 75)  # tried in this order at full size
_SMALLEST_EDGE: Final = 64  # px; below this, fitting is given up
_MB: Final = 1024 * 1024  # Discord's unit of upload limits
_RE_ENCODED: Final = N_("converted to {type} to fit this server's {limit} MB upload limit")
_MADE_SMALLER: Final = N_("converted to {type} at {width}×{height} to fit this server's {limit} MB upload limit")

# Exceptions of decoders for damaged files; Pillow has no common base class for them.
_DAMAGED: Final = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    struct.error,
    zlib.error,
)

_OUT_OF_MEMORY: Final = "out of memory"  # how Pillow's own errors begin

Source = bytes | Path


class TooManyPixels(ImageError):
    """The image has more pixels than the caller decodes."""


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """Type and size in px, before the orientation is applied."""

    format: Format
    width: int
    height: int

    @property
    def content_type(self) -> str:
        return self.format.content_type

    @property
    def extension(self) -> str:
        return self.format.extension


@dataclass(frozen=True, kw_only=True)
class CleanedImage:
    """An upright image without metadata."""

    content: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    was_bare: bool = False  # the original has nothing to clean and is no larger: a link to it may be passed on


@dataclass(frozen=True, kw_only=True)
class FittedImage:
    """An image below an upload limit. `changed` tells the member how it was changed; None: unchanged."""

    content: bytes = field(repr=False)
    content_type: str
    extension: str
    width: int
    height: int
    changed: str | None = None


def inspect(source: Source, *, max_pixels: int, formats: Collection[Format] = ALL_FORMATS, verify: bool = False) -> ImageInfo:
    """Type and size from the header. With `verify`, truncated and damaged files are detected: WebP and GIF by decoding the first frame.

    Raises `ImageError` for other formats, more than `max_pixels`, and damaged files.
    """
    with _opened(source) as file:
        header = _checked_header(file, max_pixels=max_pixels, formats=formats)
        if verify:
            with _decoding(), _image(file, header, max_pixels=max_pixels) as image:
                _verify(file, image, header.format)
    return ImageInfo(format=header.format, width=header.width, height=header.height)


def _verify(file: BinaryIO, image: Image.Image, format_: Format) -> None:
    from PIL import Image

    match format_:
        case Format.PNG:
            integrity.check_png(file)
        case Format.JPEG:
            Image.open(io.BytesIO(integrity.check_jpeg(file)), formats=["JPEG"]).load()
        case _:
            image.load()


def is_whole(content: bytes) -> bool:
    """Whether these bytes are an image of a known type that is not cut short. Decodes nothing; what it contains may still be damaged."""
    try:
        header = read_header(io.BytesIO(content))
        if header.width * header.height > DEFAULT_MAX_PIXELS:
            return True  # checking its pixels would take long, and it is refused for their number anyway
        match header.format:
            case Format.PNG:
                integrity.check_png(io.BytesIO(content))
            case Format.JPEG:
                integrity.check_jpeg(io.BytesIO(content))
            case Format.WEBP:
                return len(content) >= int.from_bytes(content[4:8], "little") + 8  # RFC 9649, section 2.4
            case Format.GIF:
                return content.rstrip(b"\0").endswith(b";")  # GIF89a, section 27
    except _DAMAGED as error:  # an ImageError is a ValueError
        if (trouble := _trouble_of(error)) is not None:
            raise trouble from error
        return False
    return True


def decoded_pixels(source: Source, *, max_pixels: int) -> int:
    """How many pixels decoding allocates memory for, by the headers alone. Raises `ImageError` for more than `max_pixels`."""
    with _opened(source) as file:
        header = _checked_header(file, max_pixels=max_pixels, formats=ALL_FORMATS)
        if header.format is not Format.GIF:
            return header.width * header.height  # not opened: the decoder of WebP would allocate at once
        with _decoding(), _image(file, header, max_pixels=max_pixels) as image:
            return image.width * image.height  # its first frame may be larger than the header says


def clean_reference(source: Source, *, max_pixels: int) -> CleanedImage:
    """The first frame, upright, in sRGB, without metadata. PNG and GIF become PNG; JPEG and WebP are re-encoded at high quality.

    What is larger than any model takes is made smaller, by a whole factor; a JPEG is decoded at that size already.
    """
    with _opened(source) as file:
        header = _checked_header(file, max_pixels=max_pixels, formats=ALL_FORMATS)
        with _decoding(), _image(file, header, max_pixels=max_pixels) as image:
            factor = _reference_factor(image)
            was_bare = factor == 1 and _is_bare(file)
            image.draft(None, (image.width // factor, image.height // factor))  # JPEG: decode at reduced size
            upright = _reduced(_bare(image))
            format_ = Format.PNG if header.format is Format.GIF else header.format
            content = _encode(upright, format_, quality=95)
    return CleanedImage(content=content, content_type=format_.content_type, width=upright.width, height=upright.height, was_bare=was_bare)


def _is_bare(file: BinaryIO) -> bool:
    position = file.tell()
    file.seek(0)
    found = is_bare(file.read())
    file.seek(position)
    return found


def _reference_factor(image: Image.Image) -> int:
    """How many pixels become one along each side."""
    return math.ceil(math.sqrt(image.width * image.height / _REFERENCE_MAX_PIXELS))


def _reduced(image: Image.Image) -> Image.Image:
    if (factor := _reference_factor(image)) == 1:
        return image
    mixable = image.convert("RGBA" if image.has_transparency_data else "RGB")  # palettes cannot be blended
    return mixable.reduce(factor)


def fit(source: Source, limit_bytes: int, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> FittedImage:
    """The unchanged image if it is small enough; else re-encoded, then scaled down until it fits.

    Raises `ImageError` if it cannot be made small enough.
    """
    with _opened(source) as file:
        header = _checked_header(file, max_pixels=max_pixels, formats=ALL_FORMATS)
        if file.seek(0, io.SEEK_END) <= limit_bytes:
            file.seek(0)
            return _fitted(file.read(), header.format, (header.width, header.height), changed=None)
        with _decoding(), _image(file, header, max_pixels=max_pixels) as image:
            return _shrunk(_bare(image), limit_bytes)


def shrink(content: bytes, content_type: str, limit_bytes: int) -> tuple[bytes, str]:
    """A reference image of about at most `limit_bytes`, and its type: a JPEG, or with transparency a PNG, which every image API reads."""
    if len(content) <= limit_bytes:
        return content, content_type
    with _opened(content) as file:
        header = _checked_header(file, max_pixels=DEFAULT_MAX_PIXELS, formats=ALL_FORMATS)
        with _decoding(), _image(file, header, max_pixels=DEFAULT_MAX_PIXELS) as image:
            if not image.has_transparency_data:
                fitted = _shrunk(_bare(image), limit_bytes)
                return fitted.content, fitted.content_type
            return _smaller_png(image.convert("RGBA"), limit_bytes), Format.PNG.content_type


def _smaller_png(image: Image.Image, limit_bytes: int) -> bytes:
    content = _encode(image, Format.PNG, quality=0)
    while len(content) > limit_bytes and max(image.size) > _SMALLEST_EDGE:
        scale = 0.95 * math.sqrt(limit_bytes / len(content))
        image.thumbnail((max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        content = _encode(image, Format.PNG, quality=0)
    return content


def thumbnail(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS, edge_px: int = THUMBNAIL_EDGE) -> bytes:
    """A WebP of about 15 KB, at most `edge_px` wide and high."""
    with _opened(source) as file:
        header = _checked_header(file, max_pixels=max_pixels, formats=ALL_FORMATS)
        with _decoding(), _image(file, header, max_pixels=max_pixels) as image:
            image.draft("RGB", (2 * edge_px, 2 * edge_px))  # JPEG: decode at reduced size
            small = _bare(image)
            small = small.convert("RGBA" if small.has_transparency_data else "RGB")  # palettes cannot be blended
            small.thumbnail((edge_px, edge_px))
            return _encode(small, Format.WEBP, quality=_THUMBNAIL_QUALITY)


def _shrunk(image: Image.Image, limit_bytes: int) -> FittedImage:
    format_ = Format.WEBP if image.has_transparency_data else Format.JPEG
    original = image.size
    content = b""
    for quality in _QUALITIES:
        content = _encode(image, format_, quality=quality)
        if len(content) <= limit_bytes:
            break
    while len(content) > limit_bytes:
        scale = 0.95 * math.sqrt(limit_bytes / len(content))
        if max(image.size) * scale < _SMALLEST_EDGE:
            raise ImageError(_("The image can't be made small enough for {limit} MB.").format(limit=number(limit_bytes / _MB, decimals=3)))
        image.thumbnail((max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        content = _encode(image, format_, quality=85)
    changed = _RE_ENCODED if image.size == original else _MADE_SMALLER
    description = _(changed).format(
        type="WebP" if format_ is Format.WEBP else "JPEG",
        width=image.width,
        height=image.height,
        limit=number(limit_bytes / _MB, decimals=3),
    )
    return _fitted(content, format_, image.size, changed=description)


def _fitted(content: bytes, format_: Format, size: tuple[int, int], *, changed: str | None) -> FittedImage:
    return FittedImage(
        content=content, content_type=format_.content_type, extension=format_.extension, width=size[0], height=size[1], changed=changed
    )


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        yield file


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except (ImageError, MachineTrouble):
        raise
    except _DAMAGED as error:
        raise _trouble_of(error) or ImageError(_("The image is damaged or incomplete.")) from error


def _trouble_of(error: Exception) -> MachineTrouble | None:
    return machine.trouble_of(MemoryError(str(error)) if str(error).startswith(_OUT_OF_MEMORY) else error)


def _checked_header(file: BinaryIO, *, max_pixels: int, formats: Collection[Format]) -> Header:
    header = read_header(file)
    if header.format not in formats:
        raise ImageError(_("{type} images don't work here. Use PNG, JPEG, WebP or GIF.").format(type=header.format.value))
    _check_size(header.width, header.height, max_pixels)
    return header


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        sentence = _("The image has {megapixels} megapixels. The limit is {most}.")
        raise TooManyPixels(sentence.format(megapixels=number(width * height / 1e6), most=number(max_pixels / 1e6)))


@contextmanager
def _image(file: BinaryIO, header: Header, *, max_pixels: int) -> Iterator[Image.Image]:
    """Open the image with the decoder for its header, without decoding."""
    from PIL import Image

    _load_decoders()
    Image.MAX_IMAGE_PIXELS = None  # no global limit: the header was checked against the caller's
    file.seek(0)
    with Image.open(file, formats=[header.format.value]) as image:
        _check_size(*image.size, max_pixels)  # a GIF's first frame may be larger than its header says
        try:
            yield image
        finally:
            image.close()  # frees the pixels now, and not when the next image is decoded already


def _load_decoders() -> None:
    """Import what Pillow would import when it needs it: there, a failure would count as one of the image, and some would be remembered.

    Its own modules in C first, because its plugins go without one that cannot be loaded.
    """
    with machine.trouble_raised():
        pass


def _bare(image: Image.Image) -> Image.Image:
    """The first frame, upright, in sRGB, without metadata."""
    from PIL import ImageOps

    ImageOps.exif_transpose(upright := image, in_place=True)  # without a copy
    profile = upright.info.get("icc_profile")
    transparency = upright.info.get("transparency")
    upright.info = {} if transparency is None else {"transparency": transparency}
    if upright.mode in {"I", "I;16", "I;16B", "I;16L", "F"}:  # 16-bit grey
        upright = upright.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return _in_srgb(upright, profile) if isinstance(profile, bytes) else upright


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert to sRGB, because the colour profile is removed. An invalid profile is ignored."""
    from PIL import ImageCms

    if image.mode not in {"RGB", "RGBA", "CMYK"}:
        return image
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        converted = ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        if (trouble := _trouble_of(error)) is not None:
            raise trouble from error
        return image
    if converted is None:
        return image
    converted.info = {}
    return converted


def _encode(image: Image.Image, format_: Format, *, quality: int) -> bytes:
    buffer = io.BytesIO()
    match format_:
        case Format.JPEG:
            _in_mode(image, {"RGB", "L"}, alpha=False).save(buffer, "JPEG", quality=quality, subsampling=0 if quality > 90 else 2)
        case Format.WEBP:
            _in_mode(image, {"RGB", "RGBA"}).save(buffer, "WEBP", quality=quality, method=3)
        case _:
            _in_mode(image, {"1", "L", "LA", "P", "RGB", "RGBA"}).save(buffer, "PNG")
    return buffer.getvalue()


def _in_mode(image: Image.Image, modes: Collection[str], *, alpha: bool = True) -> Image.Image:
    """The image in one of `modes`."""
    if image.mode in modes:
        return image
    return image.convert("RGBA" if alpha and image.has_transparency_data else "RGB")
