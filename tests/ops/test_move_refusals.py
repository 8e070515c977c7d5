"""What `python -m bot move` refuses before anything is copied: one sentence each, without users and passwords."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, update

from bot.ops.move import sides
from bot.store.engine.opening import open_store
from bot.store.money import transfers
from bot.store.tables import accounts, members
from tests.env.databases import Postgres
from tests.ops.conftest import Move, Place, refusal_of
from tests.store.money.accounts import member

NOT_WRITTEN = "--to is written sqlite:///path/to/file or postgresql://user:password@host/name."


@pytest.mark.parametrize(
    "to",
    [
        "postgres://easel:geheim@db/easel",
        "postgresql://easel:ge@heim@db/easel",
        "postgresql://easel:geheim@db:port/easel",
        "postgresql://easel:geheim@db",
        "sqlite://easel.sqlite3",
        "/var/easel.sqlite3",
        "",
    ],
)
async def test_an_address_that_is_none_is_not_repeated(place: Place, moving: Move, to: str) -> None:
    code, told = await moving(place("old.sqlite3"), "--to", to)
    assert (code, told.startswith(NOT_WRITTEN), "heim" in told, told.count("\n")) == (2, True, False, 1), told


async def test_it_needs_one_of_its_options(place: Place, moving: Move) -> None:
    told = "Give either --to with the address of the new database, or --undo.\n"
    assert [await moving(place("old.sqlite3"), *given) for given in ([], ["--undo", "--to", "sqlite:///a"])] == [(2, told)] * 2


async def test_the_database_of_the_settings_is_no_target(place: Place, moving: Move, postgres: Postgres, tmp_path: Path) -> None:
    same = "--to names the database that the settings name: let DATABASE_URL name the old one, and --to the new one.\n"
    source = place("old.sqlite3")
    (tmp_path / "link").symlink_to(tmp_path / "old.sqlite3")
    for to in (source, f"sqlite:///{tmp_path}/../{tmp_path.name}/old.sqlite3", f"sqlite:///{tmp_path}/link"):
        assert await moving(source, "--to", to) == (2, same)
    url = postgres.emptied()
    assert await moving(url, "--to", url) == (2, same)


async def test_it_is_refused_while_a_bot_runs_on_either(place: Place, moving: Move, postgres: Postgres, tmp_path: Path) -> None:
    source, target = place("old.sqlite3"), postgres.emptied()
    async with open_store(source):
        assert await moving(source, "--to", target) == (2, f"Another Easel is using the database {tmp_path}/old.sqlite3; stop it first.\n")
    async with open_store(target):
        code, told = await moving(source, "--to", target)
    assert (code, "is in use: a bot runs on it, or it is the database that the settings name.\n" in told) == (2, True), told


async def test_without_a_database_there_is_nothing_to_move(moving: Move, tmp_path: Path) -> None:
    code, told = await moving(f"sqlite:///{tmp_path}/none.sqlite3", "--to", f"sqlite:///{tmp_path}/new.sqlite3")
    assert (code, told) == (2, f"There is no database at {tmp_path}/none.sqlite3 yet.\n")
    assert await asyncio.to_thread(os.listdir, tmp_path) == ["bot.env"]


def fill(conn: Connection) -> None:
    conn.execute(insert(members).values(user_id=1, preferences={}, updated_at=1))


def of_version(conn: Connection, *, number: str) -> None:
    conn.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{number}'")  # noqa: S608 - a constant


OF_ANOTHER = "has the tables of another version of Easel; --to takes an empty database."


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (fill, "is not empty: there are rows in members. --to takes an empty database."),
        (partial(of_version, number="0019"), OF_ANOTHER),
        (partial(of_version, number="9999"), OF_ANOTHER),
    ],
)
async def test_only_an_empty_database_is_moved_to(
    place: Place, moving: Move, postgres: Postgres, engine: str, spoil: Callable[[Connection], object], sentence: str
) -> None:
    target = place("new.sqlite3") if engine == "sqlite" else postgres.create()
    async with open_store(target) as store:
        await store.write(spoil)
    code, told = await moving(place("old.sqlite3"), "--to", target)
    assert (code, told.rstrip().endswith(sentence), told.count("\n")) == (2, True, 1), told
    if engine == "postgresql":
        await asyncio.to_thread(postgres.drop, target)


async def test_a_database_that_cannot_be_reached_is_one_sentence(place: Place, moving: Move, tmp_path: Path) -> None:
    code, told = await moving(place("old.sqlite3"), "--to", f"postgresql://easel:geheim@/easel?host={tmp_path}")
    assert (code, told.startswith(f"easel on {tmp_path} cannot be moved to. ")) == (2, True), told
    assert ("check --to and the server." in told, "geheim" in told, "DATABASE_URL" in told) == (True, False, False), told


async def test_books_that_do_not_add_up_are_not_moved(ends: tuple[str, str], moving: Move) -> None:
    source, target = ends
    async with open_store(source) as store:
        await store.write(transfers.grant, to=member(), amount=5, key="a", now=0)
        await store.write(lambda conn: conn.execute(update(accounts).values(available=0)))
    code, told = await moving(source, "--to", target)
    assert (code, "The books do not add up, so nothing was moved: member:1:7: available" in told) == (2, True), told
    assert await refusal_of(target) is None


async def test_a_full_disk_is_refused_before(postgres: Postgres, moving: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "_SPARE_BYTES", 2**60)
    code, told = await moving(postgres.emptied(), "--to", f"sqlite:///{tmp_path}/new.sqlite3")
    assert (code, "MB free: make room first." in told) == (2, True), told
