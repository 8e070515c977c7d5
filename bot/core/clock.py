"""The clock, in Unix milliseconds; passed as an argument so that tests can set the time."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system() -> int:
    """Unix milliseconds from the system clock."""
    return time.time_ns() // 1_000_000
