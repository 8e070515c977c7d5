"""The inventory of personal data is complete, and the export follows it, on both databases."""

from __future__ import annotations

import tracemalloc
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update

from benchmarks.history import BUSY, fill, job_id
from bot.core.running import patience
from bot.store.engine.base import Store
from bot.store.privacy import export, holdings
from bot.store.privacy.export_files import ExportFiles
from bot.store.tables import jobs, metadata
from cogs.members.privacy_texts import SUBJECTS
from tests.store.privacy.traces import ADA, BEN, documents_of, exported, fill_every_table

# --- inventory -------------------------------------------------------------------------------------------------------


def test_every_table_is_in_the_inventory() -> None:
    assert sorted(each.table.name for each in holdings.HOLDINGS) == sorted(metadata.tables)


def test_every_table_with_user_ids_is_exported() -> None:
    not_exported = {each.table.name for each in holdings.HOLDINGS if each.owned is None}
    assert {table.name for table in metadata.sorted_tables if holdings.PEOPLE & set(table.c.keys())} & not_exported == set()


def test_every_column_with_a_user_id_is_listed() -> None:
    ids = {column.name for table in metadata.sorted_tables for column in table.c if column.name.endswith(("_id", "_by"))}
    things = {"id", "job_id", "parent_id", "provider_id", "guild_id", "channel_id", "message_id", "application_id", "case_id"}
    assert ids - things - {f"{of}_{name}" for name in things for of in ("origin", "post")} == holdings.PEOPLE


def test_every_column_with_an_account_is_listed() -> None:
    named = {column.name for table in metadata.sorted_tables for column in table.c if "account" in column.name}
    assert named | {"other"} == holdings.ACCOUNT_NAMES


def test_every_exported_table_is_described_to_members() -> None:
    said = {table for subject in SUBJECTS for table in subject.tables}
    assert said == {each.table.name for each in holdings.HOLDINGS if each.owned is not None}


# --- export ----------------------------------------------------------------------------------------------------------


async def test_an_export_contains_every_table(store: Store) -> None:
    await fill_every_table(store)
    found = await exported(store, ADA)
    counts = {name: len(rows) for name, rows in found.items()}
    assert counts == {
        "members": 1, "reactions": 1, "tray": 1, "outbox": 2, "kv": 2, "reports": 2, "job_references": 1, "images": 1,
        "thumbnails": 1, "accounts": 1, "ledger": 8, "generations": 1, "jobs": 1, "sponsorships": 1, "blocks": 1, "strikes": 1,
        "daily_usage": 1, "cases": 2, "audit": 7, "gallery": 1, "job_messages": 4,
    }  # fmt: skip


async def test_an_export_contains_no_other_member_and_no_secret(store: Store) -> None:
    await fill_every_table(store)
    found = await exported(store, ADA)
    assert str(BEN) not in str(found)
    assert [report["reason"] for report in found["reports"]] == [None, "ugly"]
    assert [case["appeal"] for case in found["cases"]] == ["It was a fox.", None]
    assert sorted({line["other"] for line in found["ledger"]}, key=str) == [None, "sponsor:one", f"user:{ADA}"]
    assert "token" not in found["jobs"][0]
    assert found["thumbnails"][0]["content_bytes"] == len(b"small")


async def test_an_export_has_links_to_the_messages(store: Store) -> None:
    await fill_every_table(store)
    (document,) = await documents_of(store, ADA)
    assert document["messages"] == ["https://discord.com/channels/1/5/600", "https://discord.com/channels/1/8/802"]


@pytest.mark.parametrize("most_bytes", [1, 10**9])
async def test_the_files_of_an_export_together_contain_every_row_once(store: Store, most_bytes: int) -> None:
    await store.write(fill, 200)
    await store.write(lambda conn: conn.execute(update(jobs).values(user_id=BUSY)))
    documents = await documents_of(store, BUSY, most_bytes=most_bytes)
    assert (len(documents) == 1) == (most_bytes == 10**9)
    assert [document["part"] for document in documents] == [*range(1, len(documents) + 1)]
    found = [job["id"] for document in documents for job in document["tables"].get("jobs", [])]
    assert found == [job_id(n) for n in range(200)]
    assert sum(len(document["messages"]) for document in documents) == 200


@pytest.mark.slow
async def test_an_export_of_many_jobs_uses_little_memory(sqlite_store: Store, tmp_path: Path) -> None:
    await sqlite_store.write(fill, 5_000)
    await sqlite_store.write(lambda conn: conn.execute(update(jobs).values(user_id=BUSY)))
    tracemalloc.start()
    with patience.endless():  # tracing makes it four times as slow
        await sqlite_store.read(export.write, BUSY, partial(ExportFiles, tmp_path, {}, most_bytes=8_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
