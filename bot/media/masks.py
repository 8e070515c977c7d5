"""Masks of edits: white is changed, black is kept.

A mask becomes a grey PNG that has only black and white, so that noise and soft edges mean the same to every image API: what is lighter than
half is white, and what is transparent is black. One of the image's shape in another size is scaled, because drawing apps export their own.
All functions need time: call them in a thread. They are given files that `codec.clean_reference` wrote.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from bot.core.errors import ImageError
from bot.core.i18n import _
from bot.media import libvips
from bot.media.formats import format_of

if TYPE_CHECKING:  # imported for the first mask
    import pyvips

_HALF: Final = 127
_SHAPES_DIFFER: Final = 0.01  # more than rounding does


def clean_mask(content: bytes, width: int, height: int) -> bytes:
    """The mask as a PNG for an image of this size in px. Raises `ImageError` if its shape is another, or if all of it is black."""
    with libvips.decoding():
        return _cleaned(_opened(content), width, height)


def _cleaned(mask: pyvips.Image, width: int, height: int) -> bytes:
    if abs(mask.width * height / (mask.height * width) - 1) > _SHAPES_DIFFER:
        sizes = _("The mask is {given} pixels and the image {size}. Use a mask of the image's size.")
        raise ImageError(sizes.format(given=f"{mask.width}×{mask.height}", size=f"{width}×{height}"))
    black_and_white = _black_and_white(mask, width, height)
    if black_and_white.max() == 0:
        raise ImageError(_("The mask is all black, so nothing would change. Make white what should change."))
    return _png(black_and_white)


def for_image(mask: bytes, image: str) -> bytes:
    """A cleaned mask in the size of the image that is sent with it, if that is a data URI: it may have been made smaller."""
    _head, comma, text = image.partition(";base64,")
    if not comma:
        return mask
    with libvips.decoding():
        sent, cleaned = _opened(base64.b64decode(text)), _opened(mask)
        is_same = (sent.width, sent.height) == (cleaned.width, cleaned.height)
        return mask if is_same else _png(_black_and_white(cleaned, sent.width, sent.height))


def with_transparency(mask: bytes) -> bytes:
    """A cleaned mask as OpenAI expects it: a PNG that is transparent where the image is changed.

    Source: https://platform.openai.com/docs/api-reference/images/createEdit
    """
    with libvips.decoding():
        kept = _opened(mask).invert().copy_memory()
        black = kept * 0
        return _png(black.bandjoin(black).bandjoin(black).bandjoin(kept).cast("uchar").copy(interpretation="srgb"))


def _opened(content: bytes) -> pyvips.Image:
    return libvips.load(content, format_of(content))


def _black_and_white(mask: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """One channel with 0 and 255, in this size in px."""
    opaque = mask.flatten(background=[0]) if mask.hasalpha() else mask
    grey = opaque.colourspace("b-w").cast("uchar")
    return (grey.thumbnail_image(width, height=height, size="force") > _HALF).copy(interpretation="b-w").copy_memory()


def _png(image: pyvips.Image) -> bytes:
    content: bytes = image.pngsave_buffer(keep=0)
    return content
