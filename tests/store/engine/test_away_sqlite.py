"""SQLite that cannot be written or read for a while: locked by another program, full, moved away, out of files; and damaged pages."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bot.core.errors import DatabaseAway, DatabaseDamaged, MaybeSaved
from bot.core.running import patience
from bot.store import kv
from bot.store.engine import outage, sqlite
from bot.store.engine.base import Store, Topic
from bot.store.engine.opening import open_store
from bot.store.engine.outage import Limits
from bot.store.engine.sqlite import SqliteStore


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(outage, "LIMITS", Limits(notice_s=0.05, close_s=0.2, commit_s=0.1))
    for pragmas in (sqlite._WRITER, sqlite._READER):
        monkeypatch.setitem(pragmas, "busy_timeout", "50")
    with patience.limited(0.3):
        yield


@pytest.fixture
async def file_store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path}/easel.sqlite3") as store:
        yield store


async def put(store: Store, name: str = "name", value: object = 1) -> None:
    await store.write(kv.put, name, value, 0)


async def endlessly(store: Store, name: str) -> None:
    with patience.endless():
        await put(store, name)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another program writes."""
    with closing(sqlite3.connect(folder / "easel.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def test_what_cannot_be_written_in_time_is_refused_and_never_done(file_store: Store, tmp_path: Path) -> None:
    await asyncio.create_task(put(file_store, "before"))
    with locked(tmp_path):
        waiting = asyncio.create_task(endlessly(file_store, "loop"))
        with pytest.raises(DatabaseAway, match="Nothing was created or charged"):
            await put(file_store, "now")
        assert await file_store.read(kv.get, "before") == 1
        during = file_store.away_since
    await waiting
    assert (during is None, file_store.away_since is None) == (False, True)
    assert [await file_store.read(kv.get, name) for name in ("now", "loop")] == [None, 1]


def set_pragma(store: Store, pragma: str) -> None:
    """Of the connection that writes."""
    assert isinstance(store, SqliteStore)
    raw = store._engine.raw_connection()
    raw.cursor().execute(f"PRAGMA {pragma}")
    raw.close()


@pytest.mark.parametrize(
    ("on", "off", "do"),
    [("max_page_count = 1", "max_page_count = 99999", "Free disk space"), ("query_only = ON", "query_only = OFF", "writable")],
)
async def test_a_disk_that_is_full_or_read_only_delays_writes(
    file_store: Store, on: str, off: str, do: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.create_task(put(file_store))
    set_pragma(file_store, on)
    assert isinstance(*await asyncio.gather(put(file_store, "large", "x" * 99_999), return_exceptions=True), DatabaseAway)
    assert do in capsys.readouterr().out
    set_pragma(file_store, off)
    await put(file_store, "large", "x" * 99_999)


async def test_too_few_open_files_delay_a_read(file_store: Store) -> None:
    assert isinstance(file_store, SqliteStore)
    file_store._reads.dispose()  # opening the store has read something
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(DatabaseAway):
            await file_store.read(kv.get, "name")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert await file_store.read(kv.get, "name") is None


async def test_a_member_who_wrote_something_is_not_told_that_nothing_was(file_store: Store, tmp_path: Path) -> None:
    await put(file_store)
    with locked(tmp_path), pytest.raises(MaybeSaved, match="may have been saved"):
        await put(file_store)


async def test_a_store_can_be_closed_while_it_is_locked(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/easel.sqlite3") as store:
        await put(store)
        other = sqlite3.connect(tmp_path / "easel.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(endlessly(store, "loop"))
        await asyncio.sleep(0)
    other.close()
    with pytest.raises(DatabaseAway):
        await waiting


async def test_a_cancelled_caller_s_write_goes_on(file_store: Store, tmp_path: Path) -> None:
    with locked(tmp_path):
        waiting = asyncio.create_task(put(file_store, "cancelled"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    await put(file_store)
    assert await file_store.read(kv.get, "cancelled") == 1


async def test_a_caller_waits_a_little_longer_for_a_commit_that_has_begun(file_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = file_store._begin_commit

    def slow(group: list[object]) -> None:
        begin(group)  # type: ignore[arg-type]
        time.sleep(0.6 if pauses.pop() else 0.35)  # on the writer's thread: longer than the patience, and than both

    monkeypatch.setattr(file_store, "_begin_commit", slow)
    pauses = [True, False]
    await put(file_store, "first")
    with pytest.raises(MaybeSaved):
        await asyncio.create_task(put(file_store, "second"))
    monkeypatch.undo()
    await endlessly(file_store, "later")
    assert await file_store.read(kv.get, "second") == 1


@pytest.fixture
async def damaged(tmp_path: Path) -> AsyncIterator[Store]:
    """A store whose key-value table is damaged before its first use."""
    path = tmp_path / "easel.sqlite3"
    async with open_store(f"sqlite:///{path}") as store:
        with closing(sqlite3.connect(path)) as other:
            (page,) = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'kv'").fetchone()
            (size,) = other.execute("PRAGMA page_size").fetchone()
        with open(path, "r+b") as file:  # noqa: ASYNC230, PTH123
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        yield store


def scan(conn: Connection) -> None:
    conn.exec_driver_sql("SELECT value FROM kv").all()


@pytest.mark.parametrize("use", [lambda store: store.read(scan), lambda store: store.write(scan)])
async def test_a_damaged_file_ends_the_loops_and_members_get_a_sentence(
    damaged: Store, use: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(use)
    subscription = damaged.subscribe(Topic.QUEUE)
    for _ in range(2):
        with pytest.raises(DatabaseAway):
            await use(damaged)
    assert await subscription.wait(timeout_s=1)
    with pytest.raises(DatabaseDamaged, match="restore a backup"), patience.endless():
        await use(damaged)
    assert capsys.readouterr().out.count("database damaged ") == 1
    assert damaged.away_since is not None
