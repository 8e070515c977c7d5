"""Each image API's last failed call, kept for the doctor: without what was the request's own fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import ProviderAccount, ProviderError, ProviderRefused
from bot.store import kv
from bot.store.engine.base import Store

_PREFIX = "failure:"  # with the image API's name


@dataclass(frozen=True, kw_only=True)
class LastFailure:
    at: int  # Unix ms
    reason: str  # redacted
    needs_operator: bool  # its key, account or address was the reason, and it has not worked since


class LastFailures:
    """Writes them. Its state may be lost at a restart."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._fine: set[str] = set()  # image APIs of which nothing says that they need the operator

    async def keep(self, provider: str, error: ProviderError) -> None:
        """A call failed."""
        if not isinstance(error, ProviderRefused):
            needs_operator = isinstance(error, ProviderAccount)
            if needs_operator:
                self._fine.discard(provider)
            kept = {"at": self._clock(), "reason": error.detail or error.sentence, "needs_operator": needs_operator}
            await self._store.write(kv.put, f"{_PREFIX}{provider}", kept, self._clock())

    async def works(self, provider: str) -> None:
        """A call succeeded."""
        if provider not in self._fine:
            self._fine.add(provider)
            await self._store.write(_resolve, provider, self._clock())


def last_failures(conn: Connection, providers: Sequence[str]) -> dict[str, LastFailure]:
    """By the image API's name, for those that have one."""
    return {name: LastFailure(**kept) for name in providers if (kept := kv.get(conn, f"{_PREFIX}{name}"))}


def _resolve(conn: Connection, provider: str, now: int) -> None:
    kept = kv.get(conn, f"{_PREFIX}{provider}")
    if kept is not None and kept["needs_operator"]:
        kv.put(conn, f"{_PREFIX}{provider}", {**kept, "needs_operator": False}, now)
