"""Writes that SQLite commits as one group, and writes that fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, insert

from bot.store.engine.base import Store
from bot.store.tables import ledger


async def together(store: Store, *ops: Callable[[Connection], Any]) -> list[Any]:
    """Run the operations as one group: the writer is kept busy until all are queued."""
    busy, queued = threading.Event(), threading.Event()

    def stay_busy(_: Connection) -> None:
        busy.set()
        queued.wait(10)

    first = asyncio.create_task(store.write(stay_busy))
    await asyncio.to_thread(busy.wait, 10)
    callers = [asyncio.create_task(store.write(op)) for op in ops]
    await asyncio.sleep(0)
    queued.set()
    await first
    return await asyncio.gather(*callers, return_exceptions=True)


def fail(_: Connection) -> None:
    raise LookupError


def break_at_commit(conn: Connection) -> None:
    """Insert a ledger line of an account that does not exist; the deferred check makes the commit fail."""
    conn.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    conn.execute(insert(ledger).values(account="nobody", at=0, entry="open", available=0, held=0, spent=0))
