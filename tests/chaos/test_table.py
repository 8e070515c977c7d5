"""A run that did no work, or found a fault, fails; and the checks find faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from bot.domain.job import JobState
from bot.store import steps, tables
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from sandbox.messages import Message
from tests.chaos.checks import Outside, examine
from tests.chaos.databases import EngineName
from tests.chaos.table import MUST_BE_ZERO, Conditions, Finished, Result, Run
from tests.env.job_steps import order, run
from tests.env.jobs import SUCCEEDED, new_job


async def work(_: Conditions) -> Result:
    return Result()


RUN = Run(name="kills", engine=EngineName.SQLITE, work=work, accepted=5, delivered=5)
DONE = Result(accepted=5, delivered=5)


@pytest.mark.parametrize("name", MUST_BE_ZERO)
def test_one_fault_fails_a_run(name: str) -> None:
    assert Finished(run=RUN, result=DONE, seconds=1).faults == ()
    fault: dict[str, Any] = {name: 1}
    assert Finished(run=RUN, result=replace(DONE, **fault), seconds=1).faults


def test_a_run_that_did_no_work_fails() -> None:
    assert len(Finished(run=RUN, result=Result(), seconds=1).faults) == 2
    assert len(Finished(run=RUN, result=Result(accepted=1), seconds=1, short=True).faults) == 1


def shown(job_id: str, message_id: int) -> Message:
    button = {"type": 2, "custom_id": f"v1:more:{job_id}:0"}
    return Message(
        {"id": str(message_id), "content": "", "embeds": [], "reactions": [], "components": [{"type": 1, "components": [button]}]}
    )


async def delivered_job(store: Store) -> str:
    job = await run(store, await order(store, new_job()))
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    await store.write(lambda conn: conn.execute(update(tables.jobs).values(state=JobState.DELIVERED)) and None)
    await store.write(lambda conn: conn.execute(delete(tables.outbox)) and None)
    return job.id


async def test_the_checks_find_what_is_wrong(tmp_path: Path, sqlite_template: Path) -> None:
    url = f"sqlite:///{tmp_path / 'easel.sqlite3'}"
    made = {"prompt": "a red fox", "used_seed": 100}
    async with open_store(url) as store:
        job_id = await delivered_job(store)
        right = Outside(generations=[made], messages=[shown(job_id, 1)])
        assert (await examine(url, right)).wrong == ()
        for count, outside in (
            ("lost", Outside(generations=[made], messages=[])),
            ("lost", Outside(generations=[made], messages=[shown(job_id, 1)], told=frozenset({"a blue fox"}))),
            ("doubled", Outside(generations=[made], messages=[shown(job_id, 1), shown(job_id, 2)])),
            ("second_enqueues", Outside(generations=[made, made], messages=[shown(job_id, 1)])),
        ):
            assert getattr(await examine(url, outside), count) == 1
        await store.write(lambda conn: conn.execute(insert(tables.reactions).values(_STRAY)) and None)
        await store.write(lambda conn: conn.execute(update(tables.accounts).values(held=1)) and None)
        result = await examine(url, right)
        assert (result.orphans, result.overspent > 0) == (1, True)


_STRAY = {"message_id": 1, "user_id": 7, "emoji": "🎨", "at": 1, "job_id": "none"}
