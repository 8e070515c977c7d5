"""The simulation of large installations agrees with what is known of queues, and with itself."""

from __future__ import annotations

import pytest

from benchmarks import demand, simulation, writer
from benchmarks.demand import Habits
from benchmarks.writer import TurnCost
from bot.store.engine.base import GROUP_MAX


@pytest.mark.parametrize("busy", [0.3, 0.7])
def test_writes_of_many_processes_wait_as_in_a_queue_with_one_server(busy: float) -> None:
    """Each comes to a process that has no other: M/D/1, by the formula of Pollaczek and Khinchine."""
    hold_s = 0.01
    waiting = writer.simulate(busy / hold_s, 10_000, TurnCost(fixed_s=hold_s, per_write_s=0.0), writes=100_000)
    assert waiting.mean_s == pytest.approx(hold_s + busy * hold_s / (2 * (1 - busy)), rel=0.05)
    assert waiting.busy == pytest.approx(busy, rel=0.05)
    assert waiting.group == pytest.approx(1, rel=0.05)


def test_one_process_commits_more_at_a_time_the_more_there_is() -> None:
    service = TurnCost(fixed_s=0.01, per_write_s=0.0001)
    few, many = (writer.simulate(per_s, 1, service) for per_s in (10, 0.9 * service.writes_per_s))
    assert few.group < 1.2
    assert many.group > GROUP_MAX / 2


def test_a_day_has_the_orders_that_were_asked_for_and_a_busiest_hour() -> None:
    habits = Habits()
    small, large = (demand.simulate(servers, habits) for servers in (100, 10_000))
    assert large.jobs == pytest.approx(10_000 * habits.jobs_per_server_day, rel=0.02)
    assert demand.simulate(100, habits) == small
    peaks = [day.peak_minute_per_s / (day.jobs / demand.DAY_S) for day in (small, large)]
    assert peaks[0] > peaks[1] > 1 + habits.evening / 2  # a few gatherings are most of what a small installation sees


def test_the_report_says_for_each_size_what_is_full_first() -> None:
    table = simulation.report(scales=(1_000, 5_000), habits=Habits(jobs_per_server_day=40))
    (full,) = (line for line in table.splitlines() if line.startswith("| full, or fullest"))
    assert full.count("the image API's rate") == 2
