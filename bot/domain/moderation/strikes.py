"""Strikes decay with a half-life. The sum of the remaining points decides how long a member is locked out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bot.core.i18n import _, ngettext
from bot.core.numbers import number
from bot.domain.guild.fields import HOUR_MS
from bot.domain.guild.sections import StrikeStep

_SAME: Final = 0.005  # points; shown with two decimals, and five strikes within a few minutes must count as five


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One offence."""

    at: int  # Unix ms
    weight: float  # points at first


@dataclass(frozen=True, kw_only=True)
class StrikeGiven:
    """What a strike led to. Its values are JSON, so that it can be told later."""

    weight: float
    points: float  # with it, after decay
    at: float | None  # the points at which the member is locked out next; None: no rule says so
    hours: int  # for how long: that lock-out, or the one that this strike led to
    until: int | None = None  # Unix ms; set if it locked the member out
    block_id: int | None = None  # that block

    @property
    def sentence(self) -> str:
        """For the member, true with weights and decay: strikes are counted only while every one of them weighs a whole point."""
        if self.until is not None:
            return self._locked_out
        if self.at is None:
            return _("You got a strike for it. Strikes fade over time.")
        counted = _("This is strike {points} of {limit}; at {limit} you can't create images here for {time}.")
        weighed = _("You now have {points} strike points; at {limit} you can't create images here for {time}.")
        is_whole = abs(self.weight - 1) < _SAME and all(abs(each - round(each)) < _SAME for each in (self.points, self.at))
        return (counted if is_whole else weighed).format(points=_shown(self.points), limit=_shown(self.at), time=_hours(self.hours))

    @property
    def end(self) -> str:
        """When the member may create images again, if it locked them out."""
        return "" if self.until is None else _("It ends <t:{at}:f> (<t:{at}:R>).").format(at=self.until // 1000)

    @property
    def _locked_out(self) -> str:
        template = _("You now have {points} strike points, so you can't create images here for {time}.")
        return template.format(points=_shown(self.points), time=_hours(self.hours))


def given(before: float, weight: float, steps: Sequence[StrikeStep], *, now: int) -> StrikeGiven:
    """What a strike of this weight leads to for a member with `before` points."""
    after = before + weight
    lock_out = lock_out_ms(before, after, steps)
    if lock_out:
        return StrikeGiven(weight=weight, points=after, at=None, hours=lock_out // HOUR_MS, until=now + lock_out)
    following = next((step for step in steps if step.points > after + _SAME), None)
    return StrikeGiven(weight=weight, points=after, at=following.points if following else None, hours=following.hours if following else 0)


def _shown(value: float) -> str:
    return number(round(value, 2), decimals=2)


def _hours(hours: int) -> str:
    if hours % 24 or hours < 48:
        return ngettext("{count} hour", "{count} hours", hours).format(count=number(hours))
    return ngettext("{count} day", "{count} days", hours // 24).format(count=number(hours // 24))


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
