"""The restore drill: a backup beside processes that work, the loss of the database, and processes that go on from the copy."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from sandbox.faults import Switchboard
from tests.env.command import Ran
from tests.env.command import run as command
from tests.env.databases import Postgres
from tests.many.members import PlannedOrder
from tests.many.outcome import examine
from tests.many.run import OXEN, Together, member_in, together, until

_EARLY, _OPEN, _LATE = 6, 12, 6  # orders before the backup, during it and after the restore


def planned(first: int, count: int) -> list[PlannedOrder]:
    return [PlannedOrder(member=member_in(n), model=OXEN) for n in range(first, first + count)]


class Drill:
    """What an operator does, with the commands of the documents."""

    def __init__(self, run: Together, folder: Path, postgres: Postgres) -> None:
        self._run, self._folder, self._postgres = run, folder, postgres
        self.backup = folder / "easel.backup"

    async def bot(self, *arguments: str) -> Ran:
        """Run a verb with the settings of the processes."""
        path = f"{self._postgres.programs}:{os.environ['PATH']}"
        ran = await command(
            *arguments, folder=self._folder, environ={**self._run.fleet.settings, "PATH": path, "DATA_DIR": str(self._folder)}
        )
        assert ran.code == 0, ran
        return ran

    async def lose_and_restore(self) -> None:
        """Lose all processes and their database, and let the settings name the copy."""
        for process in self._run.fleet.running:
            await process.kill()
        url = await (self._restore_file() if self._run.url.startswith("sqlite") else self._restore_dump())
        self._run.url = url
        self._run.fleet.settings = {**self._run.fleet.settings, "DATABASE_URL": url}

    async def _restore_file(self) -> str:
        (self._folder / "restored").mkdir()
        copy = await asyncio.to_thread(shutil.copy, self.backup, self._folder / "restored" / "easel.sqlite3")
        return f"sqlite:///{copy}"

    async def _restore_dump(self) -> str:
        url = await asyncio.to_thread(self._postgres.create, template="template0")
        restore = await asyncio.create_subprocess_exec(
            self._postgres.programs / "pg_restore", "--no-owner", f"--dbname={url}", str(self.backup)
        )
        assert await restore.wait() == 0
        return url


@pytest.mark.together
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("engine", "processes"), [("sqlite", 1), ("postgres", 2)])
async def test_processes_go_on_from_a_backup_that_was_made_while_they_worked(
    postgres: Postgres, tmp_path: Path, engine: str, processes: int
) -> None:
    """What was open in the backup had ended by the time the database was lost: it is found again, and neither made nor shown twice."""
    switchboard = Switchboard()
    url = postgres.create() if engine == "postgres" else f"sqlite:///{tmp_path / 'easel.sqlite3'}"
    async with together(url, tmp_path, shards=1, switchboard=switchboard) as run:
        drill = Drill(run, tmp_path, postgres)
        await run.start(processes)
        await run.orders.run(planned(0, _EARLY), at_once=6)
        switchboard.turn_on("generation-stuck")
        await run.orders.run(planned(6, _OPEN), at_once=6, waits=False)
        await until(lambda: run.images.images_in_work() > 0, "images are made")
        await drill.bot("backup", str(drill.backup))
        await drill.bot("doctor", "--backup", str(drill.backup))
        switchboard.turn_off("generation-stuck")
        await run.orders.until_shown()
        await drill.lose_and_restore()
        if engine == "postgres":
            await drill.bot("migrate", "--restored")
        await drill.bot("doctor", "--ledger")
        await run.start(processes)
        await run.orders.run(planned(18, _LATE), at_once=6)
        found = await examine(run, processes=processes)
    assert found.wrong == []
    assert found.jobs == _EARLY + _OPEN + _LATE
