"""The key of a request is stored with its first write; a second delivery of it writes nothing."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection

from bot.core.errors import NotFound
from bot.core.running.idempotency import AlreadyDone, keyed
from bot.store import kv
from bot.store.engine import request_keys
from bot.store.engine.base import Store


async def add(store: Store, name: str) -> None:
    await store.write(kv.put, name, True, 0)


async def test_a_request_that_is_delivered_again_writes_nothing(store: Store) -> None:
    with keyed("interaction 1"):
        await asyncio.gather(add(store, "first"), add(store, "second"))  # a handler may write several times
    with keyed("interaction 1"), pytest.raises(AlreadyDone):
        await add(store, "third")
    assert [await store.read(kv.get, name) for name in ("first", "second", "third")] == [True, True, None]
    assert await store.read(request_keys.since, 0) == ["interaction 1"]


async def test_a_refused_request_may_be_delivered_again(store: Store) -> None:
    def refuse(_conn: Connection) -> None:
        raise NotFound("Nothing there.")

    with keyed("interaction 1"), pytest.raises(NotFound):
        await store.write(refuse)
    with keyed("interaction 1"):
        await add(store, "first")
    assert await store.read(kv.get, "first") is True


async def test_background_loops_store_no_key(store: Store) -> None:
    await add(store, "first")
    assert await store.read(request_keys.since, 0) == []
