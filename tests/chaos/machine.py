"""Faults of the bot's own machine and database while members order: what was accepted is delivered, once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial

from bot.core.clock import SteadyClock
from bot.store import claims, outbox
from tests.chaos.databases import EngineName
from tests.chaos.load import Load, scene
from tests.chaos.table import Conditions, Result, Run
from tests.env.postgres_proxy import PostgresProxy, postgres_proxy
from tests.journeys.operations.test_faults import AheadClock
from tests.journeys.operations.test_loops import failing
from tests.journeys.operations.test_machine import SHORTAGES

_BEFORE, _JOBS, _SHORT = 10, 40, 6
_DAY_MS = 86_400_000
_LOOPS = ((claims, "to_submit"), (claims, "to_read"), (outbox, "claim"))
_LOOPS_OF = ("dispatch", "watch oxen", "outbox results", "outbox members", "outbox moderators")


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a fault can reach."""

    at: Load
    clock: AheadClock
    proxy: PostgresProxy | None


Fault = Callable[[Around], AbstractAsyncContextManager[None]]


async def _ordered_during(fault: Fault, lasts_s: float, conditions: Conditions) -> Result:
    """Order before, during and after the fault, and wait until everything has ended."""
    short, clock = conditions.short, AheadClock()
    async with AsyncExitStack() as stack:
        url = conditions.new_database()
        proxy = None if url.startswith("sqlite") else await stack.enter_async_context(postgres_proxy(url))
        at = await stack.enter_async_context(scene(conditions, url=url, DATABASE_URL=proxy.url if proxy else url))
        may_fail = _LOOPS_OF if fault is _loops_fail else ()
        app = await stack.enter_async_context(at.env.app(clock=SteadyClock(wall=clock), may_fail=may_fail))
        await stack.enter_async_context(at.members())
        await at.order(app, _SHORT if short else _BEFORE, in_flight=1000)
        async with fault(Around(at=at, clock=clock, proxy=proxy)):
            ordering = asyncio.create_task(at.order(app, _SHORT if short else _JOBS, in_flight=1000), name="orders")
            await asyncio.sleep(lasts_s / 20 if short else lasts_s)
        await ordering
        await at.order(app, _SHORT if short else _BEFORE, in_flight=1000)
        await at.until_open(app)
        return await at.result(tells_operator=True, expected="background loop failed" if fault is _loops_fail else None)


# --- faults ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _locked(around: Around) -> AsyncIterator[None]:
    """Another program writes to the file."""
    with closing(sqlite3.connect(around.at.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@asynccontextmanager
async def _frozen(around: Around) -> AsyncIterator[None]:
    assert around.proxy is not None
    around.proxy.freeze()
    yield
    around.proxy.thaw()


@asynccontextmanager
async def _stopped(around: Around) -> AsyncIterator[None]:
    assert around.proxy is not None
    await around.proxy.refuse()
    yield
    await around.proxy.listen()


@asynccontextmanager
async def _short_of(name: str, _around: Around) -> AsyncIterator[None]:
    with SHORTAGES[name]().lasting():
        yield


@asynccontextmanager
async def _clock_set(by_ms: int, around: Around) -> AsyncIterator[None]:
    around.clock.ahead_ms = by_ms
    yield


@asynccontextmanager
async def _loops_fail(_around: Around) -> AsyncIterator[None]:
    """Each loop of the pipeline fails three times."""
    real = [(owner, name, getattr(owner, name)) for owner, name in _LOOPS]
    for owner, name, function in real:
        setattr(owner, name, failing(function, 3))
    try:
        yield
    finally:
        for owner, name, function in real:
            setattr(owner, name, function)


_FAULTS: tuple[tuple[str, EngineName, Fault, float], ...] = (  # and for how many seconds
    ("database locked", EngineName.SQLITE, _locked, 12),
    ("database frozen", EngineName.POSTGRES, _frozen, 20),
    ("database stopped", EngineName.POSTGRES, _stopped, 20),
    *((f"machine: {name}", EngineName.SQLITE, partial(_short_of, name), 4) for name in SHORTAGES),
    ("clock a day forward", EngineName.SQLITE, partial(_clock_set, _DAY_MS), 1),
    ("clock a day back", EngineName.SQLITE, partial(_clock_set, -_DAY_MS), 1),
    ("loops fail", EngineName.SQLITE, _loops_fail, 1),
)
RUNS = tuple(
    Run(name=name, engine=engine, work=partial(_ordered_during, fault, lasts_s), accepted=_BEFORE, delivered=_BEFORE)
    for name, engine, fault, lasts_s in _FAULTS
)
