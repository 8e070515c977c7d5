"""Flags: which count, their weight, and the quorum."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from bot.domain.guild.fields import DAY_MS
from bot.domain.guild.sections import Flags

WEIGHT_MIN: Final = 0.1  # never zero: the next flag may be right
_TRUST: Final = 3  # upheld flags that everybody starts with, so that one failed flag has little effect
_SAME: Final = 1e-9  # tolerance for floating-point errors


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One member's flag on one image, with the results of their earlier flags in this guild."""

    user_id: int
    upheld: int = 0  # earlier flags that led to a decision against the image
    failed: int = 0  # earlier flags that led to Keep

    @property
    def weight(self) -> float:
        """`WEIGHT_MIN` to 1: the smoothed share of upheld flags. 1 for a member without failed flags."""
        return max(WEIGHT_MIN, (self.upheld + _TRUST) / (self.upheld + self.failed + _TRUST))


def total(flags: Iterable[Flag]) -> float:
    """The sum of the weights, each member counted once."""
    return sum({flag.user_id: flag.weight for flag in flags}.values())


def quorum_reached(flags: Iterable[Flag], rules: Flags) -> bool:
    """Whether the flags spoiler the image and open a case. Never while flags are off or locked; they count afterwards."""
    return rules.on and not rules.locked and total(flags) + _SAME >= rules.quorum


def may_flag(rules: Flags, *, joined_at: int | None, role_ids: Collection[int], now: int) -> bool:
    """Whether a member's flag counts: after enough days as a member, or with one of the roles. `joined_at`: Unix ms; None for guests."""
    if not rules.on:
        return False
    if not set(rules.role_ids).isdisjoint(role_ids):
        return True
    return joined_at is not None and now - joined_at >= rules.after_days * DAY_MS
