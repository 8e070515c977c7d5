"""Time as the house reads it: Unix milliseconds, handed down so that tests can turn the hands."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system() -> int:
    """Unix milliseconds by the machine's clock."""
    return time.time_ns() // 1_000_000
