"""Short versions of the runs in which Discord, the image APIs and members misbehave."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import pytest

from tests.chaos import discord_answers, fuzz, image_api, quota, stream
from tests.chaos.databases import EngineName
from tests.chaos.table import Conditions, Finished, Run

_MODULES = (discord_answers, fuzz, image_api, quota, stream)
_ELSEWHERE = ("answers at random",)  # tests/services/pipeline/test_random_answers.py
_RUNS = [run for module in _MODULES for run in module.RUNS if run.engine is not EngineName.POSTGRES and run.name not in _ELSEWHERE]


@pytest.mark.parametrize("run", _RUNS, ids=lambda run: run.name)
async def test_nothing_is_lost_or_doubled(run: Run, tmp_path: Path, sqlite_template: Path) -> None:
    numbers = count()

    def new_database() -> str:
        return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / f'{next(numbers)}.sqlite3')}"

    conditions = Conditions(seed=1, short=True, folder=tmp_path, new_database=new_database)
    assert Finished(run=run, result=await run.work(conditions), seconds=0, short=True).faults == ()
