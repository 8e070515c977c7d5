"""The arithmetic of buckets, limits and months."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.money.quota import (
    DAY_MS,
    MICRO,
    Bucket,
    Limit,
    affordable_at,
    available_at,
    from_usd,
    full_at,
    in_usd,
    microcredits,
    month_of,
    next_month,
)
from bot.domain.money.quota import in_credits as written

amounts = st.integers(0, 1_000_000 * MICRO)
times = st.integers(0, 400 * DAY_MS)
buckets = st.builds(Bucket, size=amounts, refill_per_day=amounts)
TWENTY = Bucket(size=20 * MICRO, refill_per_day=20 * MICRO)


def test_half_a_day_adds_half_a_day_s_refill() -> None:
    assert available_at(TWENTY, available=0, held=0, as_of=0, now=DAY_MS // 2) == 10 * MICRO


def test_refill_stops_at_the_size() -> None:
    assert available_at(TWENTY, available=15 * MICRO, held=0, as_of=0, now=DAY_MS) == 20 * MICRO


def test_holds_count_towards_the_size() -> None:
    assert available_at(TWENTY, available=15 * MICRO, held=3 * MICRO, as_of=0, now=DAY_MS) == 17 * MICRO


def test_a_bucket_above_its_size_neither_gains_nor_loses() -> None:
    assert available_at(TWENTY, available=50 * MICRO, held=0, as_of=0, now=DAY_MS) == 50 * MICRO


@given(buckets, amounts, amounts, times, times)
def test_a_clock_that_goes_backwards_adds_nothing(bucket: Bucket, available: int, held: int, as_of: int, back: int) -> None:
    assert available_at(bucket, available=available, held=held, as_of=as_of, now=as_of - back) == available


@given(buckets, amounts, amounts, times, times)
def test_available_never_falls_and_never_exceeds_the_size(bucket: Bucket, available: int, held: int, as_of: int, now: int) -> None:
    then = available_at(bucket, available=available, held=held, as_of=as_of, now=now)
    assert available <= then <= max(available, bucket.size - held)


@given(buckets, amounts, amounts, st.lists(times, min_size=2, max_size=20).map(sorted))
def test_refilling_in_steps_loses_less_than_one_microcredit_per_step(bucket: Bucket, available: int, held: int, moments: list[int]) -> None:
    whole = available_at(bucket, available=available, held=held, as_of=moments[0], now=moments[-1])
    pieces = available
    for as_of, now in pairwise(moments):
        pieces = available_at(bucket, available=pieces, held=held, as_of=as_of, now=now)
    assert whole - (len(moments) - 1) <= pieces <= whole


@given(buckets, amounts, amounts, times, times)
def test_full_at_is_the_first_moment_when_it_is_full(bucket: Bucket, available: int, held: int, as_of: int, now: int) -> None:
    now = max(now, as_of)
    level = max(bucket.size - held, available)
    at = full_at(bucket, available=available, held=held, as_of=as_of, now=now)
    if at is None:
        assert bucket.refill_per_day == 0 < level - available
        return
    assert available_at(bucket, available=available, held=held, as_of=as_of, now=at) == level
    assert at == now or available_at(bucket, available=available, held=held, as_of=as_of, now=at - 1) < level


@given(buckets, amounts, times, times, amounts)
def test_affordable_at_is_the_first_moment_with_enough(bucket: Bucket, available: int, as_of: int, now: int, price: int) -> None:
    now = max(now, as_of)
    at = affordable_at(bucket, available=available, as_of=as_of, now=now, price=price)
    if at is None:
        assert price > bucket.size or bucket.refill_per_day == 0
        return
    assert available_at(bucket, available=available, held=0, as_of=as_of, now=at) >= price
    assert at == now or available_at(bucket, available=available, held=0, as_of=as_of, now=at - 1) < price


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (0, "0"), (20_000_000, "20"), (1_400_000, "1.4"), (50_000, "0.05"), (100_000_000, "100"), (1_999_999, "1.99"), (1, "0"),
        (-1_400_000, "-1.4"), (-1, "0"),
    ],
)  # fmt: skip
def test_balances_are_rounded_down(micro: int, text: str) -> None:
    assert written(micro) == text


@pytest.mark.parametrize(
    ("micro", "text"), [(0, "0"), (1, "0.01"), (1_400_000, "1.4"), (1_400_001, "1.41"), (1_999_999, "2"), (-1, "-0.01")]
)
def test_prices_are_rounded_up(micro: int, text: str) -> None:
    assert written(micro, up=True) == text


@pytest.mark.parametrize(("amount", "micro"), [(20, 20_000_000), (1.4, 1_400_000), (0.1, 100_000), (0.0000001, 1), (0, 0)])
def test_credits_become_whole_microcredits(amount: float, micro: int) -> None:
    assert microcredits(amount) == micro


@pytest.mark.parametrize(("held", "spent", "left"), [(0, 0, 10), (3, 4, 3), (5, 5, 0), (5, 9, 0)])
def test_a_limit_counts_what_is_held_and_spent(held: int, spent: int, left: int) -> None:
    assert Limit(size=10).left(held=held, spent=spent) == left


@pytest.mark.parametrize(("dollars", "credit_usd", "micro"), [(5, 0.01, 500 * MICRO), (0.1, 0.3, 333_333), (0, 0.01, 0)])
def test_a_budget_in_money_is_never_rounded_up(dollars: float, credit_usd: float, micro: int) -> None:
    assert from_usd(dollars, credit_usd) == micro
    assert in_usd(micro, credit_usd) <= Decimal(str(dollars))


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  hypothesis adds the zone
def test_a_month_ends_where_the_next_begins(moment: datetime) -> None:
    now = int(moment.timestamp()) * 1000
    after = next_month(now)
    assert now < after <= now + 31 * DAY_MS
    assert month_of(after - 1) == month_of(now) < month_of(after)


def test_december_is_followed_by_january() -> None:
    december = int(datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp()) * 1000
    assert (month_of(december), month_of(next_month(december))) == ("2026-12", "2027-01")
