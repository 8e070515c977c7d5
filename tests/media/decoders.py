"""Stand-ins for functions of the codec, by which processes and threads are tested: what decoders do at their worst."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bot.core.errors import ImageError, MachineTrouble
from bot.core.i18n import _
from bot.core.numbers import number
from bot.media.codec import Source

OVER: Final = threading.Event()  # ends what `hang` began in a thread


class OddImage(ImageError):
    """An error of the codec with values of its own."""

    def __init__(self, *, frames: int) -> None:
        super().__init__(_("The image has {megapixels} megapixels. The limit is {most}.").format(megapixels=number(1.5), most=number(1000)))
        self.frames = frames


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A result of every type that the codec returns."""

    content: bytes = field(repr=False)
    size: tuple[int, int]
    changed: str | None


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a process can see and may do."""

    environment: dict[str, str]
    core_bytes: int
    niceness: int


def size_of(source: Source) -> int:
    return len(source if isinstance(source, bytes) else source.read_bytes())


def parts_of(source: Source, changed: str | None, *, copies: int) -> Parts:
    sys.stdout.write("a library prints")
    assert isinstance(source, bytes)
    return Parts(content=source * copies, size=(1, 2), changed=changed)


def shrunk(source: Source) -> tuple[bytes, str]:
    assert isinstance(source, bytes)
    return source[:2], "image/png"


def surroundings(_source: Source) -> Surroundings:
    core_bytes, _hard = resource.getrlimit(resource.RLIMIT_CORE)
    return Surroundings(environment=dict(os.environ), core_bytes=core_bytes, niceness=os.nice(0))


def odd(_source: Source) -> None:
    raise OddImage(frames=3)


def mistaken(_source: Source) -> None:
    raise ZeroDivisionError("a fault of the codec")


def without_files(_source: Source) -> None:
    raise OSError(24, "Too many open files")


def short_of_memory(_source: Source) -> None:
    """As libvips reports it, by words alone."""
    raise MachineTrouble("overloaded") from RuntimeError("out of memory")


def crash(_source: Source) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def cut_short(_source: Source) -> None:
    """As a process that the system ends because the machine has no memory left."""
    os.kill(os.getpid(), signal.SIGKILL)


def allocate(_source: Source, size_bytes: int) -> int:
    return len(bytearray(size_bytes))


def hang(_source: Source) -> None:
    OVER.wait(60)


def spin(_source: Source) -> None:
    while not sys.is_finalizing():
        pass


Work = Callable[[Source], object]
