"""The schema on disk and the tables in code are one, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import JSON, Connection, Insert, column, insert, make_url, table
from sqlalchemy.ext.asyncio import create_async_engine

from bot.errors import StartError
from bot.jobs.job import JobState
from bot.store import jobs, outbox
from bot.store.engine import Migration, migrate, open_store
from bot.store.migrate import _config, head
from bot.store.outbox import ItemKind
from bot.store.tables import metadata


def differences(conn: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), metadata))


async def test_the_migrations_lead_to_the_tables(no_schema_url: str) -> None:
    async with open_store(no_schema_url) as store:
        assert await store.read(differences) == []


async def test_the_first_start_makes_the_schema_and_the_second_changes_nothing(no_schema_url: str) -> None:
    assert await migrate(no_schema_url) == Migration(before=None, after=head())
    assert await migrate(no_schema_url) == Migration(before=head(), after=head())


async def test_without_migrating_an_old_schema_is_refused(no_schema_url: str) -> None:
    with pytest.raises(StartError, match="older than this Easel; run `python -m bot migrate`"):
        async with open_store(no_schema_url, migrate=False):
            pass


async def test_without_migrating_the_newest_schema_is_taken(database_url: str) -> None:
    async with open_store(database_url, migrate=False) as store:
        assert store.migration == Migration(before=head(), after=head())


@pytest.mark.parametrize("upgrade", [True, False])
async def test_a_newer_schema_is_refused(database_url: str, upgrade: bool) -> None:
    async with open_store(database_url) as store:
        await store.write(lambda conn: conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StartError) as caught:
        async with open_store(database_url, migrate=upgrade):
            pass
    sentence = "The database was written by a newer Easel (schema 9999); install that version or restore a backup."
    assert caught.value.sentence == sentence


async def test_of_two_first_starts_at_once_one_is_refused(no_schema_url: str) -> None:
    opened = asyncio.Event()

    async def start() -> str:
        try:
            async with open_store(no_schema_url), asyncio.timeout(10):
                await refused.wait()
        except StartError as error:
            refused.set()
            return error.sentence
        opened.set()
        return "opened"

    refused = asyncio.Event()
    outcomes = sorted(await asyncio.gather(start(), start()))
    assert outcomes[0].startswith("Another Easel is using the database")
    assert outcomes[1] == "opened"


async def test_what_was_owed_before_the_outbox_is_owed_in_it(no_schema_url: str) -> None:
    week_ms, century_ms = 7 * 86_400_000, 100 * 365 * 86_400_000
    unshown = [old_job("ready", "deliverable", 50), old_job("stuck", "stranded", week_ms), old_job("lost", "deliverable", century_ms)]
    await at_baseline(no_schema_url, *unshown, old_job("shown", "delivered", 0), old_errand())
    async with open_store(no_schema_url) as store:
        owed = {item.id: item for item in await store.read(outbox.due, century_ms)}
        states = {state: [job.id for job in await store.read(jobs.in_state, state)] for state in JobState}
        assert await store.read(differences) == []
    assert {id_: (item.kind, item.job_id, item.due_at, item.attempts) for id_, item in owed.items()} == {
        "ready": (ItemKind.DELIVER, "ready", 50, 2),
        "stuck": (ItemKind.DELIVER, "stuck", week_ms, 2),
        "note": (ItemKind.REMOVE, None, 9, 1),
    }
    assert owed["note"].data == {"channel_id": 5, "message_id": 6}
    assert (states[JobState.STRANDED], states[JobState.DELIVERABLE]) == (["lost", "stuck"], ["ready"])


async def at_baseline(url: str, *statements: Insert) -> None:
    """A database as the first schema had it, with these rows."""
    driver = "sqlite+aiosqlite" if url.startswith("sqlite") else "postgresql+asyncpg"
    engine = create_async_engine(make_url(url).set(drivername=driver))
    async with engine.begin() as conn:
        await conn.run_sync(_baseline)
        for statement in statements:
            await conn.execute(statement)
    await engine.dispose()


def _baseline(conn: Connection) -> None:
    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, "0005")


def old_job(id_: str, state: str, not_before: int) -> Insert:
    job: dict[str, Any] = {"id": id_, "kind": "generate", "model": "klein", "prompt": "a red fox", "params": {}, "state": state}
    times = {"created_at": 1, "token_expires_at": 0, "attempts": 2, "not_before": not_before}
    place = {"user_id": 7, "channel_id": 5, "upload_limit_bytes": 1000}
    flags = dict.fromkeys(("spoiler", "ping_promised", "needs_check", "age_restricted", "private"), False)
    return old_row("jobs", job | times | place | flags)


def old_errand() -> Insert:
    return old_row("errands", {"id": "note", "kind": "remove", "due_at": 9, "attempts": 1, "data": {"channel_id": 5, "message_id": 6}})


def old_row(name: str, values: dict[str, Any]) -> Insert:
    columns = [column(key, JSON) if isinstance(value, dict) else column(key) for key, value in values.items()]
    return insert(table(name, *columns)).values(values)
