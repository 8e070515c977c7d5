"""The file of an SQLite database: copied while it is written to, checked at the start, copied before its schema changes."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.core import private_files
from bot.core.errors import DatabaseDamaged, StartError
from bot.domain.money.quota import MICRO
from bot.store import kv
from bot.store.backup.sqlite import back_up, examine
from bot.store.engine import schema, sqlite_check, sqlite_errors, sqlite_start
from bot.store.engine.opening import compact, migrate, open_store
from bot.store.money import transfers
from tests.env.databases import refusal
from tests.journeys.operations.test_old_database import restore
from tests.store.engine.test_processes import acknowledged, holds, process
from tests.store.money.accounts import member


@pytest.fixture
def file(tmp_path: Path, sqlite_template: Path) -> Path:
    (tmp_path / "data").mkdir()
    return Path(shutil.copy(sqlite_template, tmp_path / "data" / "easel.sqlite3"))


def url(file: Path) -> str:
    return f"sqlite:///{file}"


def sql(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as db:
        found = db.execute(statement).fetchall()
        db.commit()
    return found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- a copy ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("lines_before", [n * 23 for n in range(1, 16)])
async def test_a_backup_beside_a_writing_process_has_all_it_acknowledged(file: Path, tmp_path: Path, lines_before: int) -> None:
    """A plain copy of the file lacks what is still in the log."""
    async with process(url(file), module="spending_process") as writer:
        assert writer.stdout is not None
        before = {(await writer.stdout.readline()).decode().strip() for _ in range(lines_before)}
        proof = await asyncio.to_thread(back_up, file, tmp_path / "copy", replace=False, now=1)
        after = await acknowledged(writer, at_least=1)  # it went on writing
    assert proof is not None
    assert (proof.wrong, len(after) > 0) == ((), True)
    async with open_store(url(tmp_path / "copy")) as store:
        assert before <= await store.read(holds)


async def test_a_backup_is_one_private_file(file: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    async with open_store(url(file)) as store:
        await store.write(kv.put, "a", 1, 1)
        await asyncio.to_thread(back_up, file, tmp_path / "backups" / "copy", replace=False, now=1)
    assert names(tmp_path / "backups") == {"copy"}
    assert (tmp_path / "backups" / "copy").stat().st_mode & 0o777 == 0o600


async def test_a_backup_has_no_remains_of_what_was_deleted(file: Path, tmp_path: Path) -> None:
    async with open_store(url(file)) as store:
        await store.write(kv.put, "a", "xyzzy " * 900, 1)
        await store.write(kv.forget, prefix="a", before=2)
        await asyncio.to_thread(back_up, file, tmp_path / "copy", replace=False, now=1)
    assert b"xyzzy" not in (tmp_path / "copy").read_bytes()


@pytest.mark.slow
async def test_a_backup_has_what_a_killed_process_acknowledged(file: Path, tmp_path: Path) -> None:
    """Its log still lies beside the file."""
    async with process(url(file)) as writer:
        printed = await acknowledged(writer, at_least=5)
    await asyncio.to_thread(back_up, file, tmp_path / "copy", replace=False, now=1)
    async with open_store(url(tmp_path / "copy")) as store:
        assert set(printed) <= await store.read(holds)


def test_a_failed_backup_leaves_nothing_and_keeps_the_last_one(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.write_text("the last one")
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        back_up(big(file), target, replace=True, now=1, stopped=lambda: True)
    assert (names(tmp_path), target.read_text()) == ({"data", "copy"}, "the last one")


def big(file: Path) -> Path:
    """With enough rows that a copy takes more than one step."""
    sql(
        file,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO kv SELECT 'k' || i, '1', 1 FROM n",
    )
    return file


def test_what_a_killed_backup_left_is_replaced(file: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.partial").write_bytes(b"the beginning of a copy")
    back_up(file, tmp_path / "copy", replace=False, now=1)
    assert names(tmp_path) == {"data", "copy"}


def test_a_file_is_written_by_one_at_a_time(tmp_path: Path) -> None:
    with private_files.whole_file(tmp_path / "copy", replace=False) as first:
        first.write_text("mine")
        with pytest.raises(BlockingIOError), private_files.whole_file(tmp_path / "copy", replace=False):
            pass
    assert (tmp_path / "copy").read_text() == "mine"


# --- what a copy holds ---------------------------------------------------------------------------------------------------


async def test_a_copy_with_a_log_beside_it_is_examined_with_the_log_and_unchanged(file: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    async with open_store(url(file)) as store:
        await store.write(transfers.grant, to=member(), amount=MICRO, key="a", now=0)
        await asyncio.to_thread(shutil.copytree, file.parent, copied)
    before = {path: path.read_bytes() for path in copied.iterdir()}
    report = await examine(copied / "easel.sqlite3")
    assert report.proof is not None
    assert (report.proof.lines, report.proof.wrong) == (2, ())
    assert {path: path.read_bytes() for path in copied.iterdir()} == before


async def test_a_copy_of_an_older_schema_is_proved_in_a_temporary_one(tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite3"
    await asyncio.to_thread(restore, old)
    before = await asyncio.to_thread(old.read_bytes)
    report = await examine(old)
    assert report.proof is not None
    assert (report.schema, report.proof.images > 0, report.proof.wrong) == ("0005", True, ())
    assert (await asyncio.to_thread(old.read_bytes), names(tmp_path)) == (before, {"old.sqlite3"})


# --- at the start --------------------------------------------------------------------------------------------------------


def damage(file: Path) -> None:
    """Overwrite a page in the middle, which the start alone would not read."""
    (page,) = sql(file, "SELECT rootpage FROM sqlite_schema WHERE name = 'ledger'")[0]
    size = sql(file, "PRAGMA page_size")[0][0]
    assert isinstance(page, int)
    assert isinstance(size, int)
    with file.open("r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(os.urandom(size))


async def test_a_damaged_page_is_found_before_anything_is_written(file: Path) -> None:
    damage(file)
    before = await asyncio.to_thread(file.read_bytes)
    with pytest.raises(DatabaseDamaged, match=r"is damaged .* restore a backup, as docs/operators.md says"):
        async with open_store(url(file)):
            pass
    assert await asyncio.to_thread(file.read_bytes) == before


async def test_a_damaged_database_is_not_rebuilt(file: Path) -> None:
    damage(file)
    with pytest.raises(DatabaseDamaged):
        await compact(url(file))


def test_a_damaged_database_makes_no_backup(file: Path, tmp_path: Path) -> None:
    damage(file)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        back_up(file, tmp_path / "copy", replace=False, now=1)
    assert (sqlite_errors.damage(caught.value) is not None, names(tmp_path)) == (True, {"data"})


def test_a_check_that_takes_too_long_ends_and_the_start_goes_on(file: Path) -> None:
    big(file)
    assert not sqlite_check.quick_check(file, longest_s=-1).is_complete
    sqlite_check.refuse_damaged(file, longest_s=-1)


async def test_the_log_of_the_database_before_is_not_put_into_a_restored_backup(file: Path) -> None:
    """After a kill, a log lies beside the database that the operator replaces."""
    copy, log = file.with_name("copy"), file.with_name("easel.sqlite3-wal")
    async with open_store(url(file)) as store:
        await asyncio.to_thread(back_up, file, copy, replace=False, now=1)
        await store.write(kv.put, "later", 1, 1)
        left = await asyncio.to_thread(log.read_bytes)
    await asyncio.to_thread(copy.replace, file)
    await asyncio.to_thread(log.write_bytes, left)
    assert await refusal(url(file)) == (
        f"{file} is a backup, and easel.sqlite3-wal beside it belongs to the database before; delete easel.sqlite3-wal, then start."
    )
    with pytest.raises(StartError, match="belongs to the database before"):
        await examine(file)
    log.unlink()
    async with open_store(url(file)) as store:
        await store.write(kv.put, "later", 2, 1)


# --- before an upgrade ---------------------------------------------------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database of schema 0005."""
    (tmp_path / "data").mkdir()
    restore(tmp_path / "data" / "easel.sqlite3")
    return tmp_path / "data" / "easel.sqlite3"


