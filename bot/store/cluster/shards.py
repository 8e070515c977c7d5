"""The number of shards, which all processes share: a guild's shard follows from it."""

from __future__ import annotations

from sqlalchemy import Connection

from bot.store import kv

_NAME = "shards"  # key in the key-value table


def agreed(conn: Connection) -> int | None:
    """The number that the processes use, if one has said it."""
    kept = kv.get(conn, _NAME)
    return None if kept is None else int(kept)


def agree(conn: Connection, wanted: int, now: int, *, is_alone: bool) -> int:
    """Ask for at least this number. Returns the number that all use from now on: it only grows while more than one process works."""
    kept = agreed(conn)
    number = wanted if is_alone or kept is None else max(kept, wanted)
    if number != kept:
        kv.put(conn, _NAME, number, now)
    return number
