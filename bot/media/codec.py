"""Untrusted images: validation, removal of metadata, fitting into an upload limit, thumbnails.

All functions need time and memory: call them in a thread, and take their memory from a budget before, see `cost`. They raise `ImageError`
for images that cannot be used, and `MachineTrouble` if this machine cannot read or decode one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from bot.core.errors import ImageError
from bot.core.i18n import N_, _
from bot.media import containers, libvips
from bot.media.costs import Cost, cost_of
from bot.media.fitting import LOSSLESS_WEBP_MAX_PIXELS, FittedImage, encoded, encoded_lossless_webp, fitted, in_mb, shrunk, smaller_png
from bot.media.formats import Format
from bot.media.reading import DEFAULT_MAX_PIXELS, Header, Source, TooManyPixels, first_frame, read, read_header, scaled, verify_pixels

if TYPE_CHECKING:
    import pyvips

__all__ = ["DEFAULT_MAX_PIXELS", "Cost", "FittedImage", "Source", "TooManyPixels"]

ALL_FORMATS: Final = frozenset(Format)
THUMBNAIL_EDGE: Final = 384  # px
_LEAST_FACTOR: Final = 4  # by which images are reduced at least that are not kept
_SHOWN: Final = frozenset({Format.PNG, Format.JPEG, Format.WEBP, Format.GIF})  # by Discord, and by every image API
_REFERENCE_MAX_PIXELS: Final = 4096 * 4096  # no model takes more, and encoding them would take seconds
_REFERENCE_FORMATS: Final = {Format.PNG: Format.PNG, Format.GIF: Format.PNG, Format.JPEG: Format.JPEG, Format.WEBP: Format.WEBP}
_REFERENCE_QUALITY: Final = 95
_LEAST_QUALITY: Final = 75
_PREVIEW_EDGE: Final = 1536  # px
_PREVIEW_QUALITY: Final = 88
_PAGED: Final = frozenset({Format.GIF, Format.WEBP})  # of others, libvips reads the first frame only
_THUMBNAIL_QUALITY: Final = 65
_CONVERTED: Final = N_("converted from {before} to {after}")
_STILL: Final = N_("shown as a still image, because the animation can't be sent in {limit} MB")


class AnimationTooLarge(ImageError):
    """The animation cannot be sent as it is, and any other form of it would be a still."""


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """Type and size in px, before the orientation is applied. `frames`: more than one in an animation."""

    format: Format
    width: int
    height: int
    frames: int = 1

    @property
    def content_type(self) -> str:
        return self.format.content_type

    @property
    def extension(self) -> str:
        return self.format.extension


@dataclass(frozen=True, kw_only=True)
class CleanedImage:
    """An upright image in sRGB without metadata.

    `was_bare`: the original is this image already, to the byte, so a link to it may be passed on.
    """

    content: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    frames: int = 1  # of the original; only the first is here
    was_bare: bool = False


def cost(source: Source, *, max_pixels: int, work: Callable[..., object] | None = None) -> Cost:
    """What `work`, a function of the codec, takes for an image, by headers alone.

    Raises `ImageError` for other formats and for more than `max_pixels`.
    """
    header = _checked(read(source), max_pixels=max_pixels)
    kept: dict[object, int] = {
        fit: max_pixels,
        still: max_pixels,
        shrink: max_pixels,
        clean_reference: min(max_pixels, _REFERENCE_MAX_PIXELS),
    }
    most = kept.get(work)
    if most is None or (work is clean_reference and header.is_plain and header.pixels <= most):
        return cost_of(header, factor=_LEAST_FACTOR, kept_pixels=0)
    return cost_of(header, factor=header.factor_for(most), kept_pixels=min(header.pixels, most))


def inspect(source: Source, *, max_pixels: int, formats: Collection[Format] = ALL_FORMATS, verify: bool = False) -> ImageInfo:
    """Type, size and frames from the headers. With `verify`, truncated and damaged files are detected by decoding the first frame.

    Raises `ImageError` for other formats, more than `max_pixels`, and damaged files.
    """
    header = _checked(read(source), max_pixels=max_pixels, formats=formats)
    if verify:
        verify_pixels(header)
    return ImageInfo(format=header.format, width=header.width, height=header.height, frames=header.frames)


def is_whole(content: bytes) -> bool:
    """Whether these bytes are an image of a known type that is not cut short. Decodes nothing; what it contains may still be damaged."""
    try:
        header = read_header(content, max_pixels=DEFAULT_MAX_PIXELS)  # finds cuts of WebP, HEIC and AVIF
    except TooManyPixels:
        return True
    except ImageError:
        return False
    return _WHOLE.get(header.format, bool)(content)


def clean_reference(source: Source, *, max_pixels: int) -> CleanedImage:
    """The first frame, upright, in sRGB, without metadata: a PNG, JPEG or WebP. Pixels that need no change are not encoded again.

    What is larger than any model takes is made smaller, by a whole factor.
    """
    header = _checked(read(source), max_pixels=max_pixels)
    factor = header.factor_for(min(max_pixels, _REFERENCE_MAX_PIXELS))
    if factor == 1 and header.is_plain and (bare := _stripped(header)) is not None:
        verify_pixels(header)
        return _cleaned(bare, header.format, header.width, header.height, was_bare=bare == header.content)
    with libvips.decoding():
        image = first_frame(header, factor)
        format_ = _reference_format(header, image)
        if format_ is Format.WEBP and header.is_lossless_webp:
            content = encoded_lossless_webp(image)
        else:
            content = encoded(image, format_, quality=_quality(header), is_fine=header.format is Format.JPEG and not header.is_subsampled)
        return _cleaned(content, format_, image.width, image.height, frames=header.frames)


def fit(source: Source, limit_bytes: int, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> FittedImage:
    """The unchanged image if it is small enough and of a type that is shown everywhere; else re-encoded, then scaled down until it fits.

    Raises `AnimationTooLarge`, and `ImageError` if it cannot be made small enough.
    """
    content = read(source)
    header = _checked(content, max_pixels=max_pixels)
    if len(content) <= limit_bytes and header.format in _SHOWN:
        return fitted(content, header.format, header.width, header.height)
    if header.frames > 1:
        raise AnimationTooLarge(_("The animation is too large for {limit} MB.").format(limit=in_mb(limit_bytes)))
    return _still(header, limit_bytes, max_pixels)


def still(source: Source, limit_bytes: int, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> FittedImage:
    """The first frame of an animation, of at most `limit_bytes`, with a note that says so. Raises `ImageError`."""
    header = _checked(read(source), max_pixels=max_pixels)
    return replace(_still(header, limit_bytes, max_pixels), changed=_(_STILL).format(limit=in_mb(limit_bytes)))


def shrink(content: bytes, content_type: str, limit_bytes: int) -> tuple[bytes, str]:
    """A reference image of about at most `limit_bytes`, and its type: a JPEG, or with transparency a PNG, which every image API reads."""
    if len(content) <= limit_bytes:
        return content, content_type
    header = _checked(content, max_pixels=DEFAULT_MAX_PIXELS)
    with libvips.decoding():
        image = _in_memory(header, DEFAULT_MAX_PIXELS)
        if image.hasalpha():
            return smaller_png(image, limit_bytes), Format.PNG.content_type
        small = shrunk(image, limit_bytes)
        return small.content, small.content_type


def thumbnail(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS, edge_px: int = THUMBNAIL_EDGE) -> bytes:
    """A WebP of about 15 KB, at most `edge_px` wide and high."""
    header = _checked(read(source), max_pixels=max_pixels)
    factor = max(1, max(header.width, header.height) // (2 * edge_px))
    with libvips.decoding():
        image = first_frame(header, factor)
        scale = min(1, edge_px / max(image.width, image.height))
        small = scaled(image, max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        return encoded(small, Format.WEBP, quality=_THUMBNAIL_QUALITY)


def preview(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """A JPEG without transparency, which every content check reads, of an image or of four frames of an animation, the last among them."""
    header = read_header(read(source), max_pixels=max_pixels)
    with libvips.decoding():
        if header.frames == 1 or header.format not in _PAGED:
            small = _flat(first_frame(header, header.factor_for(4 * _PREVIEW_EDGE**2)), _PREVIEW_EDGE)
            return encoded(small, Format.JPEG, quality=_PREVIEW_QUALITY)
        frames = [_flat(frame, _PREVIEW_EDGE // 2).copy_memory() for frame in _frames(header)]
        return encoded(type(frames[0]).arrayjoin(frames, across=2), Format.JPEG, quality=_PREVIEW_QUALITY)


def _frames(header: Header) -> Iterator[pyvips.Image]:
    last = header.frames - 1
    for number in sorted({round(last * part / 3) for part in range(4)}):
        yield libvips.load(header.content, header.format, page=number).colourspace("srgb")


def _flat(image: pyvips.Image, edge_px: int) -> pyvips.Image:
    """At most so wide and high, on grey."""
    scale = min(1, edge_px / max(image.width, image.height))
    small = scaled(image, max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return small.flatten(background=[128]) if small.hasalpha() else small


def _reference_format(header: Header, image: pyvips.Image) -> Format:
    if header.is_lossless_webp and image.width * image.height > LOSSLESS_WEBP_MAX_PIXELS:
        return Format.PNG
    return _REFERENCE_FORMATS.get(header.format, Format.PNG if image.hasalpha() else Format.JPEG)


def _quality(header: Header) -> int:
    """That of a JPEG is kept: a better one would make it larger, and not better."""
    if header.format is Format.JPEG:
        with contextlib.suppress(ValueError):
            return min(_REFERENCE_QUALITY, max(_LEAST_QUALITY, containers.jpeg_quality(header.content)))
    return _REFERENCE_QUALITY


def _still(header: Header, limit_bytes: int, max_pixels: int) -> FittedImage:
    with libvips.decoding():
        image = _in_memory(header, max_pixels)
        if header.format not in _SHOWN and len(content := encoded(image, Format.PNG, quality=0)) <= limit_bytes:
            changed = _(_CONVERTED).format(before=header.format.value, after=Format.PNG.value)
            return fitted(content, Format.PNG, image.width, image.height, changed=changed)
        return shrunk(image, limit_bytes)


def _in_memory(header: Header, max_pixels: int) -> pyvips.Image:
    return first_frame(header, header.factor_for(max_pixels)).copy_memory()


def _is_whole_png(content: bytes) -> bool:
    try:
        return all(True for _chunk in containers.png_chunks(content))
    except ValueError:
        return False


_WHOLE: Final[Mapping[Format, Callable[[bytes], bool]]] = {
    Format.PNG: _is_whole_png,
    Format.JPEG: lambda content: content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda") > 0,  # the end, after the last scan
    Format.GIF: lambda content: content.rstrip(b"\0").endswith(b";"),  # GIF89a, section 27
}


def _checked(content: bytes, *, max_pixels: int, formats: Collection[Format] = ALL_FORMATS) -> Header:
    header = read_header(content, max_pixels=max_pixels)
    if header.format not in formats:
        raise ImageError(_("{type} images don't work here. Use PNG, JPEG, WebP or GIF.").format(type=header.format.value))
    return header


def _stripped(header: Header) -> bytes | None:
    """The file without metadata; None if it must be encoded again."""
    try:
        return containers.stripped(header.content, header.format)
    except ValueError:  # irregular, although decoders read it
        return None


def _cleaned(content: bytes, format_: Format, width: int, height: int, **more: Any) -> CleanedImage:
    return CleanedImage(content=content, content_type=format_.content_type, width=width, height=height, **more)
