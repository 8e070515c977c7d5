"""Strikes decay, and reaching a step locks a member out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.guild.fields import DAY_MS, HOUR_MS
from bot.domain.guild.sections import StrikeStep
from bot.domain.moderation import strikes as rules
from bot.domain.moderation.strikes import Strike, lock_out_ms, points

STEPS = (StrikeStep(points=3, hours=1), StrikeStep(points=6, hours=24))
HALF_LIFE = 30 * DAY_MS
STRIKES = st.lists(st.builds(Strike, at=st.integers(0, 10**12), weight=st.floats(0, 10)))


def test_a_strike_counts_half_after_its_half_life() -> None:
    strikes = [Strike(at=0, weight=2.0), Strike(at=HALF_LIFE, weight=1.0)]
    assert points(strikes, HALF_LIFE, half_life_ms=HALF_LIFE) == 2.0
    assert points(strikes, 3 * HALF_LIFE, half_life_ms=HALF_LIFE) == 0.5


def test_a_strike_from_the_future_counts_as_new() -> None:
    assert points([Strike(at=1000, weight=1.0)], 0, half_life_ms=HALF_LIFE) == 1.0


@given(STRIKES, st.integers(0, 10**12), st.integers(0, 10**12))
def test_points_never_rise_by_themselves(strikes: list[Strike], one: int, other: int) -> None:
    sooner, later = (points(strikes, now, half_life_ms=HALF_LIFE) for now in sorted((one, other)))
    assert 0 <= later <= sooner


@pytest.mark.parametrize(
    ("before", "after", "hours"),
    [
        (0, 2, 0),  # below the first step
        (2, 3, 1),  # a step is reached
        (3, 4, 0),  # between two steps
        (0, 7, 24),  # two at once: the higher
        (5, 6, 24),
        (7, 8, 24),  # at or above the last step every strike counts
        (8, 7, 0),  # decaying points are not an offence
        (2.9, 2.9999999999, 1),  # three strikes are three
    ],
)
def test_a_newly_reached_step_locks_out(before: float, after: float, hours: int) -> None:
    assert lock_out_ms(before, after, STEPS) == hours * HOUR_MS


def test_without_steps_nobody_is_locked_out() -> None:
    assert lock_out_ms(0, 1000, ()) == 0


@given(st.floats(0, 20), st.floats(0, 20), st.floats(0, 20))
def test_more_points_never_mean_a_shorter_lock_out(before: float, one: float, more: float) -> None:
    assert lock_out_ms(before, before + one, STEPS) <= lock_out_ms(before, before + one + more, STEPS)


@pytest.mark.parametrize(
    ("before", "weight", "sentence"),
    [
        (1, 1, "This is strike 2 of 3; at 3 you can't create images here for 1 hour."),
        (0.9, 1, "You now have 1.9 strike points; at 3 you can't create images here for 1 hour."),
        (2, 2, "You now have 4 strike points, so you can't create images here for 1 hour."),
        (3, 0.5, "You now have 3.5 strike points; at 6 you can't create images here for 24 hours."),
    ],
)
def test_what_a_strike_led_to_is_said_truly(before: float, weight: float, sentence: str) -> None:
    assert rules.given(before, weight, STEPS, now=0).sentence == sentence


def test_without_lock_outs_a_strike_is_said_alone() -> None:
    assert rules.given(0, 1, (), now=0).sentence == "You got a strike for it. Strikes fade over time."
