"""From the version of which only one process could run to this one, with work under way; and the way back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.store.engine.schema import head
from sandbox.faults import Switchboard
from tests.env.databases import Postgres
from tests.many.code import NEXT, earlier_code, later_code
from tests.many.members import PlannedOrder
from tests.many.outcome import examine
from tests.many.run import OXEN, OXLO, member_in, together, until

_BEFORE, _DURING = 24, 24  # orders
_DO = "install that version or restore a backup."


def planned(first: int, count: int) -> list[PlannedOrder]:
    return [PlannedOrder(member=member_in(n), model=OXLO if n % 4 == 0 else OXEN, count=1 + n % 2) for n in range(first, first + count)]


@pytest.mark.together
@pytest.mark.timeout(600)
@pytest.mark.parametrize("ending", ["stopped", "killed"])
async def test_a_new_version_takes_over_what_the_old_one_had_under_way(postgres: Postgres, tmp_path: Path, ending: str) -> None:
    """Some were delivered, some are made, of some the answer of the image API is awaited, the rest waits."""
    switchboard = Switchboard()
    old_code = await asyncio.to_thread(earlier_code, tmp_path / "old")
    url = postgres.create(template="template1")
    async with together(url, tmp_path, shards=1, switchboard=switchboard, STOP_GRACE_S="1") as run:
        old = await run.fleet.start(code=old_code)
        await old.until_ready()
        await run.orders.run(planned(0, 6), at_once=6)
        switchboard.turn_on("generation-stuck")
        switchboard.turn_on("events-early", times=3)  # these are answered when their image is made
        await run.orders.run(planned(6, _BEFORE), at_once=6, waits=False)
        new = await run.fleet.start()
        await until(lambda: run.images.images_in_work() > 6, "images are made")
        await (old.stop() if ending == "stopped" else old.kill())
        switchboard.turn_off("generation-stuck")
        await new.until_ready()
        await run.orders.run(planned(30, _DURING), at_once=6)
        await run.orders.until_shown()
        found = await examine(run, processes=1)
        again = await run.fleet.start(code=old_code)
        code = await again.until_ended()
    assert found.wrong == []
    assert found.jobs == 6 + _BEFORE + _DURING
    assert (code, again.log) == (2, f"The database was written by a newer Easel (schema {head()}); {_DO}\n")


@pytest.mark.together
@pytest.mark.timeout(600)
async def test_processes_are_upgraded_one_after_the_other_and_one_can_go_back(postgres: Postgres, tmp_path: Path) -> None:
    later = await asyncio.to_thread(later_code, tmp_path / "later", takes_away=False)
    async with together(postgres.create(), tmp_path, shards=2) as run:
        first, second = await run.start(2)
        ordering = asyncio.create_task(run.orders.run(planned(0, 60), at_once=6))
        third = await run.fleet.start(code=later)
        await third.until_ready()
        assert await first.stop() == 0
        fourth = await run.fleet.start(code=later)
        await fourth.until_ready()
        assert (second.is_running, await second.stop()) == (True, 0)
        back = await run.fleet.start()
        await back.until_ready()
        await ordering
        found = await examine(run, processes=3)
    assert found.wrong == []
    assert (found.jobs, postgres.sql("SELECT version_num FROM alembic_version", run.url)) == (60, NEXT)


@pytest.mark.together
@pytest.mark.timeout(600)
async def test_a_process_that_is_too_old_for_the_database_says_so_and_ends(postgres: Postgres, tmp_path: Path) -> None:
    """Whether it runs when the database is upgraded, or is started afterwards. The new one takes over its work."""
    later = await asyncio.to_thread(later_code, tmp_path / "later", takes_away=True)
    async with together(postgres.create(), tmp_path, shards=1) as run:
        (old,) = await run.start(1)
        await run.orders.run(planned(0, 12), at_once=6, waits=False)
        new = await run.fleet.start(code=later)
        code = await old.until_ended()
        older = await run.fleet.start()
        refused = await older.until_ended()
        await new.until_ready()
        await run.orders.until_shown()
        assert await new.stop() == 0
    told = f"The database was upgraded by a newer Easel (schema {NEXT}); {_DO}\n"
    assert (code, old.log.splitlines(keepends=True)[-1]) == (2, told)
    assert (refused, older.log) == (2, told)
