"""SQLite only: the space of deleted rows is returned to the file system."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.core.errors import StartError
from bot.domain.money.quota import EMPTY
from bot.domain.retention import KeepDays
from bot.services import housekeeping
from bot.store import kv
from bot.store.engine import space
from bot.store.engine.base import Store
from bot.store.engine.opening import compact, open_store


async def fill_and_empty(store: Store) -> int:
    """Write 4 MB and delete them. Returns the file's size in bytes between the two."""
    for n in range(40):
        await store.write(kv.put, f"form:{n}", "x" * 100_000, 0)
    size = (await store.sizes())["data"]
    await store.write(kv.forget, prefix="form:", before=1)
    return size


async def shrunk(store: Store) -> int:
    pages = 0
    while step := await store.shrink():
        pages += step
    return pages


@pytest.fixture(autouse=True)
def _keeps_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "KEPT_PAGES", 20)


def make_as_before(path: Path) -> None:
    """As earlier versions made it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")


def can_shrink(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA auto_vacuum").fetchone()[0])


async def test_the_file_shrinks_after_much_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "easel.sqlite3"
    async with open_store(f"sqlite:///{path}") as store:
        await fill_and_empty(store)
        assert await shrunk(store) > 800
        assert await store.shrink() == 0
        await store.write(kv.put, "after", 1, 0)
        assert await store.read(kv.get, "after") == 1
    assert path.stat().st_size < 1_000_000


async def test_a_little_space_stays_for_new_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "KEPT_PAGES", 2500)
    async with open_store(f"sqlite:///{tmp_path}/easel.sqlite3") as store:
        await fill_and_empty(store)
        assert await store.shrink() == 0


async def test_one_step_is_small(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/easel.sqlite3") as store:
        await fill_and_empty(store)
        assert await store.shrink() == space.STEP_PAGES


async def test_a_file_of_an_earlier_version_can_shrink_after_a_start(tmp_path: Path) -> None:
    path = tmp_path / "easel.sqlite3"
    async with open_store(f"sqlite:///{path}"):
        pass
    make_as_before(path)
    async with open_store(f"sqlite:///{path}", migrate=False):
        assert not can_shrink(path)
    async with open_store(f"sqlite:///{path}") as store:
        await fill_and_empty(store)
        assert await shrunk(store) > 800


async def test_a_large_file_is_rebuilt_only_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "REBUILD_BYTES", 0)
    path = tmp_path / "easel.sqlite3"
    async with open_store(f"sqlite:///{path}"):
        pass
    make_as_before(path)
    async with open_store(f"sqlite:///{path}") as store:
        await fill_and_empty(store)
        assert await store.shrink() == 0
        with pytest.raises(StartError, match="Another Easel is using the database"):
            await compact(f"sqlite:///{path}")
    before, after = await compact(f"sqlite:///{path}")
    assert (before > 4_000_000, after < 1_000_000, can_shrink(path)) == (True, True, True)


async def test_the_sweep_returns_space(sqlite_store: Store) -> None:
    await fill_and_empty(sqlite_store)
    works = housekeeping.sweeps_of(KeepDays(), EMPTY)
    assert await works["pages"](sqlite_store, 0) > 800


async def test_postgresql_is_not_rebuilt() -> None:
    with pytest.raises(StartError, match="VACUUM FULL"):
        await compact("postgresql://easel@localhost/easel")
