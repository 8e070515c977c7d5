"""Who is served next: a pure choice from the queue, the same for every restart.

The slow lane is for members who are out of credit. It moves only while no paying image could be sent, one image for each provider
at a time: whoever pays waits behind one of these at the most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.job import Generation, Lane


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What dispatch needs to choose fairly."""

    waiting: tuple[Generation, ...]  # oldest first, what is paid before the slow lane
    running_by_user: dict[int, int]
    running_by_server: dict[int | None, int]
    running_by_provider: dict[str, int]
    past_use: Mapping[int, int] = field(default_factory=dict)  # images of the last 30 days, of members who wait in the slow lane
    slow_turns: frozenset[str] = frozenset()  # providers where one of the slow lane has been chosen and is about to be sent
    unchecked: tuple[str, ...] = ()  # jobs whose prompt is to be looked at now, oldest first; nothing of theirs is among the waiting


@dataclass(frozen=True, kw_only=True)
class Caps:
    """How many images may be in the making at the same time."""

    per_user: int
    per_server: int
    total: int


def choose(queue: Queue, caps: Caps, places: Mapping[str, int]) -> list[Generation]:
    """The generations to send now: fewest running of their server first, then of their member, then the oldest.

    `places` are those of each provider that can be asked now; what belongs to any other waits. In the slow lane the member with the
    fewest images of late comes first.
    """
    taken = _Taken(queue, caps, places)
    for lane in Lane:  # the paid one first, to its end
        left = [g for g in queue.waiting if g.lane is lane]
        while fit := [g for g in left if taken.has_room_for(g)]:
            best = min(fit, key=taken.rank)
            left.remove(best)
            taken.add(best)
    return taken.chosen


class _Taken:
    """Who has how many under way, while the choice goes on."""

    def __init__(self, queue: Queue, caps: Caps, places: Mapping[str, int]) -> None:
        self.chosen: list[Generation] = []
        self._caps, self._places, self._past_use = caps, places, queue.past_use
        self._users, self._servers = Counter(queue.running_by_user), Counter(queue.running_by_server)
        self._providers = Counter(queue.running_by_provider)
        self._slow = set(queue.slow_turns)  # providers where one of the slow lane is about to be sent

    def has_room_for(self, g: Generation) -> bool:
        return (
            self._users.total() < self._caps.total
            and self._users[g.user_id] < (self._caps.per_user if g.running_limit is None else g.running_limit)
            and self._providers[g.provider] < self._places.get(g.provider, 0)
            and (g.guild_id is None or self._servers[g.guild_id] < self._caps.per_server)
            and (g.lane is Lane.PAID or g.provider not in self._slow)
        )

    def rank(self, g: Generation) -> tuple[int, int, int, int, str, int]:
        """The lowest is next. A member's direct messages are a server of one."""
        past = self._past_use.get(g.user_id, 0) + self._users[g.user_id] if g.lane is Lane.FREE else 0
        served = self._users[g.user_id] if g.guild_id is None else self._servers[g.guild_id]
        return past, served, self._users[g.user_id], g.created_at, g.job_id, g.n

    def add(self, g: Generation) -> None:
        self.chosen.append(g)
        self._users[g.user_id] += 1
        self._servers[g.guild_id] += 1
        self._providers[g.provider] += 1
        if g.lane is Lane.FREE:
            self._slow.add(g.provider)
