"""Strikes fade: each counts half after every half-life. What is left of them together decides how long a member is locked out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bot.domain.guild.fields import HOUR_MS
from bot.domain.guild.sections import StrikeStep

_SAME: Final = 0.005  # points: they are told in hundredths, and five strikes within a few minutes are five


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One offence."""

    at: int  # Unix ms
    weight: float  # points when it was new


def points(strikes: Iterable[Strike], now: int, *, half_life_ms: int) -> float:
    """What is left of them at `now`. A strike from the future (the clock went back) counts as new."""
    return sum(strike.weight * math.exp2(-max(0, now - strike.at) / half_life_ms) for strike in strikes)


def lock_out_ms(before: float, after: float, steps: Sequence[StrikeStep]) -> int:
    """For how long a member is locked out whose points rose from `before` to `after`; 0 for not at all.

    The highest step that was newly reached decides. At or above the last step, every new strike locks the member out for its time again.
    """
    if after <= before:
        return 0
    reached = [step for step in steps if step.points <= after + _SAME]
    new = [step for step in reached if step.points > before + _SAME]
    if new:
        return new[-1].hours * HOUR_MS
    return steps[-1].hours * HOUR_MS if reached and len(reached) == len(steps) else 0
