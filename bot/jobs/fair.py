"""Who is served next: a pure choice from the queue, the same for every restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bot.jobs.job import Generation
from bot.store.jobs import Queue


@dataclass(frozen=True, kw_only=True)
class Caps:
    """How many pictures may be in the making at the same time."""

    per_user: int
    per_server: int
    total: int


def choose(queue: Queue, caps: Caps, places: Mapping[str, int]) -> list[Generation]:
    """The generations to send now: fewest running of their server first, then of their member, then the oldest.

    `places` are those of each provider that can be asked now; what belongs to any other waits.
    """
    users, servers, providers = Counter(queue.running_by_user), Counter(queue.running_by_server), Counter(queue.running_by_provider)
    free = caps.total - users.total()
    left = list(queue.waiting)
    chosen: list[Generation] = []
    while free > len(chosen):
        fit = [
            g
            for g in left
            if users[g.user_id] < caps.per_user
            and providers[g.provider] < places.get(g.provider, 0)
            and (g.guild_id is None or servers[g.guild_id] < caps.per_server)
        ]
        if not fit:
            break
        best = min(fit, key=lambda g: (_served(g, users, servers), users[g.user_id], g.created_at, g.job_id, g.n))
        left.remove(best)
        chosen.append(best)
        users[best.user_id] += 1
        servers[best.guild_id] += 1
        providers[best.provider] += 1
    return chosen


def _served(generation: Generation, users: Counter[int], servers: Counter[int | None]) -> int:
    """How many are running in its server; a member's direct messages are a server of one."""
    return users[generation.user_id] if generation.guild_id is None else servers[generation.guild_id]
