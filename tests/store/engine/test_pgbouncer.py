"""Several processes on PostgreSQL through a real PgBouncer, in session mode and in transaction mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]  # it has no type information
import pytest
from sqlalchemy import Connection

from bot.core.errors import StartError
from bot.store import kv
from bot.store.engine.base import Store, Topic, announce
from bot.store.engine.opening import open_store, read_once
from tests.env.pgbouncer import in_front_of

_WRITES = 40
_REFUSED = "DATABASE_DIRECT_URL"
_LEFT = """
    SELECT current_setting('lock_timeout'), (SELECT count(*) FROM pg_prepared_statements WHERE name <> ''),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
"""


@asynccontextmanager
async def processes(pooled: str, direct: str) -> AsyncIterator[tuple[Store, Store]]:
    async with open_store(pooled, direct=direct, is_shared=True) as one, open_store(pooled, direct=direct, is_shared=True) as other:
        yield one, other


def add(conn: Connection) -> str:
    """Add one. Returns the lock timeout under which it happened."""
    kv.put(conn, "n", number(conn) + 1, 0)
    return timeout(conn)


def number(conn: Connection) -> int:
    return int(kv.get(conn, "n") or 0)


def timeout(conn: Connection) -> str:
    return str(conn.exec_driver_sql("SHOW lock_timeout").scalar_one())


async def use(one: Store, other: Store) -> None:
    """Everything that depends on sessions: writes by turns, reads beside them, settings, announcements, locks."""
    heard = other.subscribe(Topic.QUEUE)
    work = [each for store in (one, other) for _ in range(_WRITES) for each in (store.write(add), store.read(timeout))]
    assert {*await asyncio.gather(*work)} == {"3s"}
    assert await one.read(number) == 2 * _WRITES
    await one.write(announce, Topic.QUEUE)
    assert await heard.wait(10)
    assert [await store.coordination.try_lock("role:sweeps") for store in (one, other)] == [True, False]


async def test_session_mode_works_without_another_address(postgres_url: str) -> None:
    with in_front_of(postgres_url, mode="session", pool_size=40) as pooled:
        async with processes(pooled, "") as (one, other):
            await use(one, other)


async def test_transaction_mode_works_with_a_direct_address_and_leaves_nothing_in_its_sessions(postgres_url: str) -> None:
    with in_front_of(postgres_url, mode="transaction", pool_size=2) as pooled:
        async with processes(pooled, postgres_url) as (one, other):
            await use(one, other)
        assert await read_once(pooled, number) == 2 * _WRITES
        client = await asyncpg.connect(pooled, statement_cache_size=0)
        try:
            assert tuple(await client.fetchrow(_LEFT)) == ("0", 0, 0)
        finally:
            await client.close()


@pytest.mark.parametrize("is_named", [False, True])
async def test_transaction_mode_without_a_direct_address_is_refused(postgres_url: str, is_named: bool) -> None:
    with in_front_of(postgres_url, mode="transaction", pool_size=20) as pooled, pytest.raises(StartError, match=_REFUSED):
        async with processes(pooled, pooled if is_named else ""):
            pass
