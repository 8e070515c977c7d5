"""How long a caller waits for something that is away: members not long, background loops without end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Final

MEMBER_S: Final = 10.0
BRIEF_S: Final = 1.5  # where Discord waits for the first answer, and takes no answer after three seconds

_current_s = ContextVar("patience_s", default=MEMBER_S)
_is_brief = ContextVar("is_brief", default=False)


def current_s() -> float:
    """Seconds; infinite in background loops."""
    return min(_current_s.get(), BRIEF_S) if _is_brief.get() else _current_s.get()


def endless() -> AbstractContextManager[None]:
    """For background loops, the tasks that are started within, and for recording what has been done already."""
    return limited(math.inf)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """For as long as the block runs, and in the tasks that are started within."""
    token = _current_s.set(seconds)
    try:
        yield
    finally:
        _current_s.reset(token)


@contextmanager
def brief() -> Iterator[None]:
    """Until `acknowledged` is called within the block."""
    token = _is_brief.set(True)
    try:
        yield
    finally:
        _is_brief.reset(token)


def acknowledged() -> None:
    """Discord waits no longer."""
    _is_brief.set(False)
