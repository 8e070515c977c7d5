"""Whether the bot can do its work: connected to Discord, a database that answers, and every background loop at work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.core.clock import Clock
from bot.core.running.supervision import Supervisor, Trouble, reason_of
from bot.store import kv
from bot.store.engine.base import Store

WITHIN_S: Final = 2.0  # for the database's answer


class DatabaseCheck:
    """Reads something small. At most one read is under way, however often somebody asks."""

    def __init__(self, *, store: Store, clock: Clock, within_s: float = WITHIN_S) -> None:
        self._store = store
        self._clock = clock
        self._within_s = within_s
        self._reading: asyncio.Task[object] | None = None
        self._since: int | None = None  # Unix ms

    async def trouble(self) -> Trouble | None:
        """None if the database answers in time."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._store.read(kv.get, "readiness"), name="readiness")
        await asyncio.wait({self._reading}, timeout=self._within_s)
        error = self._reading.exception() if self._reading.done() else None
        away_since = self._store.away_since
        if self._reading.done() and error is None and away_since is None:
            self._since = None
            return None
        self._since = away_since or self._since or self._clock()
        return Trouble(since=self._since, reason=reason_of(error) if error else "it doesn't answer")


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What /readyz says."""

    database: DatabaseCheck
    gateway: Callable[[], Trouble | None]  # of the connection to Discord
    supervisor: Supervisor

    async def parts(self) -> Mapping[str, Trouble | None]:
        """Each part by its name: None if it works."""
        if self.supervisor.stopping_since is not None:
            return {"bot": Trouble(since=self.supervisor.stopping_since, reason="it is being stopped")}
        troubles = self.supervisor.troubles
        loops = {f"loop {name}": troubles.get(name) for name in sorted(self.supervisor.states)}
        return {"discord": self.gateway(), "database": await self.database.trouble(), **loops}


def lasting_trouble(store: Store, supervisor: Supervisor) -> str | None:
    """A sentence about loops that have not worked for minutes, which a restart may mend; None if all work.

    While the database is away, what waits for it works: a restart would not help.
    """
    names = sorted(supervisor.lasting_troubles) if store.away_since is None else ()
    return f"Background loops have not worked for minutes: {', '.join(names)}." if names else None
