"""The schema on disk and the tables in code are one, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from bot.errors import StartError
from bot.jobs.job import Lane
from bot.store import books, jobs
from bot.store.engine import Migration, migrate, open_store
from bot.store.migrate import _config, head
from bot.store.tables import metadata
from tests.jobs.make import FAILED


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


# --- from one schema to the next -------------------------------------------------------------------------------------

_JOB = {
    "id": "job", "kind": "generate", "model": "klein", "prompt": "a fox", "params": "{}", "state": "open", "spoiler": False,
    "created_at": 1, "user_id": 7, "channel_id": 5, "token_expires_at": 0, "upload_limit_bytes": 1, "private": False,
    "attempts": 0, "not_before": 0,
}  # fmt: skip
_PICTURE = {
    "job_id": "job", "model": "klein", "prompt": "a fox", "params": "{}", "price": 3, "user_id": 7, "created_at": 1, "provider": "oxen",
    "api_model": "klein", "uncertain": 0, "lookups": 0, "not_before": 0, "cancel_requested": False,
}  # fmt: skip
_LINES = [(-3, 3, 0, "hold", 0), (0, -3, 3, "settle", 0), (3, 0, -3, "refund", 0), (-3, 3, 0, "hold", 1)]


def before_money(conn: Connection) -> Migration:
    """A database as 0003 left it: one picture made, paid and refunded, another on its way."""
    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, "0003")
    old = MetaData()
    old.reflect(conn)
    conn.execute(old.tables["jobs"].insert(), [_JOB])
    states = ({"n": 0, "state": "succeeded", "error": "It is no picture."}, {"n": 1, "state": "waiting", "error": None})
    conn.execute(old.tables["generations"].insert(), [{**_PICTURE, **state} for state in states])
    conn.execute(old.tables["accounts"].insert(), [{"name": "user:7", "available": 7, "held": 3, "spent": 0, "as_of": 9}])
    opened = {"account": "user:7", "at": 1, "entry": "open", "available": 10, "held": 0, "spent": 0, "job_id": None, "n": None}
    booked = [{**opened, "at": at, "available": a, "held": h, "spent": s, "entry": e, "job_id": "job", "n": n} for at, (a, h, s, e, n) in
              enumerate(_LINES, start=2)]  # fmt: skip
    conn.execute(old.tables["ledger"].insert(), [opened, *booked])
    return Migration(before=None, after="0003")


async def test_everyone_paid_from_their_own_account_before_there_were_others(no_schema_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as past:
        past.setattr("bot.store.migrate.upgrade", before_money)
        async with open_store(no_schema_url):
            pass
    async with open_store(no_schema_url) as store:
        assert store.migration == Migration(before="0003", after=head())
        job = await store.read(jobs.get, "job")
        assert job is not None
        assert [(g.account, g.budget, g.lane, g.refunded_at) for g in job.generations] == [
            ("user:7", None, Lane.PAID, 4), ("user:7", None, Lane.PAID, None),
        ]  # fmt: skip
        assert (await store.read(books.prove)).wrong == ()
        assert await store.write(jobs.settle, "job", 1, FAILED, 10)
        assert await store.read(differences) == []
        assert (await store.read(books.prove)).wrong == ()
