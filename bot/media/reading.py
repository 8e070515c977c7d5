"""Reads untrusted images: what is in their headers, what decoding them costs, and their first frame as people see it."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bot.core.errors import ImageError
from bot.core.i18n import _
from bot.core.numbers import number
from bot.core.running import machine
from bot.media import colours, containers, libvips
from bot.media.formats import SNIFFED_BYTES, Format, format_of, is_sequence

if TYPE_CHECKING:
    import pyvips

DEFAULT_MAX_PIXELS: Final = 100_000_000
_ABSOLUTE_MAX_PIXELS: Final = 220_000_000  # cameras of phones make up to 200 megapixels

_SHRINKS: Final = (8, 4, 2, 1)  # by which JPEG decoders reduce while they decode
_HEIC_SHARE: Final = 1.3  # of the most pixels: phones make photos of 48 megapixels, and the decoder takes half the memory of others
_CHECKED_SHRINK: Final = 4  # at the largest, libvips overlooks what its decoder warns of
_HEIF: Final = frozenset({Format.HEIC, Format.AVIF})

Source = bytes | Path


class TooManyPixels(ImageError):
    """The image has more pixels than the caller decodes."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """An image of which only headers were read. Sizes are in px, before the orientation is applied."""

    format: Format
    width: int
    height: int
    frames: int  # more than one: an animation
    content: bytes = field(repr=False)
    _image: pyvips.Image = field(repr=False)

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def orientation(self) -> int:
        """1 to 8, as in EXIF; 1: upright. HEIC and AVIF are turned by their decoders, and what stands in their EXIF data is not obeyed."""
        return libvips.value(self._image, "orientation", 1) if self.format not in _HEIF else 1

    @property
    def bits(self) -> int:
        """Of one sample."""
        return 16 if self._image.format == "ushort" else 8

    @property
    def bands(self) -> int:
        return self._image.bands

    @property
    def has_alpha(self) -> bool:
        """Also if the first frame of a GIF leaves some of the screen free."""
        return self._image.hasalpha() or (self.format is Format.GIF and not self._fills_screen)

    @property
    def _fills_screen(self) -> bool:
        with contextlib.suppress(ValueError):  # there is no frame, which is found when it is read
            _left, _top, width, height = containers.gif_first_frame(self.content)
            return width >= self.width and height >= self.height
        return True

    @property
    def scans(self) -> int:
        """How often the decoder of a PNG or JPEG goes over all its pixels; with more than one, all stay in memory until the last."""
        if self.format is Format.JPEG:
            return max(1, self.content.count(b"\xff\xda")) if libvips.value(self._image, "jpeg-multiscan", 0) else 1
        return 2 if libvips.value(self._image, "interlaced", 0) else 1

    @property
    def is_subsampled(self) -> bool:
        return libvips.value(self._image, "jpeg-chroma-subsample", "") == "4:2:0"

    @cached_property
    def is_lossless_webp(self) -> bool:
        return self.format is Format.WEBP and containers.is_lossless_webp(self.content)

    @property
    def is_scalable(self) -> bool:
        """Whether its decoder makes it smaller without ever holding all its pixels."""
        return self.format is Format.JPEG or (self.format is Format.WEBP and not self.is_lossless_webp and self.frames == 1)

    @property
    def is_plain(self) -> bool:
        """Whether its pixels are stored as people see them, in a file for one image that every image API reads."""
        is_read = self.format in {Format.PNG, Format.JPEG, Format.WEBP} and self.frames == 1 and self.bits == 8
        return is_read and self.orientation == 1 and colours.are_srgb(self._image)

    def factor_for(self, most_pixels: int) -> int:
        """How many pixels of each side become one, so that at most `most_pixels` remain."""
        return math.ceil(math.sqrt(self.pixels / most_pixels))


def read_header(content: bytes, *, max_pixels: int) -> Header:
    """Decodes nothing. Raises `ImageError` for other formats and damaged headers.

    Raises `TooManyPixels` if more than `max_pixels` are decoded however much the image is reduced.
    """
    format_ = format_of(content[:SNIFFED_BYTES])
    most = max_pixels if format_ is Format.PNG else max(max_pixels, _ABSOLUTE_MAX_PIXELS)
    _check_pixels(containers.claimed_pixels(content, format_), most)  # decoders do not say what is wrong with very large ones
    with libvips.decoding():
        image = libvips.load(content, format_)
        width, height = _size(content, format_, image)
        header = Header(format=format_, width=width, height=height, frames=_frames(content, format_, image), content=content, _image=image)
        _check_pixels(header.pixels, _most_pixels(header, max_pixels))
        return header


def _most_pixels(header: Header, max_pixels: int) -> int:
    if header.is_scalable:
        return min(_ABSOLUTE_MAX_PIXELS, max_pixels * _SHRINKS[0] ** 2)
    return int(max_pixels * _HEIC_SHARE) if header.format is Format.HEIC else max_pixels


def read(source: Source) -> bytes:
    """The bytes of a source. Raises `MachineTrouble`."""
    if isinstance(source, bytes):
        return source
    with machine.trouble_raised():
        return source.read_bytes()


def verify_pixels(header: Header) -> None:
    """Decode the first frame, as small as its decoder makes it. Raises `ImageError` if it is cut or damaged."""
    with libvips.decoding():
        image = _loaded(header, _SHRINKS[0])
        if header.format is not Format.JPEG:  # whose scans were checked
            image.avg()


def first_frame(header: Header, factor: int = 1) -> pyvips.Image:
    """The first frame with `factor` pixels of each side as one: upright, in sRGB or grey, with 8 bits, in memory if it was turned.

    It is decoded when it is used, so that must happen in `libvips.decoding` too.
    """
    image = _loaded(header, factor)
    if factor > 1:
        image = scaled(image, max(1, header.width // factor), max(1, header.height // factor))
    if header.orientation > 1:
        image = image.copy_memory().autorot()
    return colours.in_srgb(image)


def scaled(image: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """The image with this size in px. Transparent pixels don't count for the colours of others."""
    if (image.width, image.height) == (width, height):
        return image
    across, down = width / image.width, height / image.height
    if not image.hasalpha():
        return image.resize(across, vscale=down)
    weighted = image.premultiply().cast(image.format)  # as floats, it would take four times the memory
    return weighted.resize(across, vscale=down).unpremultiply().cast(image.format)


