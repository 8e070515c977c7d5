"""The bot's clock: what really passes, whatever the system's clock is set to."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import structlog

from bot.core.clock import SteadyClock

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass(kw_only=True)
class Times:
    """The system's clock, and the time since the machine was started."""

    wall: int = 1_700_000_000_000
    elapsed: float = 5_000_000.0

    def pass_by(self, ms: int) -> None:
        self.wall += ms
        self.elapsed += ms


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def clock(times: Times) -> SteadyClock:
    return SteadyClock(wall=lambda: times.wall, elapsed=lambda: times.elapsed)


def test_it_tells_the_systems_time(times: Times, clock: SteadyClock) -> None:
    times.pass_by(HOUR)  # also one in which the machine was suspended
    assert clock() == times.wall


@pytest.mark.parametrize("jump", [DAY, -DAY, HOUR, -HOUR, 3000, -3000])
def test_it_never_jumps_and_runs_at_nearly_the_real_pace(times: Times, clock: SteadyClock, jump: int) -> None:
    before = clock()
    times.wall += jump
    assert clock() == before
    for minutes in range(1, 61):
        times.pass_by(MINUTE)
        assert 0.95 * MINUTE * minutes <= clock() - before <= 1.05 * MINUTE * minutes


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 3000, -3000])
def test_it_follows_a_difference_slowly(times: Times, clock: SteadyClock, jump: int) -> None:
    times.wall += jump
    for _ in range(21):
        times.pass_by(HOUR)
        clock()
    assert clock() == times.wall


def test_a_jump_is_told_once_and_so_is_its_end(times: Times, clock: SteadyClock) -> None:
    with structlog.testing.capture_logs() as logs:
        times.wall += DAY
        clock(), clock()
        times.wall -= DAY
        clock(), clock()
    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("critical", "system clock jumped"),
        ("warning", "system clock jumped is over"),
    ]
    assert logs[0]["by_s"] == 86_400
