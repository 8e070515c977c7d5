"""Flags: whose count, how much, and when there are enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.guild.fields import DAY_MS
from bot.domain.guild.sections import Flags
from bot.domain.moderation.flags import WEIGHT_MIN, Flag, may_flag, reached, total

COUNTS = st.integers(0, 1000)


def fresh(*users: int) -> list[Flag]:
    return [Flag(user_id=user) for user in users]


def test_so_many_members_without_a_failure_are_a_quorum() -> None:
    rules = Flags(quorum=3)
    assert [reached(fresh(*range(number)), rules) for number in (2, 3, 4)] == [False, True, True]


def test_one_member_is_one_member() -> None:
    assert total(fresh(1, 1, 1)) == 1


def test_a_lock_freezes_and_does_not_forget() -> None:
    flags = fresh(1, 2, 3)
    assert not reached(flags, Flags(locked=True))
    assert not reached(flags, Flags(on=False))
    assert reached(flags, Flags())


def test_those_whose_flags_fail_need_more_company() -> None:
    brigade = [Flag(user_id=user, failed=9) for user in range(3)]
    assert not reached(brigade, Flags(quorum=3))
    assert reached([*brigade, *fresh(10, 11, 12)], Flags(quorum=3))


@given(COUNTS, COUNTS)
def test_a_weight_is_bounded_and_follows_the_record(upheld: int, failed: int) -> None:
    weight = Flag(user_id=1, upheld=upheld, failed=failed).weight
    assert WEIGHT_MIN <= weight <= 1
    assert Flag(user_id=1, upheld=upheld, failed=failed + 1).weight <= weight <= Flag(user_id=1, upheld=upheld + 1, failed=failed).weight


@pytest.mark.parametrize(
    ("joined_at", "role_ids", "counts"),
    [(0, (), True), (1, (), False), (None, (), False), (1, (5,), True), (None, (5,), True)],
)
def test_who_joined_long_enough_ago_or_has_a_role_may_flag(joined_at: int | None, role_ids: tuple[int, ...], counts: bool) -> None:
    rules = Flags(after_days=7, role_ids=(5,))
    assert may_flag(rules, joined_at=joined_at, role_ids=role_ids, now=7 * DAY_MS) is counts


def test_nobody_may_flag_where_flags_are_off() -> None:
    assert not may_flag(Flags(on=False, role_ids=(5,)), joined_at=0, role_ids=(5,), now=10**13)
