"""Faults that fire in a share of the cases."""

from __future__ import annotations

from sandbox.faults import Switchboard


def fired(*, chance: float, seed: int) -> list[bool]:
    switchboard = Switchboard()
    switchboard.turn_on("events-lost", chance=chance, seed=seed)
    return [switchboard.fires("events-lost") for _ in range(1000)]


def test_a_chance_is_met_in_the_same_cases_for_the_same_seed() -> None:
    assert fired(chance=0.3, seed=1) == fired(chance=0.3, seed=1) != fired(chance=0.3, seed=2)
    assert 250 < sum(fired(chance=0.3, seed=1)) < 350


def test_only_the_cases_that_fire_count_down_the_times() -> None:
    switchboard = Switchboard()
    switchboard.turn_on("events-lost", times=2, chance=0.1)
    assert sum(switchboard.fires("events-lost") for _ in range(1000)) == 2
