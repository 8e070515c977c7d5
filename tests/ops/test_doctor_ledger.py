"""`doctor --ledger` on the command line: output and exit code, with and without a running bot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from bot import __main__ as command_line
from bot.domain.money.quota import MICRO
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


def run(env_file: Path) -> int:
    return command_line.main(["--env-file", str(env_file), "doctor", "--ledger"])


async def spend(store: Store) -> None:
    await store.write(transfers.grant, to=member(), amount=MICRO, key="a", now=0)


async def spend_and_leave(folder: Path, *, tamper: bool = False) -> None:
    async with open_store(url(folder)) as store:
        await spend(store)
        if tamper:
            await store.write(lambda conn: conn.execute(update(accounts).values(available=0)))


def test_a_correct_ledger_is_one_line(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(spend_and_leave(tmp_path))
    assert (run(env_file), capsys.readouterr().out) == (command_line.DONE, FINE)


async def test_it_works_beside_a_running_bot(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_store(url(tmp_path)) as store:
        await spend(store)
        assert (await asyncio.to_thread(run, env_file), capsys.readouterr().out) == (command_line.DONE, FINE)
        await spend(store)  # the bot can still write


def test_a_discrepancy_has_a_line_and_an_exit_code(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(spend_and_leave(tmp_path, tamper=True))
    assert run(env_file) == command_line.WRONG
    assert capsys.readouterr().out == (
        "bad   ledger: member:1:7: available, held and spent are 0, 0, 0, and its lines add up to 11000000, 0, 0.\n"
    )


def test_a_missing_database_has_a_sentence(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(env_file) == command_line.NOT_STARTED
    assert capsys.readouterr().err == f"There is no database at {tmp_path}/easel.sqlite3 yet.\n"


def test_an_empty_ledger_is_correct(env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(migrate(url(tmp_path)))
    assert run(env_file) == command_line.DONE
