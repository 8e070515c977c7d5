"""Fair scheduling: which waiting generations are sent next. Pure and deterministic.

The slow lane is for members without credit. Its images are sent only while no paid image can be, one per provider at a time, so a
paid image never waits for more than one of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bot.domain.job import Lane


class Candidate(NamedTuple):
    """A waiting generation, as far as its turn depends on it."""

    job_id: str
    n: int
    user_id: int
    guild_id: int | None
    provider: str
    lane: Lane
    created_at: int  # Unix ms
    running_limit: int | None  # images of this member made at a time; None: the operator's limit


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The state of the queue."""

    waiting: tuple[Candidate, ...]  # paid ones before the slow lane, oldest first
    running_by_user: Mapping[int, int]
    running_by_guild: Mapping[int | None, int]
    running_by_provider: Mapping[str, int]
    past_use: Mapping[int, int] = field(default_factory=dict)  # images in the last 30 days, by member in the slow lane
    slow_turns: frozenset[str] = frozenset()  # providers to which a slow-lane image is being sent


@dataclass(frozen=True, kw_only=True)
class Caps:
    """How many images may be made at the same time."""

    per_user: int
    per_guild: int
    total: int


def choose(queue: Queue, caps: Caps, provider_caps: Mapping[str, int], *, most: int | None = None) -> list[Candidate]:
    """The generations to send now: guilds with the fewest running first, then members with the fewest, then the oldest.

    `provider_caps`: images that each available provider may make at the same time; generations for other providers wait. In the slow
    lane, members with the fewest recent images come first. `most`: how many to choose at most.
    """
    selection = _Selection(queue, caps, provider_caps)
    for lane in Lane:  # the paid lane first
        lines = _lines(candidate for candidate in queue.waiting if candidate.lane == lane)
        while lines and (most is None or len(selection.chosen) < most):
            # Counts only grow, so a line whose first one does not fit now has no turn any more.
            lines = [line for line in lines if selection.has_capacity_for(line[0])]
            if lines:
                best = min(lines, key=lambda line: selection.rank(line[0]))
                selection.add(best.popleft())
                lines = [line for line in lines if line]
    return selection.chosen


def _lines(candidates: Iterable[Candidate]) -> list[deque[Candidate]]:
    """Candidates of one member that differ only in their age, oldest first: only the first of each line can be next."""
    lines: defaultdict[tuple[object, ...], deque[Candidate]] = defaultdict(deque)
    for each in candidates:
        lines[each.user_id, each.guild_id, each.provider, each.running_limit].append(each)
    return list(lines.values())


class _Selection:
    """The chosen generations, and how many are running with them."""

    def __init__(self, queue: Queue, caps: Caps, provider_caps: Mapping[str, int]) -> None:
        self.chosen: list[Candidate] = []
        self._caps, self._provider_caps, self._past_use = caps, provider_caps, queue.past_use
        self._users, self._guilds = Counter(queue.running_by_user), Counter(queue.running_by_guild)
        self._providers = Counter(queue.running_by_provider)
        self._running = self._users.total()
        self._slow = set(queue.slow_turns)

    def has_capacity_for(self, each: Candidate) -> bool:
        return (
            self._running < self._caps.total
            and self._users[each.user_id] < (self._caps.per_user if each.running_limit is None else each.running_limit)
            and self._providers[each.provider] < self._provider_caps.get(each.provider, 0)
            and (each.guild_id is None or self._guilds[each.guild_id] < self._caps.per_guild)
            and (each.lane is Lane.PAID or each.provider not in self._slow)
        )

    def rank(self, each: Candidate) -> tuple[int, int, int, int, str, int]:
        """Sort key: the lowest is next. In direct messages, each member counts as a guild."""
        past = self._past_use.get(each.user_id, 0) + self._users[each.user_id] if each.lane is Lane.FREE else 0
        served = self._users[each.user_id] if each.guild_id is None else self._guilds[each.guild_id]
        return past, served, self._users[each.user_id], each.created_at, each.job_id, each.n

    def add(self, each: Candidate) -> None:
        self.chosen.append(each)
        self._running += 1
        self._users[each.user_id] += 1
        self._guilds[each.guild_id] += 1
        self._providers[each.provider] += 1
        if each.lane is Lane.FREE:
            self._slow.add(each.provider)
