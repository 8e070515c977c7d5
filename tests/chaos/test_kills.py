"""kill -9 in every part of a scene, then a restart: nothing is lost, doubled, enqueued twice or charged twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.chaos.kills import RUNS
from tests.chaos.table import Conditions, Finished


@pytest.fixture
def new_database(tmp_path: Path, sqlite_template: Path) -> Callable[[], str]:
    numbers = count()
    return lambda: f"sqlite:///{shutil.copy(sqlite_template, tmp_path / f'{next(numbers)}.sqlite3')}"


@pytest.mark.timeout(180)  # six scenes
async def test_a_bot_killed_in_every_part_of_a_scene_loses_and_doubles_nothing(tmp_path: Path, new_database: Callable[[], str]) -> None:
    conditions = Conditions(seed=1, short=True, folder=tmp_path, new_database=new_database)
    result = await RUNS[0].work(conditions)
    assert Finished(run=RUNS[0], result=result, seconds=0, short=True).faults == ()
