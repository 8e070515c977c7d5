"""How long a caller waits for something that is away: members not long, background loops without end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

MEMBER_S: Final = 10.0

_current_s = ContextVar("patience_s", default=MEMBER_S)


def current_s() -> float:
    """Seconds; infinite in background loops."""
    return _current_s.get()


@contextmanager
def endless() -> Iterator[None]:
    """For background loops, and the tasks that are started within."""
    token = _current_s.set(math.inf)
    try:
        yield
    finally:
        _current_s.reset(token)
