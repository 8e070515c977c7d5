"""Turns of whatever has a limited rate, for all processes together. Operations run one at a time, so each may read before it writes."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, insert, select, update

from bot.domain.queueing.rate import Rate
from bot.store.engine.statements import Prepared
from bot.store.tables import rates

_ALL = Prepared(select(rates.c.name, rates.c.free_at_us))
_MOVE = Prepared(update(rates).where(rates.c.name == bindparam("of_name")).values(free_at_us=bindparam("to")))
_ADD = Prepared(insert(rates))


def of_api(provider: str) -> str:
    """The name of an image API's rate."""
    return f"api:{provider}"


def full_at(conn: Connection, name: str) -> int:
    """When all turns are free again, as `Rate` reckons (Unix microseconds)."""
    return int(_known(conn).get(name, 0))


def all_full_at(conn: Connection, limited: Mapping[str, Rate], now_us: int) -> dict[str, int]:
    """The same for each of these names, to be used in this transaction. What a clock that was ahead has written is corrected."""
    known = _known(conn)
    times = {name: rate.bounded(known.get(name, 0), now_us) for name, rate in limited.items()}
    for name, at in times.items():
        if at < known.get(name, 0):
            use(conn, name, at)
    return times


def use(conn: Connection, name: str, at: int) -> None:
    """Turns were taken: all are free again at this time."""
    if not _MOVE.run(conn, {"of_name": name, "to": at}):
        _ADD.run(conn, {"name": name, "free_at_us": at})


def take(conn: Connection, name: str, now_us: int, interval_us: int, burst: int = 1) -> int:
    """Take a turn if one is free. Returns 0, or the microseconds after which to ask again: then none was taken.

    `burst` turns may be taken at once; after that one becomes free every `interval_us`.
    """
    rate = Rate(interval_us=interval_us, burst=burst)
    (at,) = all_full_at(conn, {name: rate}, now_us).values()
    wait_us = rate.wait_us(at, now_us)
    if wait_us == 0:
        use(conn, name, rate.after(at, now_us, turns=1))
    return wait_us


class ApiTurns:
    """The turns of image APIs in one transaction."""

    def __init__(self, conn: Connection, limited: Mapping[str, Rate], now: int) -> None:
        """`limited`: the rates by the image API's name; `now` in Unix ms."""
        self._conn, self._limited, self._now_us = conn, limited, 1000 * now
        times = all_full_at(conn, {of_api(name): rate for name, rate in limited.items()}, self._now_us)
        self._full_at = {name: times[of_api(name)] for name in limited}

    def of(self, provider: str) -> int:
        """How many may be taken."""
        return self._limited[provider].turns(self._full_at[provider], self._now_us)

    def use(self, taken: Mapping[str, int]) -> int | None:
        """Take so many of each. Returns in how many ms the next one is free where none is left; None if that is nowhere."""
        for name, turns in taken.items():
            self._full_at[name] = self._limited[name].after(self._full_at[name], self._now_us, turns=turns)
            use(self._conn, of_api(name), self._full_at[name])
        waits = (rate.wait_us(self._full_at[name], self._now_us) for name, rate in self._limited.items())
        return min((-(-wait_us // 1000) for wait_us in waits if wait_us), default=None)


def _known(conn: Connection) -> dict[str, int]:
    return dict(tuple(row) for row in _ALL.rows(conn, {}))
