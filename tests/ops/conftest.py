"""Fixtures of the tests of `python -m bot move`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot import __main__ as command_line
from bot.core.errors import StartError
from bot.store.engine.opening import open_store
from tests.env.databases import Postgres

Place = Callable[[str], str]
Move = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def place(tmp_path: Path, sqlite_template: Path) -> Place:
    """The address of a new SQLite database."""

    def made(name: str) -> str:
        (tmp_path / name).write_bytes(sqlite_template.read_bytes())
        return f"sqlite:///{tmp_path / name}"

    return made


@pytest.fixture(params=["to PostgreSQL", "back"])
def ends(request: pytest.FixtureRequest, place: Place, postgres: Postgres, tmp_path: Path) -> tuple[str, str]:
    """The addresses of a database, and of one to move it to."""
    if request.param == "back":
        return postgres.emptied(), f"sqlite:///{tmp_path}/new.sqlite3"
    return place("old.sqlite3"), postgres.emptied()


@pytest.fixture
def moving(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Move:
    """Runs the command with the settings of a database. Returns its exit code, and all that it printed."""

    async def run(source: str, *arguments: str) -> tuple[int, str]:
        settings = tmp_path / "bot.env"
        await asyncio.to_thread(settings.write_text, f"DATABASE_URL={source}\nDATA_DIR={tmp_path}\n")
        capsys.readouterr()
        code = await asyncio.to_thread(command_line.main, ["--env-file", str(settings), "move", *arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


async def refusal_of(url: str) -> str | None:
    """Why a bot does not start on this database; None if it does."""
    try:
        async with open_store(url):
            return None
    except StartError as error:
        return error.sentence
