"""PostgreSQL only: groups of writes, conflicts with other sessions, the connection that writes, unreachable servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no type information
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from bot.core.errors import DatabaseAway, StartError
from bot.core.metrics import LOCK_HOLD, LOCK_WAIT
from bot.core.running import patience
from bot.store import kv
from bot.store.engine.base import GROUP_MAX, Store
from bot.store.engine.opening import open_store
from bot.store.engine.outage import Availability
from bot.store.engine.postgres.sessions import SESSION
from bot.store.engine.postgres.store import _WRITER, PostgresStore, _url
from tests.env.databases import Postgres, refusal
from tests.store.engine.groups import fail

Op = Callable[[Connection], Any]

_WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
_TERMINATE = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'easel' AND datname = '{}'"


@pytest.fixture
async def pg_store(postgres_url: str) -> AsyncIterator[Store]:
    async with open_store(postgres_url) as store:
        yield store


async def cut(store: Store, postgres: Postgres, postgres_url: str) -> None:
    """End the store's connections, and wait until it has noticed."""
    assert isinstance(store, PostgresStore)
    driver = (await (await store._writing.get()).get_raw_connection()).driver_connection
    assert driver is not None
    seen = asyncio.Event()
    driver.add_termination_listener(lambda _: seen.set())
    postgres.sql(_TERMINATE.format(postgres_url.partition("?")[0].rpartition("/")[2]))
    await asyncio.wait_for(seen.wait(), 10)


def put(name: str) -> Op:
    return lambda conn: kv.put(conn, name, 1, 0)


async def together(store: Store, *ops: Op) -> list[Any]:
    """Run the operations as one group."""
    return await asyncio.gather(*(store.write(op) for op in ops), return_exceptions=True)


@asynccontextmanager
async def session(postgres_url: str, **settings: str) -> AsyncIterator[Any]:
    """A session of somebody else in the same database."""
    conn = await asyncpg.connect(postgres_url, server_settings=settings)
    try:
        yield conn
    finally:
        await conn.close()


async def deadlock(other: Any) -> tuple[Op, list[asyncio.Task[None]]]:
    """An operation that deadlocks with another session the first time, and the task of that session."""
    await other.execute("INSERT INTO kv VALUES ('a', '0', 0), ('b', '0', 0)")
    lock, tasks = "SELECT * FROM kv WHERE name = $1 FOR UPDATE", list[asyncio.Task[None]]()

    async def lock_both() -> None:
        async with other.transaction():
            await other.fetch(lock, "b")
            await other.fetch(lock, "a")

    def op(conn: Connection) -> None:
        kv.put(conn, "a", 1, 0)
        if not tasks:
            tasks.append(asyncio.create_task(lock_both()))
            while not conn.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                pass
        kv.put(conn, "b", 1, 0)

    return op, tasks


async def test_queued_writes_are_committed_together(pg_store: Store) -> None:
    await together(pg_store, *(put(f"k{n}") for n in range(GROUP_MAX + 1)))
    assert pg_store.commits == 2


async def test_how_long_processes_wait_for_their_turn_to_write_is_measured(postgres_url: str) -> None:
    def slow(conn: Connection) -> None:
        conn.exec_driver_sql("SELECT pg_sleep(0.05)")

    waited, held = (metric._sum.get() for metric in (LOCK_WAIT, LOCK_HOLD))
    async with open_store(postgres_url, is_shared=True) as store, open_store(postgres_url, is_shared=True) as other:
        await asyncio.gather(store.write(slow), other.write(slow))
    assert LOCK_WAIT._sum.get() - waited >= 0.04
    assert LOCK_HOLD._sum.get() - held >= 0.1


async def test_writes_that_come_while_another_process_writes_share_the_next_commit(postgres_url: str) -> None:
    async with open_store(postgres_url, is_shared=True) as store, session(postgres_url) as other:
        async with other.transaction():
            await other.execute(f"SELECT pg_advisory_xact_lock({_WRITER})")
            commits, first = store.commits, asyncio.create_task(store.write(put("a")))
            while not await other.fetchval(_WAITS):
                pass  # asking is waiting
            others = [asyncio.create_task(store.write(put(name))) for name in "bcd"]
            await asyncio.sleep(0)  # they are queued
        await asyncio.gather(first, *others)
    assert store.commits - commits == 1


