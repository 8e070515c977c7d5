"""Prepared statements on both databases: the same values, errors and transactions as those that SQLAlchemy runs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, event, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from bot.store.engine.base import Store
from bot.store.engine.statements import Prepared, write
from bot.store.rows import generation_row, job_row
from bot.store.tables import accounts, generations, jobs, kv, ledger
from tests.env.jobs import new_job

PUT = Prepared(insert(kv))
SET = update(kv).where(kv.c.name == bindparam("of_name")).values(value=bindparam("to"), updated_at=2)
CHANGE = Prepared(SET)
READ = Prepared(select(kv.c.name, kv.c.value).where(kv.c.name.in_([bindparam("one"), bindparam("two")])).order_by(kv.c.name))
BOTH = {"one": "a", "two": "b"}


def row(name: str, value: Any = None) -> dict[str, Any]:
    return {"name": name, "value": value, "updated_at": 1, "unknown": "ignored"}


async def test_values_are_converted_both_ways(store: Store) -> None:
    await store.write(write, (PUT, [row("a", {"a": [1, None, "ü"]}), row("b", [True])]))
    assert [[*each] for each in await store.read(READ.rows, BOTH)] == [["a", {"a": [1, None, "ü"]}], ["b", [True]]]


async def test_a_number_is_read_beside_rows(store: Store) -> None:
    await store.write(write, (PUT, [row("a"), row("b"), row("c")]))
    both = READ.beside(Prepared(select(func.count()).where(kv.c.name >= bindparam("least"))))
    assert [[*each] for each in await store.read(both.rows, {**BOTH, "least": "b"})] == [["a", None, 2], ["b", None, 2]]


async def test_an_update_may_return_rows(store: Store) -> None:
    await store.write(write, (PUT, [row("a", 1)]))
    changed = await store.write(Prepared(SET.returning(kv.c.value)).rows, {"of_name": "a", "to": {"b": True}})
    assert [[*each] for each in changed] == [[{"b": True}]]


async def test_a_job_is_the_same_as_when_sqlalchemy_inserts_it(store: Store) -> None:
    prepared, other = new_job(params={"steps": 4, "words": ["a"]}, needs_check=True), new_job(params={"steps": 4, "words": ["a"]})

    def both(conn: Connection) -> list[dict[str, Any]]:
        write(
            conn,
            (Prepared(insert(jobs)), [job_row(prepared)]),
            (Prepared(insert(generations)), [generation_row(each) for each in prepared.generations]),
        )
        columns = {name: value for name, value in job_row(other).items() if name in jobs.c}
        conn.execute(insert(jobs).values({**columns, "needs_check": True}))
        return [{**each, "id": ""} for each in conn.execute(select(jobs)).mappings()]

    one, two = await store.write(both)
    assert one == two


async def test_many_changes_of_several_kinds_are_one_call(store: Store) -> None:
    await store.write(write, (PUT, [row("a", 1)]))
    await store.write(write, (PUT, []))
    await store.write(write, (PUT, []), (CHANGE, [{"of_name": "a", "to": 2}]), (PUT, [row("b", 1)]), (CHANGE, [{"of_name": "c", "to": 2}]))
    assert [[*each] for each in await store.read(READ.rows, BOTH)] == [["a", 2], ["b", 1]]


async def test_rows_keep_their_order_and_may_refer_to_other_rows_of_the_call(store: Store) -> None:
    account = {"name": "user:7", "available": 0, "held": 0, "spent": 0, "as_of": 0}
    line = dict.fromkeys(("job_id", "n", "other", "by_id", "note", "key"))
    lines = [{**line, "account": "user:7", "at": n, "entry": "open", "available": 0, "held": 0, "spent": 0} for n in range(20)]
    await store.write(write, (Prepared(insert(accounts)), [account]), (Prepared(insert(ledger)), lines))
    assert await store.read(lambda conn: conn.scalars(select(ledger.c.at).order_by(ledger.c.id)).all()) == [*range(20)]


async def test_errors_are_those_of_sqlalchemy_without_values(store: Store) -> None:
    await store.write(write, (PUT, [row("a")]))
    with pytest.raises(IntegrityError) as caught:
        await store.write(write, (PUT, [row("b")]), (PUT, [row("a", "a secret token")]))
    assert "a secret token" not in str(caught.value)
    assert len(await store.read(READ.rows, BOTH)) == 1


async def test_a_read_cannot_write_and_sees_one_snapshot(store: Store) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"):
        await store.read(write, (PUT, [row("a")]))
    assert await store.read(lambda conn: (READ.rows(conn, BOTH), conn.in_transaction())) == ([], True)


async def test_listeners_of_statements_see_them(store: Store) -> None:
    seen: list[str] = []

    def listened(conn: Connection) -> None:
        event.listen(conn, "before_cursor_execute", lambda _conn, _cursor, sql, *_: seen.append(sql))
        READ.rows(conn, BOTH)

    await store.read(listened)
    assert seen[-1].startswith("SELECT kv.name")
