"""What retention deletes and what it keeps, on a store with sixty finished jobs of 30 days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, Executable, Table, func, insert, select, update

from benchmarks.history import BUSY, GUILD, NOW, fill, job_id
from bot.domain.money.quota import DAY_MS, MICRO, Bucket
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.retention import KeepDays
from bot.services import housekeeping
from bot.store import delivery, outbox, sweeps, tables
from bot.store.engine.base import Store
from bot.store.moderation import cases, expiry
from bot.store.money import audit
from tests.env.job_steps import check_ledger

JOBS = 60
_BUCKET = Bucket(size=10 * MICRO, refill_per_day=0)
LATER = NOW + 10_000 * DAY_MS


@pytest.fixture(autouse=True)
async def _filled(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "_REST", 0)
    await store.write(fill, JOBS)


async def sweep(store: Store, now: int, **keep: float) -> Mapping[str, int]:
    works = housekeeping.sweeps_of(KeepDays(**keep), _BUCKET)
    return {name: await work(store, now) for name, work in works.items()}


def counts(conn: Connection) -> dict[str, int]:
    """How many rows each table has, without the empty ones."""
    found = {table.name: conn.scalar(select(func.count()).select_from(table)) or 0 for table in tables.metadata.sorted_tables}
    return {name: count for name, count in found.items() if count}


async def execute(store: Store, statement: Executable) -> None:
    def op(conn: Connection) -> None:
        conn.execute(statement)

    await store.write(op)


async def change(store: Store, table: Table, id_: int | str, **values: Any) -> None:
    await execute(store, update(table).where(table.c.id == id_).values(**values))


def named_in(conn: Connection, table: Table) -> set[Any]:
    """The jobs and cases that the rows of a table name."""
    rows = conn.execute(select(*(column for column in table.c if column.name in ("job_id", "case_id")))).all()
    return {value for row in rows for value in row}


def ids(conn: Connection, table: Table) -> list[Any]:
    return list(conn.scalars(select(table.c.id).order_by(table.c.id)))


async def test_in_the_end_only_money_and_usage_are_left(store: Store) -> None:
    await sweep(store, LATER)
    assert (await store.read(counts)).keys() <= {"accounts", "ledger", "daily_usage", "kv"}
    assert (await store.read(audit.prove)).wrong == ()


async def test_nothing_young_is_deleted(store: Store) -> None:
    before = await store.read(counts)
    assert not any((await sweep(store, NOW, references=30, images=30)).values())
    assert await store.read(counts) == {**before, "kv": 1}  # up to when the ledger was folded


async def test_a_sweep_leaves_nothing_for_the_next_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "FOUND_MAX", 3)
    monkeypatch.setattr(sweeps, "WRITE_MAX", 2)
    assert sum((await sweep(store, LATER)).values()) > JOBS
    assert not any((await sweep(store, LATER)).values())


async def test_each_kind_has_its_own_time(store: Store) -> None:
    await sweep(store, NOW + 100 * DAY_MS)
    left = await store.read(counts)
    assert (left["jobs"], left["cases"], left["audit"]) == (JOBS, 2, 4)
    assert not left.keys() & {"thumbnails", "job_references", "images"}
    await sweep(store, NOW + 500 * DAY_MS)
    left = await store.read(counts)
    assert (left["jobs"], left["cases"], left["audit"], left.get("gallery")) == (2, 2, 4, None)  # those with a case stay as long as that


async def test_an_undecided_case_stays_with_all_that_it_shows(store: Store) -> None:
    await change(store, tables.cases, 51, state="open", decision=None, decided_at=None)
    await sweep(store, LATER)
    file = await store.read(lambda conn: cases.file_of(conn, cases.waiting(conn, GUILD)[0]))
    assert (file.case.id, file.job and file.job.id, len(file.flags)) == (51, job_id(51), 1)
    assert [await store.read(ids, table) for table in (tables.jobs, tables.strikes, tables.blocks)] == [[job_id(51)], [2], [2]]
    assert (await store.read(counts))["audit"] == 2


async def test_a_current_block_stays(store: Store) -> None:
    await change(store, tables.blocks, 1, until=None)
    await sweep(store, LATER)
    assert await store.read(ids, tables.blocks) == [1]


async def test_a_job_stays_while_something_is_open(store: Store) -> None:
    await change(store, tables.jobs, job_id(2), state="open")
    await store.write(outbox.add, OutboxItem(kind=ItemKind.COVER, due_at=LATER, job_id=job_id(4)))
    await execute(store, update(tables.generations).where(tables.generations.c.job_id == job_id(6)).values(state="running"))
    await sweep(store, LATER)
    assert await store.read(ids, tables.jobs) == [job_id(2), job_id(4), job_id(6)]


async def test_a_job_stays_while_a_report_about_it_counts(store: Store) -> None:
    report = {"at": LATER, "channel_id": 5, "message_id": 5, "user_id": 5, "reason": "", "counts": True}
    await execute(store, insert(tables.reports).values(**report, job_id=job_id(2)))
    await sweep(store, LATER)
    assert await store.read(ids, tables.jobs) == [job_id(2)]


async def test_no_row_names_a_job_or_case_that_is_gone(store: Store) -> None:
    await change(store, tables.audit, 1, case_id=None)  # of the job alone
    await housekeeping.remove(store, expiry.old_cases(LATER))
    await housekeeping.remove(store, expiry.old_reports(LATER))
    await housekeeping.remove(store, delivery.old_jobs(LATER))
    for table in (tables.strikes, tables.blocks, tables.audit):
        assert await store.read(named_in, table) == {None}
    await check_ledger(store)


async def test_a_sponsorship_stays_until_nothing_is_to_be_returned(store: Store) -> None:
    row = {"channel_id": 5, "host_id": BUSY, "host_account": "x", "cap": 1, "opened_at": 1, "until": 2, "closed_at": 2}
    rest = {"name": "sponsor:rest", "available": 0, "held": 1, "spent": 0, "as_of": 1}
    await execute(store, insert(tables.sponsorships).values(**row, id="rest", state="closed"))
    await execute(store, insert(tables.accounts).values(**rest))
    await sweep(store, LATER)
    assert await store.read(ids, tables.sponsorships) == ["rest"]


async def test_a_write_ends_after_a_few_milliseconds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "WRITE_S", 0)
    expired = delivery.old_thumbnails(LATER)
    found = await store.read(sweeps.find, expired)
    assert await store.write(sweeps.remove, expired, found.keys) == (1, 1)
