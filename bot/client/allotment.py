"""Which shards this process has: it takes its share of them by locks, also those of dead processes, and gives surplus ones back.

A process below its share says that it lacks some, and takes what is free. Then another one gives one back if it has more than its share.
While nobody lacks any, what is free for two turns is taken beyond the share too: it was a process's that is gone and still counted.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from bot.client.sharing import Sharing

log = structlog.get_logger(__name__)

TURN_S: Final = 1.0  # between two turns
_KEPT_S: Final = 30.0  # longer than a database takes to restart: opening every shard again takes longer, and Discord counts it
_OFFERED_S: Final = 3.0  # how long a shard that was given back is left to others
_BACK_S: Final = 5.0  # after a session was lost: all may have lost theirs, and each takes again what it had before others take it
_TRIED_MAX: Final = 32  # in a turn


class Allotment:
    """The shards of this process, for one number of shards."""

    def __init__(
        self,
        sharing: Sharing,
        *,
        count: int,
        close: Callable[[int], Awaitable[None]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`close` closes a shard, which is not this process's any more."""
        self.held: set[int] = set()
        self.is_known = False  # whether the locks could be asked for in the last turn: then every other shard is another process's
        self._sharing = sharing
        self._locks = sharing.coordination
        self._count = count
        self._close = close
        self._monotonic = monotonic
        self._own = f"shards of {secrets.token_hex(8)}"  # nobody else asks for it, so it is granted as long as anybody can be asked
        self._lacking = f"shards lacking:{count}"  # held by a process that has less than its share
        self._lost_since: float | None = None
        self._seen_free: set[int] = set()
        self._was_known = False
        self._takes_from = 0.0
        self._offered: dict[int, float] = {}  # until when

    async def turn(self) -> None:
        """Keep, take and give back."""
        now = self._monotonic()
        was_held, self.is_known = self._locks.is_held(self._own), await self._locks.try_lock(self._own)
        if self._was_known and not was_held:
            self._takes_from = now + _BACK_S
        self._was_known = self._was_known or self.is_known
        await self._keep(now)
        if not self.is_known or now < self._takes_from:
            return
        self._offered = {each: until for each, until in self._offered.items() if until > now}
        share = -(-self._count // max(1, await self._sharing.living()))
        if len(self.held) < share or not await self._do_others_lack():
            await self._take(share)
        elif len(self.held) > share and not self._offered:
            await self._give(max(self.held), now)

    async def release(self) -> None:
        """Let others take everything. The shards are closed already."""
        for name in (*map(self._name, self.held), self._lacking, self._own):
            await self._locks.unlock(name)
        self.held.clear()

    async def _keep(self, now: float) -> None:
        """Take again what was lost with its session; close what another process has, and after a while what nobody can be asked about."""
        lost = [each for each in sorted(self.held) if not await self._locks.try_lock(self._name(each))]
        if not lost:
            self._lost_since = None
            return
        self._lost_since = now if self._lost_since is None else self._lost_since
        if not self.is_known and now - self._lost_since <= _KEPT_S:
            return
        for each in lost:
            log.warning("shard lost", shard=each, of=self._count, another_has_it=self.is_known)
            self.held.discard(each)
            await self._close(each)

    async def _take(self, share: int) -> None:
        free = set[int]()
        for each in self._tried():
            if not await self._locks.try_lock(self._name(each)):
                continue
            if len(self.held) < share or each in self._seen_free:
                self.held.add(each)
            else:
                free.add(each)
                await self._locks.unlock(self._name(each))
        self._seen_free = free
        if len(self.held) < share:
            await self._locks.try_lock(self._lacking)
        else:
            await self._locks.unlock(self._lacking)

    def _tried(self) -> Iterable[int]:
        """Some of the shards that may be free, those first that were a turn ago."""
        not_tried = self.held | self._offered.keys() | self._seen_free
        others = [each for each in range(self._count) if each not in not_tried]
        return [*self._seen_free, *random.sample(others, min(len(others), _TRIED_MAX))]

    async def _do_others_lack(self) -> bool:
        if not await self._locks.try_lock(self._lacking):
            return True
        await self._locks.unlock(self._lacking)
        return False

    async def _give(self, shard_id: int, now: float) -> None:
        log.info("shard given back", shard=shard_id, of=self._count)
        self.held.discard(shard_id)
        self._offered[shard_id] = now + _OFFERED_S
        await self._close(shard_id)
        await self._locks.unlock(self._name(shard_id))

    def _name(self, shard_id: int) -> str:
        return f"shard:{self._count}:{shard_id}"
