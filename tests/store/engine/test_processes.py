"""Real processes on one database: a second one is refused, and a killed one loses no acknowledged write."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import stamina
from sqlalchemy import Connection, select

from bot.core.errors import StartError
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from bot.store.money import audit, ledger
from bot.store.tables import ledger as lines

_ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def process(url: str, *args: str, module: str = "busy_process") -> AsyncIterator[Process]:
    """tests/store/busy_process.py or another module, killed at the end without a chance to clean up."""
    command = (sys.executable, "-m", f"tests.store.{module}", url, *args)
    running = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, cwd=_ROOT)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def acknowledged(running: Process, *, at_least: int) -> list[str]:
    """The lines that the process had printed when it was killed, at least `at_least`."""
    assert running.stdout is not None
    printed = [await running.stdout.readline() for _ in range(at_least)]
    running.kill()
    printed += (await running.stdout.read()).splitlines(keepends=True)
    return [line.decode().strip() for line in printed if line.endswith(b"\n")]


def holds(conn: Connection) -> set[str | None]:
    return set(conn.scalars(select(lines.c.job_id).where(lines.c.entry == "hold")))


@asynccontextmanager
async def reopened(url: str) -> AsyncIterator[Store]:
    """The store after its owner was killed. Retries, because PostgreSQL needs a moment to notice the lost connection."""
    async with AsyncExitStack() as stack:
        async for attempt in stamina.retry_context(on=StartError, attempts=None, timeout=10, wait_initial=0.02, wait_max=0.1):
            with attempt:
                store = await stack.enter_async_context(open_store(url))
        yield store


async def test_a_second_process_is_refused_with_one_sentence(store: Store, database_url: str) -> None:
    async with process(database_url) as second:
        _, stderr = await second.communicate()
    assert stderr.decode().startswith("Another Easel is using the database")
    assert stderr.count(b"\n") == 1
    assert second.returncode == 1


async def test_a_killed_process_releases_the_lock(database_url: str) -> None:
    async with process(database_url, "hold") as owner:
        assert owner.stdout is not None
        assert await owner.stdout.readline() == b"open\n"
        with pytest.raises(StartError, match="Another Easel is using"):
            async with open_store(database_url):
                pass
    async with reopened(database_url) as store:
        assert await store.read(ledger.audit) == []


@pytest.mark.parametrize("lines_before", [50, *(pytest.param(n * 37, marks=pytest.mark.slow) for n in range(1, 20))])
async def test_acknowledged_writes_survive_a_kill(database_url: str, lines_before: int) -> None:
    async with process(database_url) as writer:
        printed = await acknowledged(writer, at_least=lines_before)
    async with reopened(database_url) as store:
        assert set(printed) <= await store.read(holds)
        assert await store.read(ledger.audit) == []


@pytest.mark.parametrize("lines_before", [30, *(pytest.param(n * 23, marks=pytest.mark.slow) for n in range(1, 20))])
async def test_the_ledger_is_correct_after_a_spending_process_is_killed(database_url: str, lines_before: int) -> None:
    async with process(database_url, module="spending_process") as spender:
        printed = await acknowledged(spender, at_least=lines_before)
    async with reopened(database_url) as store:
        assert set(printed) <= await store.read(holds)
        proof = await store.read(audit.prove)
    assert proof.wrong == ()
    assert proof.images >= lines_before
