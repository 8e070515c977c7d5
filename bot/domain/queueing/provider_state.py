"""What is known of an image API: whether it answers, and until when it takes no requests. Pure. Times are Unix ms.

The circuit breaker (Michael Nygard, "Release It!") opens after several failures in a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class ProviderState:
    """Shared by all processes, so that failures in a row are those of all of them."""

    failures: int = 0  # in a row
    failing_since: int | None = None  # the first of them
    away_since: int | None = None  # the same, once it counts as unavailable
    retry_not_before: int = 0  # by its own words, or after a rate limit that names no time
    is_rate_limited: bool = False  # whether the last pause that it asked for was one of a rate limit
    limit_pause_s: int = 0  # after the next rate limit that names no time; 0: the shortest

    def failed(self, now: int, *, limit: int) -> ProviderState:
        """It did not answer, or only with an error. After `limit` of these in a row it counts as unavailable."""
        since = now if self.failing_since is None else self.failing_since
        away_since = since if self.away_since is None and self.failures + 1 >= limit else self.away_since
        return replace(self, failures=self.failures + 1, failing_since=since, away_since=away_since)

    def answered(self) -> ProviderState:
        """It works, whatever it said."""
        return replace(self, failures=0, failing_since=None, away_since=None)

    def accepted(self) -> ProviderState:
        """It took a submission."""
        return replace(self.answered(), limit_pause_s=0)

    def paused(self, until: int, *, is_rate_limit: bool) -> ProviderState:
        """It takes no requests before this time. An earlier one changes nothing."""
        return self if until < self.retry_not_before else replace(self, retry_not_before=until, is_rate_limited=is_rate_limit)

    def limited(self, now: int, *, shortest_s: float, longest_s: float) -> ProviderState:
        """It named a rate limit, but no time: the pauses double."""
        pause_s = min(max(self.limit_pause_s, shortest_s), longest_s)
        paused = self.answered().paused(now + math.ceil(pause_s * 1000), is_rate_limit=True)
        return replace(paused, limit_pause_s=math.ceil(min(2 * pause_s, longest_s)))


Transition = Callable[[ProviderState], ProviderState]
