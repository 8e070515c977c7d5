"""Key-value entries: small JSON values that survive a restart."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select

from bot.store.engine.base import upsert
from bot.store.sweeps import Expired
from bot.store.tables import kv


def get(conn: Connection, name: str) -> Any | None:
    """The value of `name`, or None."""
    return conn.scalar(select(kv.c.value).where(kv.c.name == name))


def put(conn: Connection, name: str, value: Any, now: int) -> None:
    """Set `name` to `value` (any JSON value)."""
    row = {"value": value, "updated_at": now}
    conn.execute(upsert(conn.dialect, kv).values(name=name, **row).on_conflict_do_update(index_elements=["name"], set_=row))


def old(prefix: str, before: int) -> Expired:
    """The entries whose names begin with `prefix` and that were set before `before` (Unix ms)."""
    return Expired(table=kv, among=kv.c.name.startswith(prefix, autoescape=True), where=kv.c.updated_at < before)


def forget(conn: Connection, prefix: str, before: int) -> int:
    """Delete the entries whose names begin with `prefix` and that were set before `before` (Unix ms). Returns how many."""
    old = kv.c.name.startswith(prefix, autoescape=True) & (kv.c.updated_at < before)
    return conn.execute(delete(kv).where(old)).rowcount
