"""Transitions of what is known of an image API."""

from __future__ import annotations

from bot.domain.queueing.provider_state import ProviderState


def test_pauses_after_rate_limits_without_a_time_double_until_a_submission_is_taken() -> None:
    state, pauses_s = ProviderState(), list[float]()
    for _ in range(6):
        state = state.limited(0, shortest_s=5, longest_s=60)
        pauses_s.append(state.retry_not_before / 1000)
    assert (pauses_s, state.is_rate_limited) == ([5, 10, 20, 40, 60, 60], True)
    assert state.accepted().limited(100_000, shortest_s=5, longest_s=60).retry_not_before == 105_000


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    state = ProviderState().paused(9_000, is_rate_limit=False)
    assert state.paused(8_000, is_rate_limit=True) == state


def test_it_is_away_since_the_first_of_the_failures_in_a_row() -> None:
    state = ProviderState().failed(1, limit=3).answered()
    for now in (10, 20, 30, 40):
        state = state.failed(now, limit=3)
    assert (state.failures, state.away_since) == (4, 10)
    assert state.answered() == ProviderState()
