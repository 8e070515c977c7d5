"""SQLite only: the write-ahead log stays short."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bot.store import kv
from bot.store.engine import wal
from bot.store.engine.base import Store

STEP, LIMIT = 100_000, 400_000  # bytes
_numbers = count()


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "STEP_BYTES", STEP)
    monkeypatch.setattr(wal, "LIMIT_BYTES", LIMIT)
    monkeypatch.setattr(wal, "PAUSE_S", 10)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "easel.sqlite3-wal"


def put(conn: Connection, n: int) -> None:
    """Write some 20 kB. Always another text: SQLite does not write pages that do not change."""
    kv.put(conn, f"k{n % 50}", f"{next(_numbers):06}" * 3000, n)


def size(log: Path) -> int:
    return log.stat().st_size


async def longest(store: Store, log: Path, *, writes: int) -> int:
    """The greatest size of the log in bytes while so much is written."""
    sizes = []
    for n in range(writes):
        await store.write(put, n)
        sizes.append(size(log))
    return max(sizes)


@asynccontextmanager
async def a_long_read(store: Store) -> AsyncIterator[None]:
    """A read that does not end meanwhile."""
    begun, may_end = threading.Event(), threading.Event()

    def read(conn: Connection) -> bool:
        kv.get(conn, "k0")
        begun.set()
        return may_end.wait(10)

    reading = asyncio.create_task(store.read(read))
    await asyncio.to_thread(begun.wait, 10)
    try:
        yield
    finally:
        may_end.set()
        assert await reading


def read_for_a_while(conn: Connection) -> int:
    query = "WITH RECURSIVE n(n) AS (SELECT length(value) FROM kv UNION ALL SELECT n + 1 FROM n LIMIT 20000) SELECT count(*) FROM n"
    return int(conn.exec_driver_sql(query).scalar_one())


def disk_is_full(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


async def read_until(done: asyncio.Event, store: Store) -> None:
    while not done.is_set():
        await store.read(read_for_a_while)


async def test_without_reads_the_log_begins_anew_after_each_checkpoint(sqlite_store: Store, log: Path) -> None:
    assert await longest(sqlite_store, log, writes=200) < 3 * STEP


async def test_the_log_is_emptied_though_reads_overlap(sqlite_store: Store, log: Path) -> None:
    done = asyncio.Event()
    reading = [asyncio.create_task(read_until(done, sqlite_store)) for _ in range(6)]
    found = await longest(sqlite_store, log, writes=200)
    done.set()
    await asyncio.gather(*reading)
    assert found < LIMIT + 3 * STEP


async def test_a_long_read_delays_writes_only_for_a_moment(sqlite_store: Store, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "PAUSE_S", 0.001)
    async with a_long_read(sqlite_store):
        assert await longest(sqlite_store, log, writes=50) > LIMIT
        assert await sqlite_store.read(kv.get, "k1") is not None
    await longest(sqlite_store, log, writes=20)
    assert await longest(sqlite_store, log, writes=1) < LIMIT


async def test_a_reader_that_the_store_does_not_know_delays_nothing(sqlite_store: Store, log: Path) -> None:
    with closing(sqlite3.connect(str(log).removesuffix("-wal"), isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM kv").fetchone()
        assert await longest(sqlite_store, log, writes=50) > LIMIT
    await longest(sqlite_store, log, writes=20)
    assert await longest(sqlite_store, log, writes=1) < LIMIT


async def test_a_failed_checkpoint_does_not_end_the_writer(sqlite_store: Store, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal.Log, "_checkpoint", disk_is_full)
    await longest(sqlite_store, log, writes=20)
    assert await sqlite_store.read(kv.get, "k1") is not None
