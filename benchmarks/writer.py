"""A simulation of the one writer at a time: processes that queue writes, and commit what is queued as a group when it is their turn."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

from benchmarks.measure import percentile
from bot.store.engine.base import GROUP_MAX


@dataclass(frozen=True, kw_only=True)
class TurnCost:
    """How long the writer's lock is held: measured."""

    fixed_s: float  # begin, commit and the disk
    per_write_s: float

    @property
    def writes_per_s(self) -> float:
        """With full groups: no more is possible."""
        return GROUP_MAX / (self.fixed_s + GROUP_MAX * self.per_write_s)

    def hold_s(self, group: int) -> float:
        return self.fixed_s + group * self.per_write_s


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How it went."""

    mean_s: float  # from the write to its commit
    p99_s: float
    busy: float  # share of the time in which the lock is held
    group: float  # writes in a commit, as a mean


def simulate(writes_per_s: float, processes: int, service: TurnCost, *, writes: int = 50_000, seed: int = 1) -> Waiting:
    """Writes that come independently of each other, in all processes alike. The lock is given in the order in which it was asked for."""
    arrivals = _Arrivals(writes_per_s, processes, writes, random.Random(seed))
    waits: list[float] = []
    free_at = held_s = 0.0
    commits = 0
    while (asking := arrivals.next_asking()) is not None:
        process, since = asking
        start = max(free_at, since)
        arrivals.until(start)
        group = arrivals.group_of(process)
        hold_s = service.hold_s(len(group))
        free_at = start + hold_s
        waits.extend(free_at - at for at in group)
        held_s, commits = held_s + hold_s, commits + 1
        arrivals.until(free_at)
        arrivals.end_turn(process, free_at)
    return Waiting(mean_s=sum(waits) / len(waits), p99_s=percentile(waits, 99), busy=held_s / free_at, group=len(waits) / commits)


class _Arrivals:
    """Writes by their time: a process asks for its turn with the first, and queues what comes until then and within it."""

    def __init__(self, per_s: float, processes: int, writes: int, random_: random.Random) -> None:
        self._per_s, self._left, self._random = per_s, writes, random_
        self._next = random_.expovariate(per_s)
        self._queued = [deque[float]() for _ in range(processes)]
        self._has_asked = [False] * processes
        self._asking = deque[tuple[int, float]]()

    def next_asking(self) -> tuple[int, float] | None:
        """The process whose turn it is, and since when it asks; None if all writes are committed."""
        if not self._asking and self._left:
            self._arrive()
        return self._asking.popleft() if self._asking else None

    def until(self, time: float) -> None:
        while self._left and self._next <= time:
            self._arrive()

    def group_of(self, process: int) -> list[float]:
        """Take what it commits at once."""
        queued = self._queued[process]
        return [queued.popleft() for _ in range(min(len(queued), GROUP_MAX))]

    def end_turn(self, process: int, now: float) -> None:
        self._has_asked[process] = bool(self._queued[process])
        if self._has_asked[process]:
            self._asking.append((process, now))

    def _arrive(self) -> None:
        process = self._random.randrange(len(self._queued))
        self._queued[process].append(self._next)
        if not self._has_asked[process]:
            self._has_asked[process] = True
            self._asking.append((process, self._next))
        self._next += self._random.expovariate(self._per_s)
        self._left -= 1
