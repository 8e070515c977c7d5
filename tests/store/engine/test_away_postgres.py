"""PostgreSQL that is away: stopped, cut off, frozen, or lost just when a transaction is committed. PgBouncer's peculiarities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from sqlalchemy import Connection

from bot.core.errors import DatabaseAway, DatabaseInUse, MaybeSaved
from bot.core.running import patience
from bot.store import kv
from bot.store.engine import outage
from bot.store.engine.base import Store, Topic, announce
from bot.store.engine.opening import open_store
from bot.store.engine.outage import Limits
from tests.env.databases import Postgres
from tests.env.job_steps import restart
from tests.env.postgres_proxy import Lost, PostgresProxy, postgres_proxy
from tests.store.engine.test_processes import reopened

QUICK = Limits(notice_s=0.1, connect_s=1, attempt_s=1, commit_s=0.1, close_s=0.5)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(outage, "LIMITS", QUICK)
    with patience.limited(1.5):
        yield


@pytest.fixture
async def proxy(postgres: Postgres) -> AsyncIterator[PostgresProxy]:
    async with postgres_proxy(postgres.emptied()) as proxy:
        yield proxy


@pytest.fixture
async def pg_store(proxy: PostgresProxy) -> AsyncIterator[Store]:
    async with open_store(proxy.url) as store:
        await store.write(kv.put, "before", 1, 0)
        yield store


def counted(name: str) -> Callable[[Connection], None]:
    """Adds one to a number, which shows an operation that ran twice."""
    return lambda conn: kv.put(conn, name, (kv.get(conn, name) or 0) + 1, 0)


async def endlessly(store: Store, name: str) -> None:
    with patience.endless():
        await store.write(counted(name))


Fault = Callable[[PostgresProxy], Awaitable[None]]


async def stop(proxy: PostgresProxy) -> None:
    await proxy.refuse()


async def freeze(proxy: PostgresProxy) -> None:
    proxy.freeze()


async def cut(proxy: PostgresProxy) -> None:
    """Every connection, while new ones are accepted."""
    proxy.cut()


async def again(proxy: PostgresProxy) -> None:
    proxy.thaw()
    if not proxy.is_listening:
        await proxy.listen()


@pytest.mark.parametrize("fault", [stop, freeze])
async def test_what_cannot_be_done_in_time_is_refused_and_never_done(pg_store: Store, proxy: PostgresProxy, fault: Fault) -> None:
    await fault(proxy)
    results = await asyncio.gather(pg_store.read(kv.get, "before"), pg_store.write(counted("now")), return_exceptions=True)
    assert [type(each) for each in results] == [DatabaseAway] * 2
    assert pg_store.away_since is not None
    await again(proxy)
    await endlessly(pg_store, "later")
    assert await pg_store.read(kv.get, "now") is None
    assert pg_store.away_since is None


@pytest.mark.parametrize("fault", [stop, freeze, cut])
async def test_a_loop_waits_until_the_database_is_back(pg_store: Store, proxy: PostgresProxy, fault: Fault) -> None:
    await fault(proxy)
    with patience.endless():
        waiting = [asyncio.create_task(pg_store.write(counted("loop"))), asyncio.create_task(pg_store.read(kv.get, "before"))]
    await asyncio.wait(waiting, timeout=1)
    await again(proxy)
    await asyncio.gather(*waiting)
    assert await pg_store.read(kv.get, "loop") == 1


async def test_an_outage_is_logged_once_and_without_traceback(
    pg_store: Store, proxy: PostgresProxy, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    await proxy.refuse()
    with patience.endless():
        waiting = [asyncio.create_task(pg_store.write(counted(f"{n}"))) for n in range(5)]
        waiting += [asyncio.create_task(pg_store.read(kv.get, "before")) for _ in range(20)]
    await asyncio.wait(waiting, timeout=0.5)
    await proxy.listen()
    await asyncio.gather(*waiting)
    printed = capsys.readouterr().out
    assert (printed.count("database away  "), printed.count("database away is over"), "Traceback" in printed) == (1, 1, False)
    assert caplog.records == []


@pytest.mark.parametrize("of_process", [False, True])
@pytest.mark.parametrize("lost", Lost)
async def test_a_commit_whose_answer_was_lost_is_decided_by_the_database(
    pg_store: Store, proxy: PostgresProxy, lost: Lost, of_process: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if of_process:
        await restart(pg_store, 0)
        monkeypatch.setattr("bot.store.engine.postgres.store._STATUS", "the number may be another's after a crash")
    subscription, proxy.lose_commit = pg_store.subscribe(Topic.QUEUE), lost

    def op(conn: Connection) -> str:
        announce(conn, Topic.QUEUE)
        counted("n")(conn)
        return "answer"

    assert await pg_store.write(op) == "answer"
    assert await pg_store.read(kv.get, "n") == 1
    assert await subscription.wait(timeout_s=0)


@pytest.mark.parametrize("lost", Lost)
async def test_a_member_is_told_what_is_not_known_and_it_is_decided_later(pg_store: Store, proxy: PostgresProxy, lost: Lost) -> None:
    proxy.lose_commit, proxy.accepts = lost, False
    with pytest.raises(MaybeSaved, match="may have been saved"):
        await pg_store.write(counted("member"))
    proxy.accepts = True
    await endlessly(pg_store, "loop")
    assert await pg_store.read(kv.get, "member") == (1 if lost is Lost.AFTER else None)


async def test_a_commit_of_which_the_server_knows_nothing_is_not_repeated(
    pg_store: Store, proxy: PostgresProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.engine.postgres.store._STATUS", "SELECT pg_xact_status(($1::text::bigint + 1000000)::text::xid8)")
    proxy.lose_commit = Lost.BEFORE
    with pytest.raises(MaybeSaved), patience.endless():
        await pg_store.write(counted("n"))
    assert await pg_store.read(kv.get, "n") is None


async def test_a_frozen_session_of_this_process_is_ended_and_its_lock_taken(pg_store: Store, proxy: PostgresProxy) -> None:
    proxy.strand()
    await endlessly(pg_store, "n")
    assert await pg_store.read(kv.get, "n") == 1


async def test_another_easel_that_took_the_lock_meanwhile_is_not_ended(pg_store: Store, proxy: PostgresProxy, postgres: Postgres) -> None:
    proxy.cut()
    async with reopened(postgres.shared) as other:
        with pytest.raises(DatabaseInUse), patience.endless():
            await pg_store.write(counted("n"))
        await endlessly(other, "n")


async def test_pgbouncer_is_asked_for_nothing_that_it_refuses(proxy: PostgresProxy) -> None:
    proxy.refuses_parameters = True
    async with open_store(proxy.url) as store:
        await store.write(counted("n"))
        settings = await store.read(lambda conn: conn.exec_driver_sql("SHOW lock_timeout").scalar())
    assert settings == "3s"


@pytest.mark.parametrize("fault", [stop, freeze])
async def test_a_store_can_be_closed_while_its_database_is_away(proxy: PostgresProxy, fault: Fault) -> None:
    async with open_store(proxy.url) as store:
        await fault(proxy)
        with patience.endless():
            waiting = [asyncio.create_task(store.write(counted("n"))), asyncio.create_task(store.read(kv.get, "n"))]
        await asyncio.wait(waiting, timeout=0.1)
    assert [type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)] == [DatabaseAway] * 2


async def test_slow_work_gets_more_time(pg_store: Store) -> None:
    with patience.endless():
        await pg_store.write(lambda conn: conn.exec_driver_sql("SELECT pg_sleep(1.2)").all())
        await pg_store.read(lambda conn: conn.exec_driver_sql("SELECT pg_sleep(1.2)").all())
