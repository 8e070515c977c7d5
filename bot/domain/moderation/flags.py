"""Flags of members: whose count, how much, and when there are enough."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from bot.domain.guild.fields import DAY_MS
from bot.domain.guild.sections import Flags

WEIGHT_MIN: Final = 0.1  # nobody's flags are worth nothing: they may be right next time
_TRUST: Final = 3  # upheld flags that everybody begins with, so that one failure does not silence anybody
_SAME: Final = 1e-9  # less is an accident of floating point


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One member's flag on one image, with what became of their earlier ones on this server."""

    user_id: int
    upheld: int = 0  # led to a decision against the image
    failed: int = 0  # led to Keep

    @property
    def weight(self) -> float:
        """From `WEIGHT_MIN` to 1: the share of their flags that were upheld, smoothed. 1 for a member with no failures."""
        return max(WEIGHT_MIN, (self.upheld + _TRUST) / (self.upheld + self.failed + _TRUST))


def total(flags: Iterable[Flag]) -> float:
    """The weight of all, each member counted once."""
    return sum({flag.user_id: flag.weight for flag in flags}.values())


def reached(flags: Iterable[Flag], rules: Flags) -> bool:
    """Whether they spoiler the image and open a case. Never while flags are off or locked; flags given meanwhile count afterwards."""
    return rules.on and not rules.locked and total(flags) + _SAME >= rules.quorum


def may_flag(rules: Flags, *, joined_at: int | None, role_ids: Collection[int], now: int) -> bool:
    """Whether a member's flag counts: a member for long enough, or with one of the roles. `joined_at` in Unix ms, `None` for guests."""
    if not rules.on:
        return False
    if not set(rules.role_ids).isdisjoint(role_ids):
        return True
    return joined_at is not None and now - joined_at >= rules.after_days * DAY_MS
