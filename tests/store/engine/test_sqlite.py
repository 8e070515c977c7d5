"""SQLite only: one writer that commits in groups."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bot.store import kv
from bot.store.engine.base import GROUP_MAX, Store
from bot.store.engine.opening import open_store
from tests.env.databases import refusal
from tests.store.engine.groups import break_at_commit, fail, together


def put(name: str) -> Callable[[Connection], None]:
    return lambda conn: kv.put(conn, name, 1, 0)


def lose_the_transaction(conn: Connection) -> None:
    """SQLite rolls back the whole transaction like this when the disk is full."""
    conn.exec_driver_sql("ROLLBACK")


async def test_queued_writes_are_committed_together(sqlite_store: Store) -> None:
    await together(sqlite_store, *(put(f"k{n}") for n in range(GROUP_MAX)))
    assert sqlite_store.commits == 2  # the one that kept the writer busy, and the group


async def test_a_group_has_a_limit(sqlite_store: Store) -> None:
    await together(sqlite_store, *(put(f"k{n}") for n in range(GROUP_MAX + 1)))
    assert sqlite_store.commits == 3


async def test_one_failed_write_does_not_affect_the_rest_of_its_group(sqlite_store: Store) -> None:
    results = await together(sqlite_store, put("before"), fail, put("after"))
    assert [type(result) for result in results] == [type(None), LookupError, type(None)]
    assert await sqlite_store.read(kv.get, "before") == await sqlite_store.read(kv.get, "after") == 1


@pytest.mark.parametrize(("broken", "error"), [(break_at_commit, IntegrityError), (lose_the_transaction, sqlite3.OperationalError)])
async def test_a_failed_commit_raises_in_every_caller_of_the_group(
    sqlite_store: Store, broken: Callable[[Connection], None], error: type[Exception]
) -> None:
    results = await together(sqlite_store, put("before"), broken, put("after"))
    assert [type(result) for result in results] == [error] * 3
    assert await sqlite_store.read(kv.get, "before") is None
    await sqlite_store.write(put("later"))
    assert await sqlite_store.read(kv.get, "later") == 1


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_read_does_not_wait_for_a_write(sqlite_store: Store) -> None:
    await sqlite_store.write(put("before"))
    busy, done = threading.Event(), threading.Event()

    def stay_busy(conn: Connection) -> bool:
        kv.put(conn, "before", 2, 0)
        busy.set()
        return done.wait(10)

    writing = asyncio.create_task(sqlite_store.write(stay_busy))
    await asyncio.to_thread(busy.wait, 10)
    assert await sqlite_store.read(kv.get, "before") == 1
    done.set()
    assert await writing


async def test_closing_leaves_one_complete_database_file(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/easel.sqlite3") as store:
        await store.write(put("name"))
    assert names(tmp_path) == {"easel.sqlite3", "easel.sqlite3.lock"}


@pytest.mark.parametrize("url", ["mysql://easel@host/easel", "easel.sqlite3", ""])
async def test_another_kind_of_database_is_refused(url: str) -> None:
    assert await refusal(url) == "DATABASE_URL is written sqlite:///path/to/file or postgresql://user:password@host/name."


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file::memory:?cache=shared"])
async def test_a_database_in_memory_is_refused(url: str) -> None:
    assert await refusal(url) == "Easel keeps its database in a file: DATABASE_URL is written sqlite:///path/to/file."


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a shopping list, and much more of it\n" * 100)
    assert "notes.txt is damaged or is no SQLite database" in await refusal(f"sqlite:///{tmp_path}/notes.txt")


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "easel.sqlite3"
    async with open_store(f"sqlite:///{path}"):
        pass
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8000)
    assert "is damaged or is no SQLite database" in await refusal(f"sqlite:///{path}")


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    assert f"The database {tmp_path} cannot be used (unable to open database file)" in await refusal(f"sqlite:///{tmp_path}")


async def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert f"The database {tmp_path}/data/easel.sqlite3 cannot be opened (" in await refusal(f"sqlite:///{tmp_path}/data/easel.sqlite3")


# --- privacy of the files --------------------------------------------------------------------------------------------


def modes(folder: Path) -> set[str]:
    return {f"{path.stat().st_mode & 0o777:o}" for path in folder.iterdir() if path.is_file()}


async def test_files_and_new_folders_are_private(tmp_path: Path) -> None:
    before = os.umask(0)  # the most that anybody could see
    try:
        async with open_store(f"sqlite:///{tmp_path}/new/folder/easel.sqlite3") as store:
            await store.write(put("name"))
            assert len(names(tmp_path / "new" / "folder")) == 4
            assert modes(tmp_path / "new" / "folder") == {"600"}
            assert [f"{path.stat().st_mode & 0o777:o}" for path in (tmp_path / "new", tmp_path / "new" / "folder")] == ["700", "700"]
    finally:
        os.umask(before)


async def test_existing_files_become_private(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/easel.sqlite3"):
        pass
    for name in ("easel.sqlite3", "easel.sqlite3.lock"):
        os.chmod(tmp_path / name, 0o644)  # noqa: PTH101  a path's own method counts as blocking
    async with open_store(f"sqlite:///{tmp_path}/easel.sqlite3") as store:
        await store.write(put("name"))
        assert modes(tmp_path) == {"600"}


def found(folder: Path, word: bytes) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if word in path.read_bytes())


async def test_no_file_keeps_what_was_deleted(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/easel.sqlite3") as store:
        for n in range(400):  # of changing lengths, so that rows are moved between pages
            for name, factor in ((n, 37), (n // 2, 53)):
                await store.write(kv.put, f"{name}", ("xyzzy " if name % 2 else "other ") * (1 + n * factor % 200), n)
        assert found(tmp_path, b"xyzzy")
        await store.write(lambda conn: conn.exec_driver_sql("DELETE FROM kv WHERE name % 2 = 1"))
        assert await store.overwrite_deleted()
        assert found(tmp_path, b"xyzzy") == []
        assert found(tmp_path, b"other") == ["easel.sqlite3"]


async def test_a_read_puts_the_cleaning_off(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/easel.sqlite3") as store:
        await store.write(kv.put, "a", "xyzzy", 1)
        begun, done = threading.Event(), threading.Event()

        def read(conn: Connection) -> None:
            kv.get(conn, "a")
            begun.set()
            done.wait(10)

        reading = asyncio.create_task(store.read(read))
        await asyncio.to_thread(begun.wait, 10)
        await store.write(kv.forget, prefix="a", before=2)
        assert not await store.overwrite_deleted()
        done.set()
        await reading
        assert await store.overwrite_deleted()
        assert found(tmp_path, b"xyzzy") == []
