"""Colours as people see them: every image in sRGB or grey, with 8 bits."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Final

from bot.core.errors import ImageError
from bot.media import libvips

if TYPE_CHECKING:
    import pyvips

_NEAR: Final = 2  # of 255: by how much a profile of sRGB may change colours, since some are rounded
_SPACES: Final = {"cmyk": b"CMYK", "b-w": b"GRAY", "grey16": b"GRAY", "srgb": b"RGB ", "rgb16": b"RGB "}  # in profiles
_STEPS: Final = range(0, 256, 51)


def in_srgb(image: pyvips.Image) -> pyvips.Image:
    """The image after its colour profile was applied. A profile that cannot be is left out; then, CMYK is converted as browsers do."""
    if _has_fitting_profile(image):
        with contextlib.suppress(ImageError), libvips.decoding():  # damaged, though its header isn't
            return _by_profile(image)
    if image.interpretation == "cmyk":
        inks = image.invert()
        return (inks[:3] * inks[3] / 255).cast("uchar").copy(interpretation="srgb")
    return image.colourspace("b-w" if image.bands < 3 else "srgb")  # 16 bits are scaled


def are_srgb(image: pyvips.Image) -> bool:
    """Whether the samples of an image of 8 bits are sRGB or grey: without a profile, or with one that leaves colours as they are."""
    if image.interpretation not in {"srgb", "b-w"}:
        return False
    if not _has_fitting_profile(image):
        return True
    bands = 1 if image.interpretation == "b-w" else 3
    colours = list(itertools.product(_STEPS, repeat=bands))
    samples = libvips.from_pixels(bytes(itertools.chain.from_iterable(colours)), len(colours), 1, bands, image.interpretation)
    changes = (in_srgb(libvips.with_profile(samples, libvips.value(image, libvips.PROFILE, b""))) - samples).abs()
    return not (changes > _NEAR).max()


def _has_fitting_profile(image: pyvips.Image) -> bool:
    """libvips would use a profile of its own in place of a damaged one, or of one for other colours (ICC.1, section 7.2)."""
    profile = libvips.value(image, libvips.PROFILE, b"")
    return profile[36:40] == b"acsp" and profile[16:20] == _SPACES.get(str(image.interpretation))


def _by_profile(image: pyvips.Image) -> pyvips.Image:
    return image.icc_transform("srgb", embedded=True, intent="perceptual", depth=8)