async def test_a_long_wait_for_the_turn_is_no_outage(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SESSION, "lock_timeout", "20ms")  # of rows
    waited, failures = LOCK_WAIT._sum.get(), count()
    async with open_store(postgres_url, is_shared=True) as store, session(postgres_url) as other:
        monkeypatch.setattr(Availability, "failed", lambda *_, **__: next(failures) / 100)
        async with other.transaction():
            await other.execute(f"SELECT pg_advisory_xact_lock({_WRITER})")
            writing = asyncio.create_task(store.write(lambda conn: conn.exec_driver_sql("SHOW lock_timeout").scalar()))
            await other.execute("SELECT pg_sleep(0.2)")
        assert (await writing, next(failures)) == ("20ms", 0)
    assert LOCK_WAIT._sum.get() - waited > 0.1


async def test_one_failed_write_does_not_affect_the_rest_of_its_group(pg_store: Store) -> None:
    assert [type(result) for result in await together(pg_store, put("before"), fail, put("after"))] == [type(None), LookupError, type(None)]
    assert await pg_store.read(kv.get, "before") == await pg_store.read(kv.get, "after") == 1


async def test_writes_that_are_queued_while_others_run_are_committed_next(pg_store: Store) -> None:
    last: list[asyncio.Task[None]] = []
    await pg_store.write(lambda _: last.append(asyncio.create_task(pg_store.write(put("last")))))
    await last[0]
    assert pg_store.commits == 2


@pytest.mark.parametrize("others", [0, 2])
async def test_a_write_that_deadlocks_is_retried(pg_store: Store, postgres_url: str, others: int) -> None:
    async with session(postgres_url, deadlock_timeout="1min") as other:  # longer than ours: PostgreSQL ends our transaction
        op, tasks = await deadlock(other)
        assert await together(pg_store, *(put(f"k{n}") for n in range(others)), op) == [None] * (others + 1)
        await tasks[0]
    assert await pg_store.read(kv.get, "b") == 1


async def test_a_row_that_a_person_locked_delays_its_own_write_only(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SESSION, "lock_timeout", "50ms")
    async with open_store(postgres_url) as store, session(postgres_url) as other:
        async with other.transaction():
            await other.execute("INSERT INTO kv VALUES ('locked', '0', 0)")
            with patience.limited(0.3):
                results = await together(store, put("before"), put("locked"), put("after"))
            waiting = asyncio.create_task(store.write(put("locked")))
            await store.write(put("later"))
        await waiting
    assert [type(result) for result in results] == [type(None), DatabaseAway, type(None)]
    assert store.away_since is None


async def test_a_cut_connection_is_replaced(pg_store: Store, postgres: Postgres, postgres_url: str) -> None:
    await pg_store.write(kv.put, "name", 1, 0)
    await cut(pg_store, postgres, postgres_url)
    assert await pg_store.read(kv.get, "name") == 1
    await pg_store.write(kv.put, "name", 2, 0)


async def test_a_write_whose_connection_is_cut_runs_again(pg_store: Store, postgres: Postgres, postgres_url: str) -> None:
    cuts = iter((True,))

    def cut_then_put(conn: Connection) -> None:
        if next(cuts, False):
            await_only(cut(pg_store, postgres, postgres_url))
        kv.put(conn, "name", 1, 0)

    await pg_store.write(cut_then_put)
    assert await pg_store.read(kv.get, "name") == 1
    assert "Another Easel is using the database" in await refusal(postgres_url)


async def test_a_lost_lock_is_taken_again(pg_store: Store, postgres: Postgres, postgres_url: str) -> None:
    await cut(pg_store, postgres, postgres_url)
    await pg_store.write(kv.put, "name", 1, 0)
    assert "Another Easel is using the database" in await refusal(postgres_url)


async def test_nothing_is_written_while_another_process_has_the_lock(postgres_url: str, postgres: Postgres) -> None:
    async with open_store(postgres_url) as loser:
        await cut(loser, postgres, postgres_url)
        async with open_store(postgres_url):
            with pytest.raises(DatabaseAway):  # a member is not told the operator's sentence
                await loser.write(kv.put, "name", 1, 0)
            with pytest.raises(StartError, match="Another Easel is using the database"), patience.endless():
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
