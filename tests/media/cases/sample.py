"""What a test file is, and the drawing that all of them hold: four quarters of one colour each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final, ParamSpec

Colour = tuple[int, int, int, int]  # red, green, blue, alpha: 0 to 255
Quarters = tuple[Colour, Colour, Colour, Colour]  # top left, top right, bottom left, bottom right
Size = tuple[int, int]  # width and height in px
Pixel = tuple[int, ...]  # the samples of one pixel

P = ParamSpec("P")

SIZE: Final = (64, 32)  # a quarter is as large as the largest block of a JPEG
QUARTERS: Final[Quarters] = ((220, 40, 30, 255), (30, 160, 60, 255), (40, 60, 210, 255), (235, 215, 50, 255))
GREYS: Final[Quarters] = ((0, 0, 0, 255), (85, 85, 85, 255), (170, 170, 170, 255), (255, 255, 255, 255))

CUT: Final = "damaged|incomplete|cut"  # said of what isn't all there

# Which stored quarter is shown in each place (TIFF 6.0, section 8, "Orientation").
_SHOWN: Final = {
    1: (0, 1, 2, 3),
    2: (1, 0, 3, 2),
    3: (3, 2, 1, 0),
    4: (2, 3, 0, 1),
    5: (0, 2, 1, 3),
    6: (2, 0, 3, 1),
    7: (3, 1, 2, 0),
    8: (1, 3, 0, 2),
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file that is accepted, and what is shown of it. None: browsers differ, or it doesn't matter."""

    name: str
    format: str
    make: Callable[[], bytes]
    size: Size | None = SIZE  # of the upright image
    quarters: Quarters | None = QUARTERS
    tolerance: int = 3  # of 255
    frames: int | None = None
    is_bare: bool | None = None

    @cached_property
    def content(self) -> bytes:
        return self.make()


@dataclass(frozen=True, kw_only=True)
class RefusedFile:
    """A file that no codec reads, and a pattern of the sentence that refuses it. None: it may also be read, but nothing else may happen."""

    name: str
    make: Callable[[], bytes]
    says: str | None = None

    @cached_property
    def content(self) -> bytes:
        return self.make()


def refusal(name: str, make: Callable[[], bytes], says: str | None = None) -> RefusedFile:
    return RefusedFile(name=name, make=make, says=says)


def made(build: Callable[P, bytes], *args: P.args, **options: P.kwargs) -> Callable[[], bytes]:
    """Built when a test needs it."""
    return partial(build, *args, **options)


def four(colours: Iterable[Colour]) -> Quarters:
    first, second, third, fourth = colours
    return first, second, third, fourth


def grey(value: int) -> Colour:
    return value, value, value, 255


def quarter_at(x: int, y: int, size: Size) -> int:
    """The number of the quarter that holds a pixel."""
    return 2 * (2 * y >= size[1]) + (2 * x >= size[0])


def turned(quarters: Quarters, orientation: int) -> Quarters:
    """What is shown of stored quarters."""
    return four(quarters[at] for at in _SHOWN[orientation])


def turned_size(size: Size, orientation: int) -> Size:
    return size if orientation < 5 else (size[1], size[0])


def with_alpha(quarters: Quarters, alpha: Sequence[int]) -> Quarters:
    return four((*colour[:3], value) for colour, value in zip(quarters, alpha, strict=True))