def before(file: Path) -> Path:
    return file.with_name(f"{file.name}.before-{schema.head()}")


async def test_a_copy_is_kept_from_one_upgrade_to_the_next(old: Path) -> None:
    old.with_name("easel.sqlite3.before-0004").touch()
    await migrate(url(old))
    assert names(old.parent) == {"easel.sqlite3", "easel.sqlite3.lock", before(old).name}
    assert sql(before(old), "SELECT version_num FROM alembic_version") == [("0005",)]
    assert before(old).stat().st_mode & 0o777 == 0o600
    assert (await examine(before(old))).schema == "0005"


async def test_without_an_upgrade_nothing_is_copied(file: Path) -> None:
    await migrate(url(file))
    assert names(file.parent) == {"easel.sqlite3", "easel.sqlite3.lock"}


async def test_on_a_full_disk_the_upgrade_waits_for_the_operator(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=10**6))
    sentence = await refusal(url(old))
    assert sentence.startswith(f"A copy of the database is made before its upgrade, and {old.parent} has too little room for it: 1 MB of ")
    assert sentence.endswith("then run `python -m bot migrate --no-backup`.")
    assert (await migrate(url(old), backup=False)).before == "0005"
    assert names(old.parent) == {"easel.sqlite3", "easel.sqlite3.lock"}


async def test_a_copy_of_an_upgrade_is_deleted_after_a_month(old: Path) -> None:
    """It also holds what members erase later."""
    await migrate(url(old))
    sqlite_start.remove_old_copies(old)
    assert before(old).exists()
    os.utime(before(old), (0, 0))
    sqlite_start.remove_old_copies(old)
    assert not before(old).exists()
