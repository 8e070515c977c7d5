"""One simulated day of orders in many servers: a daily curve, gatherings in which several members order, and heavy tails of both."""

from __future__ import annotations

import math
import random
from array import array
from dataclasses import dataclass

DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What members do. Nobody has measured these: they are assumptions, and the results are proportional to `jobs_per_server_day`."""

    jobs_per_server_day: float = 4.0  # a mean: most servers order nothing on most days
    evening: float = 0.6  # how much more than the mean is ordered at the best hour, and less at the worst
    gathering_tail: float = 1.5  # Pareto exponent: few gatherings have many members
    gathering_max: int = 300  # members
    session_tail: float = 1.8  # the same for the images that a member orders one after the other
    session_max: int = 200
    arrival_s: float = 120.0  # within which the members of a gathering begin, as a mean
    pause_s: float = 40.0  # between two orders of a member, as a mean


@dataclass(frozen=True, kw_only=True)
class OrdersOfDay:
    """What was ordered."""

    jobs: int
    peak_minute_per_s: float  # jobs a second, in the busiest minute
    peak_second: int  # jobs
    largest_gathering: int  # jobs


def simulate(servers: int, habits: Habits, *, seed: int = 1) -> OrdersOfDay:
    """A day of so many servers. Every gathering begins by the daily curve; what runs past midnight counts in its morning."""
    random_ = random.Random(f"{seed} {servers}")
    wanted = round(servers * habits.jobs_per_server_day)
    per_second = array("l", bytes(DAY_S * array("l").itemsize))
    jobs = largest = 0
    while jobs < wanted:
        ordered = _gathering(random_, habits, per_second)
        jobs, largest = jobs + ordered, max(largest, ordered)
    minutes = [sum(per_second[start : start + 60]) / 60 for start in range(0, DAY_S, 60)]
    return OrdersOfDay(jobs=jobs, peak_minute_per_s=max(minutes), peak_second=max(per_second), largest_gathering=largest)


def _gathering(random_: random.Random, habits: Habits, per_second: array[int]) -> int:
    begins, ordered = _moment(random_, habits.evening), 0
    for _ in range(_tailed(random_, habits.gathering_tail, habits.gathering_max)):
        at = begins + random_.expovariate(1 / habits.arrival_s)
        images = _tailed(random_, habits.session_tail, habits.session_max)
        for _ in range(images):
            per_second[int(at) % DAY_S] += 1
            at += random_.expovariate(1 / habits.pause_s)
        ordered += images
    return ordered


def _moment(random_: random.Random, evening: float) -> float:
    """A second of the day, by rejection from the curve 1 + evening * sin."""
    while True:
        at = random_.random() * DAY_S
        if random_.random() * (1 + evening) <= 1 + evening * math.sin(2 * math.pi * at / DAY_S):
            return at


def _tailed(random_: random.Random, exponent: float, most: int) -> int:
    return min(int(random_.paretovariate(exponent)), most)
