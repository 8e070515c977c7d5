"""Processes on one database: what the dead leave is free again, and nothing is taken from the living."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, select, text, update

from bot.core.errors import StartError, TakenOver
from bot.core.running import patience
from bot.domain.job import GenerationState
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.queueing.rate import Rate
from bot.domain.scheduling import Caps
from bot.store import claims, kv, outbox, steps, tables
from bot.store.claims import Place
from bot.store.cluster import processes
from bot.store.cluster.processes import Arrival, Newcomer
from bot.store.engine import schema
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from tests.env.databases import Postgres
from tests.env.job_steps import order
from tests.env.jobs import new_job

NOW, LEASE_MS = 5_000, 20_000


async def join(store: Store, home: str, *, gone: tuple[str, ...] = ()) -> Arrival:
    newcomer = Newcomer(name=f"machine:{home}", home=home, release="1", lease_ms=LEASE_MS)
    return await store.write(processes.join, newcomer, NOW, gone_homes=gone, is_alone=False)


async def renew(store: Store, process_id: int, *, may_judge: bool = True) -> list[str]:
    """Renew a lease. Returns the names of those whose work was taken over."""
    return list((await store.write(processes.renew, process_id, NOW, lease_ms=LEASE_MS, may_judge=may_judge)).gone)


async def owners(store: Store) -> dict[str, list[int | None]]:
    def read(conn: Connection) -> dict[str, list[int | None]]:
        claimed = (tables.jobs, tables.generations, tables.outbox)
        return {table.name: list(conn.scalars(select(table.c.owner))) for table in claimed}

    return await store.read(read)


async def lapse(store: Store, process_id: int) -> None:
    lapsed = update(tables.processes).where(tables.processes.c.id == process_id).values(lease_until=0)
    await store.write(lambda conn: conn.execute(lapsed))


async def with_claims(store: Store, process_id: int) -> None:
    """A job that is being submitted and an item that is being done, both by this process."""
    store.process_id = process_id
    job = await order(store, new_job(answer_until=9_000))
    await store.write(steps.start, job.id, 0, NOW)
    await store.write(outbox.add, OutboxItem(kind=ItemKind.REMOVE, due_at=NOW, data={"channel_id": 1, "message_id": 2}))
    await store.write(outbox.claim, NOW, kinds=[ItemKind.REMOVE], free=1, pause_ms=lambda _item: 1_000)
    store.process_id = None


async def test_what_a_dead_process_left_is_taken_over_after_its_lease(store: Store) -> None:
    dead, heir = [(await join(store, home)).id for home in "ab"]
    await with_claims(store, dead)
    await lapse(store, dead)
    assert await renew(store, heir) == ["machine:a"]
    assert await owners(store) == {"jobs": [heir], "generations": [None], "outbox": [None]}
    store.process_id = heir
    assert [each.state for each in await store.write(claims.lost, NOW, free=5)] == [GenerationState.SUBMITTING]
    ((item, _job),), _ = await store.write(outbox.claim, NOW + 1_000, kinds=[ItemKind.REMOVE], free=5, pause_ms=lambda _item: 1_000)
    assert item.attempts == 1  # what the dead process may have done is searched for


async def test_nothing_is_taken_from_the_living_or_by_those_that_may_not_judge(store: Store) -> None:
    living, late, judge = [(await join(store, home)).id for home in "abc"]
    for each in (living, late):
        await with_claims(store, each)
    await lapse(store, late)
    assert await renew(store, judge, may_judge=False) == []
    await lapse(store, judge)
    assert await renew(store, judge) == []  # all may have been kept from renewing
    assert await renew(store, late) == []
    assert await renew(store, judge) == []
    assert (await owners(store))["generations"] == [living, late]


async def test_a_process_that_leaves_or_whose_folder_is_free_has_nothing_any_more(store: Store) -> None:
    polite, killed = [(await join(store, home)).id for home in "ab"]
    for each in (polite, killed):
        await with_claims(store, each)
    await store.write(processes.leave, polite, NOW)
    heir = (await join(store, "c", gone=("b",))).id
    assert await owners(store) == {"jobs": [heir, heir], "generations": [None, None], "outbox": [None, None]}


async def test_an_id_is_never_given_again(store: Store) -> None:
    first = (await join(store, "a")).id
    await store.write(processes.leave, first, NOW)
    assert (await join(store, "a")).id > first


async def test_a_newer_schema_ends_a_process_that_is_too_old_for_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = (await join(store, "a")).id

    def upgrade(conn: Connection) -> None:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        kv.put(conn, schema.OLDEST_KEY, oldest, NOW)

    oldest = schema.head()
    await store.write(upgrade)
    assert await renew(store, mine) == []
    oldest = "9998"
    await store.write(upgrade)
    with pytest.raises(StartError, match="upgraded by a newer Easel"), patience.endless():
        await renew(store, mine)
    back = text("UPDATE alembic_version SET version_num = :head").bindparams(head=schema.head())
    await store.write(lambda conn: conn.execute(back))  # the tests share this database


# --- on PostgreSQL -------------------------------------------------------------------------------------------------------


async def test_a_process_that_was_given_up_writes_nothing_more(postgres: Postgres) -> None:
    url = postgres.create()
    async with open_store(url, is_shared=True) as zombie, open_store(url, is_shared=True) as other:
        zombie.process_id = (await join(zombie, "a")).id
        await lapse(other, zombie.process_id)
        assert await renew(other, (await join(other, "b")).id) == ["machine:a"]
        with pytest.raises(TakenOver), patience.endless():
            await zombie.write(kv.put, "name", 1, NOW)
        assert await other.read(kv.get, "name") is None
    postgres.drop(url)


async def test_processes_together_claim_each_image_once_and_keep_the_caps(postgres: Postgres) -> None:
    url = postgres.create()
    caps, place = Caps(per_user=2, per_guild=9, total=9), Place(max_running=3, rate=Rate(interval_us=1_000, burst=100), queued=True)
    async with open_store(url, is_shared=True) as one, open_store(url, is_shared=True) as two:
        for store, home in ((one, "a"), (two, "b")):
            store.process_id = (await join(store, home)).id
        await asyncio.gather(*(order(one, new_job()) for _ in range(6)))
        claiming = (store.write(claims.to_submit, NOW, free=9, caps=caps, places={"oxen": place}) for store in (one, two) * 3)
        claimed = [each.generation.job_id for claim in await asyncio.gather(*claiming) for each in claim[0]]
    assert len(set(claimed)) == len(claimed) == caps.per_user
    postgres.drop(url)
