"""`doctor --ledger` as people use it: a line and an exit code, beside a running bot or without it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from bot import __main__ as doors
from bot.domain.quota import MICRO
from bot.store.engine.base import Store
from bot.store.engine.opening import migrate, open_store
from bot.store.money import transfers
from bot.store.tables import accounts
from tests.store.money.accounts import member

FINE = "ok    ledger: 1 accounts, 2 lines and 0 images were read, and every credit is accounted for.\n"


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / "bot.env"
    path.write_text(f"DISCORD_TOKEN=made-up\nOXEN_API_KEY=made-up\nDATABASE_URL={url(tmp_path)}\n")
    return path


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/easel.sqlite3"


def look(env_file: Path) -> int:
    return doors.main(["--env-file", str(env_file), "doctor", "--ledger"])


async def spend(store: Store) -> None:
    await store.write(transfers.grant, to=member(), amount=MICRO, key="a", now=0)


async def spend_and_leave(folder: Path, *, tamper: bool = False) -> None:
    async with open_store(url(folder)) as store:
        await spend(store)
        if tamper:
            await store.write(lambda conn: conn.execute(update(accounts).values(available=0)))


def test_books_in_order_are_told_in_one_line(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(spend_and_leave(tmp_path))
    assert (look(env_file), capsys.readouterr().out) == (doors.DONE, FINE)


async def test_a_running_bot_does_not_stand_in_the_way(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_store(url(tmp_path)) as store:
        await spend(store)
        assert (await asyncio.to_thread(look, env_file), capsys.readouterr().out) == (doors.DONE, FINE)
        await spend(store)  # and it still takes writes


def test_what_is_wrong_has_a_line_and_an_exit_code(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(spend_and_leave(tmp_path, tamper=True))
    assert look(env_file) == doors.WRONG
    assert capsys.readouterr().out == (
        "bad   ledger: member:1:7: available, held and spent are 0, 0, 0, and its lines add up to 11000000, 0, 0.\n"
    )


def test_where_there_is_nothing_to_read_it_says_so(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert look(env_file) == doors.NOT_BEGUN
    assert capsys.readouterr().err == f"There is no database at {tmp_path}/easel.sqlite3 yet.\n"


def test_an_empty_bot_is_in_order(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(migrate(url(tmp_path)))
    assert look(env_file) == doors.DONE
