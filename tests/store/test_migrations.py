"""The schema on disk and the tables in code are one, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from bot.errors import StartError
from bot.store.engine import Migration, migrate, open_store
from bot.store.migrate import head
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