def _loaded(header: Header, factor: int) -> pyvips.Image:
    """The first frame as its file holds it, reduced at most by `factor` if its decoder does that."""
    most = min(factor, header.width, header.height)
    match header.format:
        case Format.HEIC | Format.AVIF if containers.is_hevc(header.content):
            return libvips.load_heic(header.content)
        case Format.GIF:
            return _on_screen(libvips.load(header.content, header.format), header)
        case Format.PNG:
            return libvips.load(containers.sound_png(header.content), header.format)
        case Format.JPEG:
            libvips.check_scans(header.content, shrink=_jpeg_shrink(header, _CHECKED_SHRINK))
            return libvips.load(header.content, header.format, shrink=_jpeg_shrink(header, factor))
        case Format.WEBP if header.frames == 1 and most > 1:
            return libvips.load(header.content, header.format, scale=1 / most)
    return libvips.load(header.content, header.format)


def _jpeg_shrink(header: Header, factor: int) -> int:
    return next(each for each in _SHRINKS if each <= min(factor, header.width, header.height))


def _on_screen(image: pyvips.Image, header: Header) -> pyvips.Image:
    """The first frame of a GIF. What it leaves free of the screen is transparent."""
    left, top, width, height = containers.gif_first_frame(header.content)
    if width >= header.width and height >= header.height:
        return image
    frame = image.crop(left, top, width, height)
    return (frame if frame.hasalpha() else frame.bandjoin(255)).embed(left, top, header.width, header.height)


def _size(content: bytes, format_: Format, image: pyvips.Image) -> tuple[int, int]:
    """In px. libvips takes some screens of GIFs for mistakes, and makes them as small as the frames."""
    screen = containers.gif_screen(content) if format_ is Format.GIF else (0, 0)
    return max(image.width, screen[0]), max(image.height, screen[1])


def _check_pixels(pixels: int, most: int) -> None:
    if pixels > most:
        sentence = _("The image has {megapixels} megapixels. The limit is {most}.")
        raise TooManyPixels(sentence.format(megapixels=_in_megapixels(pixels), most=_in_megapixels(most)))


def _frames(content: bytes, format_: Format, image: pyvips.Image) -> int:
    if format_ is Format.PNG:
        with contextlib.suppress(ValueError):  # damage is found when its pixels are read
            return containers.png_frames(content)
        return 1
    if format_ in _HEIF:  # further images in it are no animation
        return 2 if is_sequence(content[:SNIFFED_BYTES]) else 1
    return libvips.value(image, "n-pages", 1)


def _in_megapixels(pixels: int) -> str:
    megapixels = pixels / 1e6
    return number(megapixels, decimals=2 if megapixels < 100 else 0)
