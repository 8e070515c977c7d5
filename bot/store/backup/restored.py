"""How a bot knows that its database is an older copy."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from bot.store import kv

_COPY: Final = "copy"  # in a copy only, in the key-value table: when it was made (Unix ms)


def mark(conn: Connection, now: int) -> None:
    """Note in a copy that it is one."""
    kv.put(conn, _COPY, now, now)
