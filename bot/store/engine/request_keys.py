"""The keys of requests that were carried out: each is stored by the first transaction that its request leads to."""

from __future__ import annotations

from sqlalchemy import Connection, select, text

from bot.core.clock import system
from bot.core.running.idempotency import AlreadyDone, IdempotencyKey
from bot.store.sweeps import Expired
from bot.store.tables import request_keys

_STORE = text("INSERT INTO request_keys (key, at) VALUES (:key, :at) ON CONFLICT DO NOTHING")


def store(conn: Connection, key: IdempotencyKey) -> None:
    """Store the key in the current transaction. Raises `AlreadyDone` if another delivery has stored it."""
    is_new = conn.execute(_STORE, {"key": key.text, "at": system()}).rowcount == 1
    if not (is_new or key.is_stored):
        raise AlreadyDone(key.text)
    key.is_stored = True


def since(conn: Connection, at: int) -> list[str]:
    """The keys that were stored since `at` (Unix ms), oldest first."""
    return list(conn.scalars(select(request_keys.c.key).where(request_keys.c.at >= at).order_by(request_keys.c.at)))


def old(before: int) -> Expired:
    """The keys that were stored before `before` (Unix ms)."""
    return Expired(table=request_keys, by=("at", "key"), until=request_keys.c.at < before)
