"""The proof of many processes: four on one PostgreSQL with two shards, 2,000 jobs, kills, a stop and a restart of the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.env.databases import Postgres, running_postgres
from tests.many.outcome import examine
from tests.many.run import CAPS, HEAVY, KILLS, MOST, PER_HEAVY, PER_MEMBER, PER_SERVER, play, together

_PROCESSES, _SHARDS, _JOBS = 4, 2, 2_000


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that may be restarted."""
    with running_postgres() as server:
        yield server


@pytest.mark.together
@pytest.mark.timeout(1500)
async def test_processes_that_come_and_go_make_deliver_and_charge_everything_once(own_postgres: Postgres, tmp_path: Path) -> None:
    async with together(own_postgres.create(), tmp_path, shards=_SHARDS) as run:
        await play(run, own_postgres, processes=_PROCESSES, jobs=_JOBS)
        found = await examine(run, processes=_PROCESSES)
    print(f"\nseconds {run.phases.seconds}; {found}")  # noqa: T201 - how long each phase took, and what was measured
    assert found.wrong == []
    assert found.jobs >= _JOBS  # an order may be accepted although its member was not told
    assert {name: most for name, most in found.most.items() if most > CAPS[name]} == {}
    assert found.most["member"] == PER_MEMBER  # so they were tried
    assert found.most["server"] == PER_SERVER
    assert {api: beyond for api, beyond in found.beyond_rates.items() if beyond > MOST[api]} == {}  # those may be late that had their turn
    assert found.uncertain.total() <= KILLS * (MOST["oxlo"] + MOST["oxen"])
    assert found.overtaken <= len(HEAVY) * PER_HEAVY / 2  # in the order of arrival it would be nearly all of them
    assert (run.discord.hasty, run.discord.twice.total(), run.discord.unknown.total()) == ([], 0, 0)
