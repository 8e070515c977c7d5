"""From the version of which only one process could run to this one, with work under way; and the way back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandbox.faults import Switchboard
from tests.env.databases import Postgres
from tests.many.code import earlier_code
from tests.many.members import PlannedOrder
from tests.many.outcome import examine
from tests.many.run import OXEN, OXLO, member_in, together, until

_BEFORE, _DURING = 24, 24  # orders


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
    assert found.wrong == []
    assert found.jobs == 6 + _BEFORE + _DURING
