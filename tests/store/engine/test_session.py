"""PostgreSQL only: the session that holds a process's locks, and what processes announce to each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import Connection

from bot.core.errors import DatabaseInUse
from bot.core.running.coordination import SharedLocks
from bot.store.engine import outage
from bot.store.engine.base import Store, Topic, announce
from bot.store.engine.opening import open_store
from bot.store.engine.outage import Limits
from bot.store.engine.postgres.session import Session
from tests.env.databases import Postgres, refusal
from tests.services.conftest import eventually
from tests.store.engine.test_postgres import cut

Both = tuple[Store, Store]


@pytest.fixture
async def both(postgres_url: str) -> AsyncIterator[Both]:
    """Two processes."""
    async with open_store(postgres_url, is_shared=True) as one, open_store(postgres_url, is_shared=True) as two:
        yield one, two


async def test_a_tool_and_processes_exclude_each_other(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "LIMITS", Limits(in_use_s=0))
    async with open_store(postgres_url, is_shared=True), open_store(postgres_url, is_shared=True):
        assert "Another Easel is using the database" in await refusal(postgres_url)
    async with open_store(postgres_url):
        with pytest.raises(DatabaseInUse):
            await AsyncExitStack().enter_async_context(open_store(postgres_url, is_shared=True))


async def test_a_process_waits_for_whoever_has_the_database_alone(postgres_url: str) -> None:
    async with AsyncExitStack() as alone, AsyncExitStack() as process:
        await alone.enter_async_context(open_store(postgres_url))
        opening = asyncio.create_task(process.enter_async_context(open_store(postgres_url, is_shared=True)))
        await asyncio.wait([opening], timeout=0.5)
        assert not opening.done()
        await alone.aclose()
        await opening


async def test_a_lock_is_held_by_one_process_until_it_lets_go_or_ends(postgres_url: str, both: Both) -> None:
    one, two = both
    assert [await store.coordination.try_lock("a") for store in (one, one, two)] == [True, True, False]
    await one.coordination.unlock("a")
    assert await two.coordination.try_lock("a")
    async with open_store(postgres_url, is_shared=True) as third:
        assert await third.coordination.try_lock("b")
    assert await one.coordination.try_lock("b")


async def test_a_lock_that_two_tasks_took_is_let_go_at_once(both: Both) -> None:
    one, two = both
    assert await asyncio.gather(*(one.coordination.try_lock("a") for _ in range(3))) == [True] * 3
    await one.coordination.unlock("a")
    assert await two.coordination.try_lock("a")


async def test_a_lock_that_is_wanted_again_while_it_is_let_go_is_held(both: Both) -> None:
    one, two = both
    assert isinstance(one.coordination, Session)
    assert await one.coordination.try_lock("a")
    async with one.coordination._turn:  # something else is being asked
        both_at_once = asyncio.gather(one.coordination.unlock("a"), one.coordination.try_lock("a"))
        await asyncio.sleep(0)
    await both_at_once
    assert one.coordination.is_held("a")
    assert not await two.coordination.try_lock("a")


async def test_a_lost_session_loses_its_locks_and_is_opened_again(both: Both, postgres: Postgres, postgres_url: str) -> None:
    one, two = both
    assert await one.coordination.try_lock("a")
    lost = asyncio.create_task(one.coordination.wait_lost())
    await cut(one, postgres, postgres_url)
    async with asyncio.timeout(10):
        await lost
        assert not one.coordination.is_held("a")
        await eventually(lambda: two.coordination.try_lock("a"))  # its session was cut too
        await eventually(lambda: one.coordination.try_lock("b"))
    assert not await one.coordination.try_lock("a")


async def test_tasks_of_two_processes_are_within_a_shared_lock_one_at_a_time(both: Both) -> None:
    within, most = 0, 0
    locks = [SharedLocks("job", store.coordination) for store in both]

    async def work(locks: SharedLocks) -> None:
        nonlocal within, most
        async with locks.of("one"):
            within += 1
            most = max(most, within)
            await asyncio.sleep(0.01)
            within -= 1

    await asyncio.gather(*(work(each) for each in locks * 3))
    assert most == 1


async def test_what_one_process_announces_wakes_the_others_after_its_commit(both: Both) -> None:
    one, two = both
    forgotten: list[str | None] = []
    two.when_changed_elsewhere(Topic.GUILD_SETTINGS, forgotten.append)
    one.when_changed_elsewhere(Topic.GUILD_SETTINGS, forgotten.append)  # its own are not told
    waiting = two.subscribe(Topic.GUILD_SETTINGS)

    def failing(conn: Connection) -> None:
        announce(conn, Topic.GUILD_SETTINGS, 1)
        raise LookupError

    with pytest.raises(LookupError):
        await one.write(failing)
    await one.write(announce, Topic.GUILD_SETTINGS, 2)
    assert await waiting.wait(timeout_s=10)
    assert forgotten == ["2"]


async def test_whatever_may_have_been_missed_is_read_again(both: Both, postgres: Postgres, postgres_url: str) -> None:
    forgotten, waiting = list[str | None](), both[1].subscribe(Topic.QUEUE)
    both[1].when_changed_elsewhere(Topic.MODELS, forgotten.append)
    await cut(both[1], postgres, postgres_url)
    assert await waiting.wait(timeout_s=10)
    assert forgotten == [None]
