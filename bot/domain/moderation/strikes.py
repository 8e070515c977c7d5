"""Strikes decay with a half-life. The sum of the remaining points decides how long a member is locked out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bot.domain.guild.fields import HOUR_MS
from bot.domain.guild.sections import StrikeStep

_SAME: Final = 0.005  # points; shown with two decimals, and five strikes within a few minutes must count as five


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One offence."""

    at: int  # Unix ms
    weight: float  # points at first


def points(strikes: Iterable[Strike], now: int, *, half_life_ms: int) -> float:
    """The remaining points at `now`. A strike in the future (the clock went back) counts as new."""
    return sum(strike.weight * math.exp2(-max(0, now - strike.at) / half_life_ms) for strike in strikes)


def lock_out_ms(before: float, after: float, steps: Sequence[StrikeStep]) -> int:
    """How long to lock out a member whose points rose from `before` to `after`; 0: not at all.

    The highest newly reached step decides. At or above the last step, each new strike locks the member out again.
    """
    if after <= before:
        return 0
    reached = [step for step in steps if step.points <= after + _SAME]
    new = [step for step in reached if step.points > before + _SAME]
    if new:
        return new[-1].hours * HOUR_MS
    return steps[-1].hours * HOUR_MS if reached and len(reached) == len(steps) else 0
