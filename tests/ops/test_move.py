"""`python -m bot move`: everything arrives, both ways, and a bot never starts on half of a database, nor on what was left behind."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, select, update

from benchmarks import history
from bot.domain.job import GenerationState
from bot.ops.move import command, sides
from bot.store import kv
from bot.store.backup import restored
from bot.store.cluster import processes as cluster
from bot.store.engine import moves
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store, read_once
from bot.store.engine.sqlite_copy import COPY_KEY
from bot.store.money import audit, transfers
from bot.store.moving import rows
from bot.store.tables import (
    generations,
    guilds,
    jobs,
    ledger,
    members,
    metadata,
    outbox,
    processes,
    provider_states,
    rates,
    reactions,
    request_keys,
)
from tests.env.command import started
from tests.env.databases import Postgres
from tests.env.job_steps import order
from tests.env.jobs import new_job
from tests.ops.conftest import Move, Place, refusal_of
from tests.services.conftest import eventually
from tests.store.money.accounts import member
from tests.store.privacy.traces import fill_every_table

Contents = Mapping[str, list[tuple[Any, ...]]]
BIG = 2**62 + 1
PROCESS = {"name": "here", "home": "a", "release": "1", "started_at": 1, "lease_until": 2, "commits": 3}
ODD = {"text": "a \U0001f98a, 'quoted' \\ \t\n", "list": [1.5, True, None, BIG], "nested": {"b": 1, "a": {}}}


def contents(conn: Connection) -> Contents:
    """All rows, as the bot reads them, without what is about the database itself."""
    return {table.name: sorted((tuple(row) for row in _rows(conn, table)), key=repr) for table in metadata.sorted_tables}


def _rows(conn: Connection, table: Table) -> list[Any]:
    return [row for row in conn.execute(select(table)) if not str(row[0]).startswith(("move:", "schema:"))]


# --- what arrives --------------------------------------------------------------------------------------------------------


async def leave_work(store: Store) -> None:
    """What a bot leaves that was killed: rows in every table, some claimed by its process."""
    await fill_every_table(store)
    owned = [await order(store, new_job(member=9)) for _ in range(2)]
    for name, value in {"odd": ODD, "number": BIG, "nothing": None}.items():
        await store.write(kv.put, name, value, BIG)

    def claim(conn: Connection) -> None:
        conn.execute(insert(guilds).values(guild_id=BIG, settings=ODD, updated_at=1))
        conn.execute(insert(request_keys).values(key="interaction:1", at=1))
        conn.execute(insert(rates).values(name="oxen", free_at_us=BIG))
        state = {"failures": 1, "retry_not_before": 2, "is_rate_limited": True, "limit_pause_s": 0}
        conn.execute(insert(provider_states).values(provider="oxen", **state))
        conn.execute(insert(processes), [PROCESS] * 7)
        conn.execute(processes.delete().where(processes.c.id != 6))
        conn.execute(update(jobs).where(jobs.c.id == owned[0].id).values(owner=6, answer_until=BIG))
        conn.execute(update(outbox).values(owner=6))
        sent = {"state": GenerationState.SUBMITTING, "submitted_at": 5, "not_before": BIG, "owner": 6}
        conn.execute(update(generations).where(generations.c.job_id == owned[1].id).values(sent))

    await store.write(claim)
    assert [name for name, found in (await store.read(contents)).items() if not found] == []


def with_freed_claims(conn: Connection) -> Contents:
    """What is lost is due at once; when that was, does not matter."""
    cluster.remove_all(conn, 0)
    lost = update(generations).where(generations.c.state == GenerationState.SUBMITTING, generations.c.not_before < BIG)
    conn.execute(lost.values(not_before=0))
    return contents(conn)


async def test_every_value_arrives_claims_are_free_and_ids_go_on(ends: tuple[str, str], moving: Move) -> None:
    source, target = ends
    async with open_store(source) as store:
        await leave_work(store)
    code, told = await moving(source, "--to", target)
    assert (code, "they add up on both sides" in told) == (0, True), told
    async with open_store(target) as store, open_store(source, even_if_moved=True) as old:
        assert await store.read(lambda conn: conn.scalars(select(processes.c.id)).all()) == []
        expected = await old.write(with_freed_claims)
        assert await store.write(with_freed_claims) == expected
        await store.write(transfers.grant, to=member(), amount=1, key="after", now=9)
        await store.write(lambda conn: conn.execute(insert(processes).values(PROCESS)))
        ids = await store.read(lambda conn: conn.scalars(select(ledger.c.id).order_by(ledger.c.id)).all())
        before = [row[0] for row in expected["ledger"]]
        assert ids == [*sorted(before), *range(max(before) + 1, ids[-1] + 1)]
        assert await store.read(lambda conn: conn.scalars(select(processes.c.id)).all()) == [8]  # 7 was given to a row that was deleted


async def test_a_history_moves_in_batches(ends: tuple[str, str], moving: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = ends
    async with open_store(source) as store:
        await store.write(history.fill, 120)
    before = await read_once(source, contents)
    monkeypatch.setattr(rows, "_ROWS", 50)
    monkeypatch.setattr(rows, "_BYTES", 1000)  # three of the images
    code, told = await moving(source, "--to", target)
    assert (code, (await read_once(target, audit.prove)).wrong) == (0, ()), told
    assert await read_once(target, contents) == before


# --- what is left --------------------------------------------------------------------------------------------------------


async def test_no_bot_starts_on_what_was_left_until_that_is_undone(ends: tuple[str, str], moving: Move) -> None:
    source, target = ends
    await moving(source, "--to", target)
    told = await refusal_of(source)
    assert (told or "").startswith(f"This database was moved to {sides.place_of(target)} on 20"), told
    code, again = await moving(source, "--to", target)
    assert (code, again) == (2, f"{told}\n")
    assert await refusal_of(target) is None
    assert (await moving(source, "--undo"))[0] == 0
    async with open_store(source) as store:
        made_at = await store.read(kv.get, COPY_KEY)  # what waits in it is asked for before it is sent
        assert await store.write(restored.resume, 0) == made_at
        assert await store.read(kv.get, COPY_KEY) is None
    assert await moving(source, "--undo") == (2, "The database of the settings was not moved, so there is nothing to undo.\n")


@dataclass(frozen=True, kw_only=True)
class Midway:
    """A move that waits before its end."""

    source: str
    target: str
    go_on: Callable[[], Awaitable[object]]

    async def is_reached(self) -> bool:
        return await self._has("NOT granted")

    async def is_left(self) -> bool:
        return not await self._has("objid <> 7")

    async def _has(self, which: str) -> bool:
        locks = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND {which}"  # noqa: S608 - constants
        return await read_once(self.target, lambda conn: conn.exec_driver_sql(locks).first() is not None)


_WAITS = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END';
CREATE TRIGGER wait BEFORE INSERT ON job_messages FOR EACH ROW EXECUTE FUNCTION wait()
"""


