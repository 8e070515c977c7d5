"""The clock, in Unix milliseconds; passed as an argument so that tests can set the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

Clock = Callable[[], int]

_RATE: Final = 0.05  # how much faster or slower than the boot-time clock the bot's own may be: an hour is followed in 20 hours
_JUMP_MS: Final = 60_000
_BOOT_TIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # counts a suspend; where it is missing, the other one does


def system() -> int:
    """Unix milliseconds from the system clock, which may be set at any time."""
    return time.time_ns() // 1_000_000


def since_boot() -> float:
    """Milliseconds since this machine was started, whatever its clock is set to."""
    return time.clock_gettime_ns(_BOOT_TIME) / 1e6


class SteadyClock:
    """Begins at the system's clock and never jumps: deadlines, pauses and refills that were begun go on by the time that really passes.

    It follows the system's clock slowly. A jump of that clock is logged once; after a restart it is followed at once.
    """

    def __init__(self, *, wall: Clock = system, elapsed: Callable[[], float] = since_boot) -> None:
        """`wall`: Unix ms, may jump. `elapsed`: ms since any moment, never jump."""
        self._wall, self._elapsed = wall, elapsed
        self._corrected_at = elapsed()
        self._offset_ms = wall() - self._corrected_at  # from `elapsed` to Unix ms
        self._is_told = False

    def __call__(self) -> int:
        now = self._elapsed()
        ahead_ms = self._wall() - now - self._offset_ms
        most_ms = max(0.0, now - self._corrected_at) * _RATE
        self._offset_ms += max(-most_ms, min(ahead_ms, most_ms))
        self._corrected_at = now
        if (abs(ahead_ms) > _JUMP_MS) is not self._is_told:
            self._tell(ahead_ms)
        return int(now + self._offset_ms)

    def _tell(self, ahead_ms: float) -> None:
        self._is_told = not self._is_told
        if not self._is_told:
            log.warning("system clock jumped is over")
            return
        log.critical(
            "system clock jumped",
            by_s=round(ahead_ms / 1000),
            do="Check this machine's time and its synchronisation. The bot goes on by its own clock; a restart follows the machine's.",
        )


steady: Final = SteadyClock()  # of this process
