"""Two processes on one PostgreSQL share what an image API allows, what it says, and what is heard of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import func, select

from bot.core.running.loops import Timing
from bot.domain.job import GenerationState
from bot.store.tables import generations
from sandbox import images
from sandbox.faults import Switchboard
from tests.env.databases import Postgres
from tests.services.conftest import Pipeline, eventually

# Polls would come too late for a test.
SLOW_POLLS = Timing(retry_min_s=0.05, retry_max_s=0.3, ping_min_s=0.2, ping_max_s=0.2, lookup_grace_s=0.2)
BURST = 8
WIDE = ("MAX_RUNNING", "MAX_RUNNING_PER_USER", "MAX_RUNNING_PER_SERVER", "OXEN_MAX_RUNNING")
SETTINGS: Any = {"OXEN_RATE_PER_MINUTE": str(BURST), **dict.fromkeys(WIDE, "40")}


@pytest.fixture
async def both(switchboard: Switchboard, postgres: Postgres, tmp_path: Path) -> AsyncIterator[tuple[Pipeline, Pipeline]]:
    """Two processes that work for one image API, which stand beside each other in this one."""
    url = postgres.create()
    async with AsyncExitStack() as stack:
        stack.callback(postgres.drop, url)
        server = await stack.enter_async_context(images.serve(switchboard=switchboard, timing=images.FAST, draft=True))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        opened = [Pipeline(images=server, session=session, data_dir=tmp_path / name) for name in ("one", "two")]
        for each in opened:
            each.data_dir.mkdir()
            stack.push_async_callback(each.close)
            await each.restart(timing=SLOW_POLLS, failures=3, **{"DATABASE_URL": url, **SETTINGS})
        await opened[0].models.refresh("oxen")
        await opened[1].models.load()
        yield opened[0], opened[1]


@asynccontextmanager
async def working(first: Pipeline, second: Pipeline, *, sends: Collection[Pipeline]) -> AsyncIterator[None]:
    """Both share what they learn. The first one listens, reads and pings."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for each in sends:
            await stack.enter_async_context(each.running("dispatch"))
        await stack.enter_async_context(first.running("watch"))
        runs = [each.app.api_states.run([each.guard]) for each in (first, second)]
        tasks = [group.create_task(run) for run in (*runs, first.guard.run())]
        await eventually(lambda: is_heard(first))
        yield
        for task in tasks:
            task.cancel()


async def is_heard(pipeline: Pipeline) -> bool:
    return pipeline.watch._is_connected


async def count(pipeline: Pipeline, state: GenerationState) -> int:
    return await pipeline.store.read(
        lambda conn: conn.scalar(select(func.count()).select_from(generations).where(generations.c.state == state)) or 0
    )


@pytest.mark.faults("events-early")  # before the process that sent has recorded the id
async def test_the_rate_holds_for_both_and_one_hears_for_both(both: tuple[Pipeline, Pipeline]) -> None:
    first, second = both
    async with working(first, second, sends=both):
        for n in range(2 * BURST):
            await both[n % 2].order(seed=n)

        async def is_used_up() -> bool:
            return await count(first, GenerationState.SUCCEEDED) == BURST

        await eventually(is_used_up)
        assert await count(first, GenerationState.WAITING) == BURST
        assert {len(each.app.dispatch._sending.active) for each in both} == {0}
    assert first.images.received("GET", "/api/ai/queue/") == []  # no event was missed


async def test_an_outage_that_one_has_seen_is_known_to_both_and_ends_for_both(
    both: tuple[Pipeline, Pipeline], switchboard: Switchboard
) -> None:
    """The second one alone sends, the first one alone pings."""
    first, second = both
    async with working(first, second, sends=[second]):
        switchboard.turn_on("oxen-down")
        jobs = [await second.order(seed=n) for n in range(3)]
        await eventually(lambda: are_open(both, False))
        paid = len(first.images.received("POST", "/api/ai/queue"))
        await asyncio.gather(*(each.app.dispatch._sending.turn() for each in both))
        assert len(first.images.received("POST", "/api/ai/queue")) == paid
        switchboard.turn_off("oxen-down")
        await eventually(lambda: are_open(both, True))
        for job in jobs:
            await second.until(job)


async def are_open(both: tuple[Pipeline, Pipeline], wanted: bool) -> bool:
    return all(each.guard.is_open is wanted for each in both)