@pytest.fixture
async def midway(place: Place, postgres: Postgres) -> AsyncIterator[Midway]:
    """A move to PostgreSQL that comes as far as the messages of jobs."""
    import asyncpg  # type: ignore[import-untyped]  # it has no type information; here, because SQLite needs no asyncpg

    source, target = place("old.sqlite3"), postgres.create()
    async with open_store(source) as store:
        await store.write(history.fill, 50)
    session = await asyncpg.connect(target)
    await session.execute(f"{_WAITS}; SELECT pg_advisory_lock(7)")
    yield Midway(source=source, target=target, go_on=partial(session.execute, "SELECT pg_advisory_unlock(7)"))
    await session.close()
    await asyncio.to_thread(postgres.drop, target)


@pytest.mark.parametrize("signum", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
async def test_a_move_that_was_ended_midway_can_be_begun_anew(midway: Midway, moving: Move, tmp_path: Path, signum: signal.Signals) -> None:
    async with started("move", "--to", midway.target, folder=tmp_path, environ={"DATABASE_URL": midway.source}) as process:
        await eventually(midway.is_reached, timeout_s=20)
        process.send_signal(signum)
        out, err = await process.communicate()
    if signum == signal.SIGINT:
        told = f"{tmp_path}/old.sqlite3 is as it was. No bot starts on "
        assert (process.returncode, told in out.decode(), err.decode().endswith("Stopped.\n")) == (1, True, True)
    await midway.go_on()
    await eventually(midway.is_left)  # the server has noticed the end of the process
    assert (await refusal_of(midway.target) or "").startswith(f"This database is an unfinished copy of {tmp_path}/old.sqlite3: ")
    assert await refusal_of(midway.source) is None
    code, told = await moving(midway.source, "--to", midway.target)
    assert (code, await refusal_of(midway.target)) == (0, None), told


async def test_a_database_that_stays_away_ends_the_move(midway: Midway, moving: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_PATIENCE_S", 1)
    code, told = await moving(midway.source, "--to", midway.target)
    sentence = f"The database {sides.place_of(midway.target)} does not answer any more. "
    assert (code, sentence in told, "run the same command again to begin anew." in told) == (1, True, True), told


async def test_a_move_that_was_killed_between_its_marks_is_ended_by_the_next(
    ends: tuple[str, str], moving: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = ends
    monkeypatch.setattr(moves, "forget", lambda _conn, _name: None)
    await moving(source, "--to", target)
    assert None not in [await refusal_of(source), await refusal_of(target)]
    monkeypatch.undo()
    assert (await moving(source, "--to", target))[0] == 0
    assert [await refusal_of(url) is None for url in ends] == [False, True]


async def test_a_value_that_the_new_database_refuses_is_told(place: Place, moving: Move, postgres: Postgres) -> None:
    source, target = place("old.sqlite3"), postgres.emptied()
    async with open_store(source) as store:
        await store.write(lambda conn: conn.execute(insert(reactions).values(message_id=1, user_id=1, emoji="x" * 65, at=1)))
    code, told = await moving(source, "--to", target)
    assert (code, "The table reactions holds a value that the new database cannot store (value too long for type" in told) == (1, True), (
        told
    )


async def test_a_copy_that_differs_is_not_used(place: Place, moving: Move, postgres: Postgres) -> None:
    source, target = place("old.sqlite3"), postgres.create()
    async with open_store(source) as store:
        await store.write(lambda conn: conn.execute(insert(members).values(user_id=1, preferences={}, updated_at=1)))
    change = "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at = 2; RETURN NEW; END'"
    await asyncio.to_thread(postgres.sql, change, target)
    await asyncio.to_thread(postgres.sql, "CREATE TRIGGER change BEFORE INSERT ON members FOR EACH ROW EXECUTE FUNCTION change()", target)
    code, told = await moving(source, "--to", target)
    assert (code, "in the copy\n" in told, "so it must not be used" in told) == (1, True, True), told
    assert [await refusal_of(url) is None for url in (source, target)] == [True, False]
    await asyncio.to_thread(postgres.drop, target)
