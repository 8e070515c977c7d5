"""Fair scheduling: which waiting generations are sent next. Pure and deterministic.

The slow lane is for members without credit. Its images are sent only while no paid image can be, one per provider at a time, so a
paid image never waits for more than one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.job import Generation, Lane


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The state of the queue."""

    waiting: tuple[Generation, ...]  # paid ones before the slow lane, oldest first
    running_by_user: dict[int, int]
    running_by_guild: dict[int | None, int]
    running_by_provider: dict[str, int]
    past_use: Mapping[int, int] = field(default_factory=dict)  # images in the last 30 days, by member in the slow lane
    slow_turns: frozenset[str] = frozenset()  # providers to which a slow-lane image is about to be sent
    unchecked: tuple[str, ...] = ()  # jobs whose prompt must be checked now, oldest first; their generations are not in `waiting`


@dataclass(frozen=True, kw_only=True)
class Caps:
    """How many images may be made at the same time."""

    per_user: int
    per_guild: int
    total: int


def choose(queue: Queue, caps: Caps, provider_caps: Mapping[str, int]) -> list[Generation]:
    """The generations to send now: guilds with the fewest running first, then members with the fewest, then the oldest.

    `provider_caps`: images that each available provider may make at the same time; generations for other providers wait. In the slow
    lane, members with the fewest recent images come first.
    """
    selection = _Selection(queue, caps, provider_caps)
    for lane in Lane:  # the paid lane first
        left = [g for g in queue.waiting if g.lane is lane]
        while fit := [g for g in left if selection.has_room_for(g)]:
            best = min(fit, key=selection.rank)
            left.remove(best)
            selection.add(best)
    return selection.chosen


class _Selection:
    """The chosen generations, and how many are running with them."""

    def __init__(self, queue: Queue, caps: Caps, provider_caps: Mapping[str, int]) -> None:
        self.chosen: list[Generation] = []
        self._caps, self._provider_caps, self._past_use = caps, provider_caps, queue.past_use
        self._users, self._guilds = Counter(queue.running_by_user), Counter(queue.running_by_guild)
        self._providers = Counter(queue.running_by_provider)
        self._slow = set(queue.slow_turns)  # providers to which a slow-lane image is about to be sent

    def has_room_for(self, g: Generation) -> bool:
        return (
            self._users.total() < self._caps.total
            and self._users[g.user_id] < (self._caps.per_user if g.running_limit is None else g.running_limit)
            and self._providers[g.provider] < self._provider_caps.get(g.provider, 0)
            and (g.guild_id is None or self._guilds[g.guild_id] < self._caps.per_guild)
            and (g.lane is Lane.PAID or g.provider not in self._slow)
        )

    def rank(self, g: Generation) -> tuple[int, int, int, int, str, int]:
        """Sort key: the lowest is next. In direct messages, each member counts as a guild."""
        past = self._past_use.get(g.user_id, 0) + self._users[g.user_id] if g.lane is Lane.FREE else 0
        served = self._users[g.user_id] if g.guild_id is None else self._guilds[g.guild_id]
        return past, served, self._users[g.user_id], g.created_at, g.job_id, g.n

    def add(self, g: Generation) -> None:
        self.chosen.append(g)
        self._users[g.user_id] += 1
        self._guilds[g.guild_id] += 1
        self._providers[g.provider] += 1
        if g.lane is Lane.FREE:
            self._slow.add(g.provider)
