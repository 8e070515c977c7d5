"""Transactions, reads, cancellation and closing, on both databases."""

from __future__ import annotations

import asyncio
from gettext import NullTranslations

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.util import await_only
from structlog.testing import capture_logs

from bot.core import i18n
from bot.store import kv
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from bot.store.tables import kv as table


def put_then_fail(conn: Connection, name: str) -> None:
    kv.put(conn, name, 1, 0)
    raise LookupError(name)


def put_one(conn: Connection, name: str) -> None:
    kv.put(conn, name, 1, 0)


def count(conn: Connection) -> int:
    return conn.scalar(select(func.count()).select_from(table)) or 0


async def test_a_write_is_readable_when_it_returns(store: Store) -> None:
    await store.write(kv.put, "name", {"a": [1, None, "ü"]}, 7)
    assert await store.read(kv.get, "name") == {"a": [1, None, "ü"]}


async def test_write_returns_what_the_operation_returns(store: Store) -> None:
    assert await store.write(kv.get, "nothing") is None
    assert await store.write(count) == 0


async def test_an_exception_is_raised_and_rolls_back_its_own_operation_only(store: Store) -> None:
    writes = (store.write(put_then_fail if n % 3 == 0 else put_one, f"k{n}") for n in range(30))
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(result, LookupError) for result in results) == 10
    assert await store.read(count) == 20


async def test_database_errors_are_raised_unchanged(store: Store) -> None:
    await store.write(put_one, "twice")
    with pytest.raises(IntegrityError):
        await store.write(lambda conn: conn.execute(insert(table).values(name="twice", value=2, updated_at=0)))
    assert await store.read(kv.get, "twice") == 1


async def test_database_errors_do_not_contain_values(store: Store) -> None:
    await store.write(put_one, "twice")
    with pytest.raises(IntegrityError) as caught:
        await store.write(lambda conn: conn.execute(insert(table).values(name="twice", value="a secret token", updated_at=0)))
    assert "a secret token" not in str(caught.value)


async def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"):
        await store.read(put_one, "name")
    assert await store.read(count) == 0


async def test_a_read_does_not_see_later_commits(store: Store) -> None:
    loop = asyncio.get_running_loop()

    def count_twice(conn: Connection) -> tuple[int, int]:
        before = count(conn)
        writing = store.write(put_one, "name")
        if conn.dialect.name == "sqlite":  # it reads on a thread
            asyncio.run_coroutine_threadsafe(writing, loop).result(timeout=5)
        else:
            await_only(writing)
        return before, count(conn)

    assert await store.read(count_twice) == (0, 0)
    assert await store.read(count) == 1


async def test_a_cancelled_caller_does_not_undo_the_write(database_url: str) -> None:
    async with open_store(database_url) as store:
        caller = asyncio.create_task(store.write(put_one, "outcome"))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
    async with open_store(database_url) as store:
        assert await store.read(kv.get, "outcome") == 1


async def test_a_failure_after_its_caller_was_cancelled_is_logged(database_url: str) -> None:
    with capture_logs() as logs:
        async with open_store(database_url) as store:
            caller = asyncio.create_task(store.write(put_then_fail, "unseen"))
            await asyncio.sleep(0)
            caller.cancel()
            await asyncio.wait([caller])
    assert [(line["log_level"], str(line["exc_info"])) for line in logs] == [("error", "unseen")]


async def test_a_cancelled_read_leaves_the_store_usable(store: Store) -> None:
    readers = [asyncio.create_task(store.read(count)) for _ in range(20)]
    await asyncio.sleep(0)
    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)
    assert await asyncio.gather(*(store.read(count) for _ in range(20))) == [0] * 20


async def test_closing_finishes_the_writes_that_were_begun(database_url: str) -> None:
    async with open_store(database_url) as store:
        writers = [asyncio.create_task(store.write(put_one, f"k{n}")) for n in range(200)]
        await asyncio.sleep(0)
    await asyncio.gather(*writers)
    async with open_store(database_url) as store:
        assert await store.read(count) == 200


async def test_a_closed_store_raises(database_url: str) -> None:
    async with open_store(database_url) as store:
        pass
    with pytest.raises(RuntimeError, match="the store is closed"):
        await store.write(count)
    with pytest.raises(RuntimeError, match="the store is closed"):
        await store.read(count)


async def test_an_operation_uses_its_caller_s_language(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(i18n._catalogues, "de", _Loud())
    with i18n.speaking("de"):
        assert await store.write(lambda _conn: i18n._("word")) == "WORD"
        assert await store.read(lambda _conn: i18n._("word")) == "WORD"
    assert await store.write(lambda _conn: i18n._("word")) == "word"


class _Loud(NullTranslations):
    def gettext(self, message: str) -> str:
        return message.upper()


async def test_a_key_value_entry_is_replaced(store: Store) -> None:
    await store.write(kv.put, "hash", "one", 1)
    await store.write(kv.put, "hash", "two", 2)
    assert await store.read(kv.get, "hash") == "two"
