"""A limited rate allows a burst, then one turn in every interval, and none is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.queueing.rate import Rate

RATES = st.builds(Rate, interval_us=st.integers(1, 10**9), burst=st.integers(1, 100))
BEGAN = 1_790_000_000_000_000


@given(rate=RATES, asks=st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 200)), max_size=30))
def test_no_time_holds_more_turns_than_its_share(rate: Rate, asks: list[tuple[int, int]]) -> None:
    full_at, now, taken = 0, BEGAN, list[tuple[int, int]]()
    for passed, wanted in asks:
        now += passed
        turns = min(wanted, rate.turns(full_at, now))
        if turns:
            taken.append((now, turns))
            full_at = rate.after(full_at, now, turns=turns)
    for n, (since, _) in enumerate(taken):
        for end, (until, _) in enumerate(taken[n:], n):
            assert sum(turns for _, turns in taken[n : end + 1]) <= rate.burst + (until - since) // rate.interval_us


@given(rate=RATES, full_at=st.integers(0, 2 * BEGAN))
def test_after_the_wait_there_is_one_turn_and_not_before(rate: Rate, full_at: int) -> None:
    full_at = rate.bounded(full_at, BEGAN)
    wait_us = rate.wait_us(full_at, BEGAN)
    assert (rate.turns(full_at, BEGAN + wait_us) >= 1, wait_us <= rate.interval_us) == (True, True)
    assert wait_us == 0 or rate.turns(full_at, BEGAN + wait_us - 1) == 0


@given(rate=RATES, turns=st.integers(1, 100))
def test_a_pause_frees_all_turns_and_no_more(rate: Rate, turns: int) -> None:
    full_at = rate.after(0, BEGAN, turns=min(turns, rate.burst))
    assert rate.turns(full_at, full_at) == rate.turns(full_at, full_at + 10 * rate.interval_us) == rate.burst


def test_a_minute_s_turns_are_the_burst_and_at_least_one() -> None:
    assert [Rate.per_minute(turns) for turns in (60, 90.5, 0.5)] == [
        Rate(interval_us=1_000_000, burst=60),
        Rate(interval_us=662_983, burst=90),
        Rate(interval_us=120_000_000, burst=1),
    ]
