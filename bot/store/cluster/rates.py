"""Turns of whatever has a limited rate, for all processes together: the generic cell rate algorithm, one row for each name.

Source: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from bot.store.engine.base import upsert
from bot.store.tables import rates


def take(conn: Connection, name: str, now_us: int, interval_us: int, burst: int = 1) -> int:
    """Take a turn if one is free. Returns 0, or the microseconds after which to ask again: then none was taken.

    `burst` turns may be taken at once; after that one becomes free every `interval_us`. Operations run one at a time, so this one may read
    before it writes.
    """
    known = conn.scalar(select(rates.c.free_at_us).where(rates.c.name == name)) or 0
    free_at = min(known, now_us + burst * interval_us)  # later only if the clock that wrote it was ahead
    wait_us = max(0, free_at - (burst - 1) * interval_us - now_us)
    if wait_us == 0:
        free_at = max(free_at, now_us) + interval_us
    if free_at != known:
        row = {"free_at_us": free_at}
        statement = upsert(conn.dialect, rates).values(name=name, **row)
        conn.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
    return wait_us
