"""How often something may be done: turns of a limited rate, by the generic cell rate algorithm. Pure. Times are Unix microseconds.

Source: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rate:
    """`burst` turns may be taken at once; after that one becomes free every `interval_us`.

    All that is remembered of the turns that were taken is `full_at`: when all are free again.
    """

    interval_us: int
    burst: int = 1

    @classmethod
    def per_minute(cls, turns: float) -> Rate:
        """All turns of a minute may be taken at once."""
        return cls(interval_us=max(round(60_000_000 / turns), 1), burst=max(int(turns), 1))

    def turns(self, full_at: int, now: int) -> int:
        """How many may be taken at once."""
        return (now + self.burst * self.interval_us - max(self.bounded(full_at, now), now)) // self.interval_us

    def wait_us(self, full_at: int, now: int) -> int:
        """How long until one may be taken; 0 if one may be now."""
        return max(0, self.bounded(full_at, now) - (self.burst - 1) * self.interval_us - now)

    def after(self, full_at: int, now: int, *, turns: int) -> int:
        """When all are free again, once so many have been taken now."""
        return max(self.bounded(full_at, now), now) + turns * self.interval_us

    def bounded(self, full_at: int, now: int) -> int:
        """The same, unless it is later than any use explains: a clock was ahead, or the rate was another. That must be stored."""
        return min(full_at, now + self.burst * self.interval_us)
