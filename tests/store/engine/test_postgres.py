"""PostgreSQL only: conflicts between transactions, a lock held by a connection, unreachable servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Connection
from sqlalchemy.util import await_only

from bot.core.errors import StartError
from bot.store import kv
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from bot.store.engine.postgres import PostgresStore, _url
from tests.env.databases import Postgres, refusal

_TERMINATE = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = '{}' AND datname = '{}'"


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture
async def pg_store(url: str) -> AsyncIterator[Store]:
    async with open_store(url) as store:
        yield store


def cut(postgres: Postgres, name: str, url: str) -> None:
    postgres.sql(_TERMINATE.format(name, url.partition("?")[0].rpartition("/")[2]))


async def cut_lock(store: Store, postgres: Postgres, url: str) -> None:
    """End the connection that holds the lock, and wait until its owner has noticed."""
    assert isinstance(store, PostgresStore)
    assert store._lock._conn is not None
    driver = (await store._lock._conn.get_raw_connection()).driver_connection
    assert driver is not None
    seen = asyncio.Event()
    driver.add_termination_listener(lambda _: seen.set())
    cut(postgres, "easel lock", url)
    await asyncio.wait_for(seen.wait(), 10)


async def test_writes_that_deadlock_are_retried_until_both_succeed(pg_store: Store) -> None:
    met = asyncio.Barrier(2)
    tries: list[str] = []

    def put_both(conn: Connection, first: str, second: str) -> None:
        kv.put(conn, first, 1, 0)
        tries.append(first)
        if len(tries) <= 2:
            await_only(met.wait())  # each now waits for the other's row
        kv.put(conn, second, 1, 0)

    await asyncio.gather(pg_store.write(put_both, "a", "b"), pg_store.write(put_both, "b", "a"))
    assert len(tries) == 3


async def test_a_cut_connection_is_replaced(pg_store: Store, postgres: Postgres, url: str) -> None:
    await pg_store.write(kv.put, "name", 1, 0)
    cut(postgres, "easel", url)
    assert await pg_store.read(kv.get, "name") == 1
    await pg_store.write(kv.put, "name", 2, 0)


async def test_a_lost_lock_is_taken_again(pg_store: Store, postgres: Postgres, url: str) -> None:
    await cut_lock(pg_store, postgres, url)
    await pg_store.write(kv.put, "name", 1, 0)
    assert "Another Easel is using the database" in await refusal(url)


async def test_nothing_is_written_while_another_process_has_the_lock(url: str, postgres: Postgres) -> None:
    async with open_store(url) as loser:
        await cut_lock(loser, postgres, url)
        async with open_store(url):
            with pytest.raises(StartError, match="Another Easel is using the database"):
                await loser.write(kv.put, "name", 1, 0)


async def test_a_database_that_does_not_exist_is_refused(postgres: Postgres) -> None:
    address, _, query = postgres.template.partition("?")
    assert 'database "elsewhere" does not exist' in await refusal(f"{address.rpartition('/')[0]}/elsewhere?{query}")


async def test_an_unreachable_server_is_refused_without_showing_the_password() -> None:
    sentence = await refusal("postgresql://easel:hunter2@127.0.0.1:1/easel")
    assert sentence.startswith("The database easel on 127.0.0.1 cannot be used (")
    assert "hunter2" not in sentence


async def test_an_invalid_address_is_refused() -> None:
    assert await refusal("postgresql://easel:hunter2@host:port/easel") == "DATABASE_URL is written postgresql://user:password@host/name."


async def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    assert "needs the extra `postgres`" in await refusal("postgresql://easel@127.0.0.1/easel")


def test_sslmode_is_passed_to_asyncpg_as_ssl() -> None:
    assert _url("postgresql://easel@db/easel?sslmode=require").query == {"ssl": "require"}
