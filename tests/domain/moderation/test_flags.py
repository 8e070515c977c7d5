"""Flags: which count, their weight, and the quorum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.guild.fields import DAY_MS
from bot.domain.guild.sections import Flags
from bot.domain.moderation.flags import WEIGHT_MIN, Flag, may_flag, quorum_reached, total

COUNTS = st.integers(0, 1000)


def fresh(*users: int) -> list[Flag]:
    return [Flag(user_id=user) for user in users]


def test_members_without_failed_flags_count_fully() -> None:
    rules = Flags(quorum=3)
    assert [quorum_reached(fresh(*range(number)), rules) for number in (2, 3, 4)] == [False, True, True]


def test_a_member_counts_once() -> None:
    assert total(fresh(1, 1, 1)) == 1


def test_locked_flags_have_no_effect_and_are_kept() -> None:
    flags = fresh(1, 2, 3)
    assert not quorum_reached(flags, Flags(locked=True))
    assert not quorum_reached(flags, Flags(on=False))
    assert quorum_reached(flags, Flags())


def test_members_with_failed_flags_count_less() -> None:
    brigade = [Flag(user_id=user, failed=9) for user in range(3)]
    assert not quorum_reached(brigade, Flags(quorum=3))
    assert quorum_reached([*brigade, *fresh(10, 11, 12)], Flags(quorum=3))


@given(COUNTS, COUNTS)
def test_a_weight_is_bounded_and_rises_with_upheld_flags(upheld: int, failed: int) -> None:
    weight = Flag(user_id=1, upheld=upheld, failed=failed).weight
    assert WEIGHT_MIN <= weight <= 1
    assert Flag(user_id=1, upheld=upheld, failed=failed + 1).weight <= weight <= Flag(user_id=1, upheld=upheld + 1, failed=failed).weight


@pytest.mark.parametrize(
    ("joined_at", "role_ids", "counts"),
    [(0, (), True), (1, (), False), (None, (), False), (1, (5,), True), (None, (5,), True)],
)
def test_long_standing_members_and_members_with_a_role_may_flag(joined_at: int | None, role_ids: tuple[int, ...], counts: bool) -> None:
    rules = Flags(after_days=7, role_ids=(5,))
    assert may_flag(rules, joined_at=joined_at, role_ids=role_ids, now=7 * DAY_MS) is counts


def test_nobody_may_flag_if_flags_are_off() -> None:
    assert not may_flag(Flags(on=False, role_ids=(5,)), joined_at=0, role_ids=(5,), now=10**13)
