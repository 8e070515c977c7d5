"""Measures how late the event loop is: whatever holds it delays every answer."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from bot.core.metrics import LOOP_LAG
from bot.core.running.supervision import pause

_EVERY_S: Final = 0.5
_REMEMBERED_S: Final = 60


class LoopLag:
    """The lag of the last minute. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._turned_at = time.monotonic()
        self._turns: deque[tuple[float, float]] = deque(maxlen=int(_REMEMBERED_S / _EVERY_S))  # when, and how late

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + _EVERY_S
            await pause(_EVERY_S)
            self._turned_at = time.monotonic()
            lag_s = max(self._turned_at - due, 0.0)
            LOOP_LAG.observe(lag_s)
            self._turns.append((self._turned_at, lag_s))

    @property
    def since_turn_s(self) -> float:
        """How long the loop has not turned; about half a second at most while nothing holds it."""
        return time.monotonic() - self._turned_at

    @property
    def worst_s(self) -> float:
        """The worst of the last minute."""
        after = time.monotonic() - _REMEMBERED_S
        return max([lag for at, lag in self._turns if at > after] + [self.since_turn_s - _EVERY_S, 0.0])
