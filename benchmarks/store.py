"""Measures the store's group commit: holds per second and their latency, with every commit synced to disk.

    python -m benchmarks.store [folder]

raw         sqlite3 only, one transaction at a time, with the fewest statements that do the same
engine      SQLAlchemy with aiosqlite, one transaction per hold: the store without its group commit
store       this store on SQLite
They run alternately, so that changes in the disk's speed affect all of them. A temporary file is created in the folder (default: the
current one), which should be on the disk to be measured.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from bot.domain.money.accounts import AccountRef, user_account
from bot.domain.money.quota import MICRO, Bucket
from bot.store.engine.opening import migrate, open_store
from bot.store.money.payment import Payment, pay

TASKS = 50
ROUNDS = 4
TURN_S = 1.0
_BUCKET = Bucket(size=1_000_000 * MICRO, refill_per_day=0)
_numbers = count()


def paid_by(user_id: int) -> Payment:
    return Payment(payer=AccountRef(name=user_account(user_id), fills=_BUCKET))


@dataclass(kw_only=True)
class Result:
    name: str
    took_s: float = 0
    waits_s: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return len(self.waits_s) / self.took_s

    def wait_ms(self, percent: int) -> float:
        return sorted(self.waits_s)[len(self.waits_s) * percent // 100] * 1000


def raw(path: Path, result: Result) -> None:
    """The baseline: no event loop, no library, no concurrency."""
    conn = sqlite3.connect(path, isolation_level=None)
    conn.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
    conn.execute("INSERT INTO accounts VALUES ('raw', ?, 0, 0, 0) ON CONFLICT DO NOTHING", (_BUCKET.size,))
    start = time.perf_counter()
    while (before := time.perf_counter()) - start < TURN_S:
        conn.execute("BEGIN IMMEDIATE")
        conn.execute("SELECT available, held, as_of FROM accounts WHERE name = 'raw'").fetchone()
        conn.execute("UPDATE accounts SET available = available - 1, held = held + 1 WHERE name = 'raw' AND available >= 1")
        line = (f"r{next(_numbers)}",)
        conn.execute(
            "INSERT INTO ledger (account, at, entry, available, held, spent, job_id, n) VALUES ('raw', 0, 'hold', -1, 1, 0, ?, 0)", line
        )
        conn.execute("COMMIT")
        result.waits_s.append(time.perf_counter() - before)
    result.took_s += time.perf_counter() - start
    conn.close()


async def under_load(result: Result, hold: Callable[[str], Awaitable[None]]) -> None:
    """Run TASKS tasks, each of which holds again as soon as its last hold is durable."""
    start = time.perf_counter()

    async def member() -> None:
        while (before := time.perf_counter()) - start < TURN_S:
            await hold(f"j{next(_numbers)}")
            result.waits_s.append(time.perf_counter() - before)

    await asyncio.gather(*(member() for _ in range(TASKS)))
    result.took_s += time.perf_counter() - start


async def engine_alone(path: Path, result: Result) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=5, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 20000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))

    async def hold(job_id: str) -> None:
        async with engine.begin() as conn:
            await conn.run_sync(pay, paid_by(1), [(job_id, 0, 1)], 0)

    try:
        await under_load(result, hold)
    finally:
        await engine.dispose()


async def this_store(path: Path, result: Result) -> None:
    async with open_store(f"sqlite:///{path}") as store:

        async def hold(job_id: str) -> None:
            await store.write(pay, paid_by(2), [(job_id, 0, 1)], 0)

        await under_load(result, hold)


async def main(folder: str) -> None:
    plain, engine, store = results = [
        Result(name=name) for name in ("raw, one at a time", f"engine, {TASKS} tasks", f"store, {TASKS} tasks")
    ]
    with tempfile.TemporaryDirectory(prefix="easel-bench-", dir=folder) as temporary:
        path = Path(temporary) / "easel.sqlite3"
        await migrate(f"sqlite:///{path}")
        for _ in range(ROUNDS):
            await asyncio.to_thread(raw, path, plain)
            await engine_alone(path, engine)
            await this_store(path, store)
    sys.stdout.write(f"{'':24}{'holds/s':>9}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}\n")
    for it in results:
        ratio = it.per_s / plain.per_s
        sys.stdout.write(f"{it.name:24}{it.per_s:9.0f}{ratio:7.2f}x{it.wait_ms(50):9.2f}{it.wait_ms(99):9.2f}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "."))
