"""How many shards Discord asks for, and how fast their sessions may be started.

Source: https://discord.com/developers/docs/events/gateway#sharding and #session-start-limit-object
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.discord.wire import JSON
from sandbox.faults import Switchboard

_WANTED: Final = 2  # by the fault shards-wanted
_STARTS_A_DAY: Final = 1000


@dataclass(frozen=True, kw_only=True)
class SessionStart:
    """An IDENTIFY, and whether it started a session."""

    shard_id: int
    shard_count: int
    at_s: float  # monotonic
    is_taken: bool


@dataclass(kw_only=True)
class Sharding:
    """The limits of sessions, and the sessions that were asked for."""

    switchboard: Switchboard
    shards: int
    max_concurrency: int
    identify_s: float  # in which `max_concurrency` sessions may be started, under the fault identify-limited
    starts: list[SessionStart] = field(default_factory=list)

    @property
    def wanted(self) -> int:
        return max(self.shards, _WANTED) if self.switchboard.is_on("shards-wanted") else self.shards

    def limits(self) -> JSON:
        """What `GET /gateway/bot` says beside the address."""
        remaining = max(0, _STARTS_A_DAY - sum(start.is_taken for start in self.starts))
        concurrency = max(self.max_concurrency, self.wanted) if self.switchboard.is_on("shards-wanted") else self.max_concurrency
        limit = {"total": _STARTS_A_DAY, "remaining": remaining, "reset_after": 86_400_000, "max_concurrency": concurrency}
        return {"shards": self.wanted, "session_start_limit": limit}

    def start(self, shard_id: int, shard_count: int) -> bool:
        """Whether a session may be started now. Notes that it was asked for."""
        now, key = time.monotonic(), shard_id % self.max_concurrency
        taken = (start for start in reversed(self.starts) if start.is_taken and start.shard_id % self.max_concurrency == key)
        last = next(taken, None)
        is_early = last is not None and now - last.at_s < self.identify_s
        is_taken = not (is_early and self.switchboard.is_on("identify-limited"))
        self.starts.append(SessionStart(shard_id=shard_id, shard_count=shard_count, at_s=now, is_taken=is_taken))
        return is_taken


def shard_of(data: Any) -> tuple[int, int] | None:
    """The shard that an IDENTIFY names, (0, 1) without one; None if there is no such shard."""
    shard_id, shard_count = data.get("shard") or (0, 1)
    is_valid = type(shard_id) is int and type(shard_count) is int and 0 <= shard_id < shard_count
    return (shard_id, shard_count) if is_valid else None


def is_of_shard(shard: tuple[int, int], guild_id: str | None) -> bool:
    """Whether a shard tells of a server; of everything else the first one does."""
    shard_id, shard_count = shard
    return (int(guild_id) >> 22) % shard_count == shard_id if guild_id else shard_id == 0
