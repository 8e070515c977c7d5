"""What is kept of a member has its place in a list, and is told by it, on both databases."""

from __future__ import annotations

from bot.store.engine.base import Store
from bot.store.privacy import export, holdings
from bot.store.tables import metadata
from cogs.members.privacy_texts import SUBJECTS
from tests.store.privacy.traces import ADA, BEN, a_full_house

# --- the list itself -------------------------------------------------------------------------------------------------


def test_every_table_has_its_place_in_the_list() -> None:
    assert sorted(each.table.name for each in holdings.HOLDINGS) == sorted(metadata.tables)


def test_every_table_that_names_people_is_told() -> None:
    silent = {each.table.name for each in holdings.HOLDINGS if each.mine is None}
    assert {table.name for table in metadata.sorted_tables if holdings.PEOPLE & set(table.c.keys())} & silent == set()


def test_every_column_that_names_people_is_known_as_one() -> None:
    ids = {column.name for table in metadata.sorted_tables for column in table.c if column.name.endswith(("_id", "_by"))}
    things = {"id", "job_id", "parent_id", "provider_id", "guild_id", "channel_id", "message_id", "application_id", "case_id"}
    assert ids - things - {f"{of}_{name}" for name in things for of in ("origin", "post")} == holdings.PEOPLE


def test_every_column_that_names_an_account_is_known_as_one() -> None:
    named = {column.name for table in metadata.sorted_tables for column in table.c if "account" in column.name}
    assert named | {"other"} == holdings.ACCOUNT_NAMES


def test_everything_that_is_told_is_said_in_words() -> None:
    said = {table for subject in SUBJECTS for table in subject.tables}
    assert said == {each.table.name for each in holdings.HOLDINGS if each.mine is not None}


# --- telling ---------------------------------------------------------------------------------------------------------


async def test_a_member_is_told_every_table(store: Store) -> None:
    await a_full_house(store)
    told = await store.read(export.tell, ADA)
    counts = {name: len(rows) for name, rows in told.items()}
    assert counts == {
        "members": 1, "reactions": 1, "tray": 1, "outbox": 2, "kv": 2, "reports": 2, "job_references": 1, "images": 1,
        "thumbnails": 1, "accounts": 1, "ledger": 8, "generations": 1, "jobs": 1, "sponsorships": 1, "blocks": 1, "strikes": 1,
        "cases": 2, "audit": 7, "gallery": 1, "job_messages": 4,
    }  # fmt: skip


async def test_an_export_names_nobody_else_and_no_secret(store: Store) -> None:
    await a_full_house(store)
    told = await store.read(export.tell, ADA)
    assert str(BEN) not in str(told)
    assert [report["reason"] for report in told["reports"]] == [None, "ugly"]
    assert [case["appeal"] for case in told["cases"]] == ["It was a fox.", None]
    assert sorted({line["other"] for line in told["ledger"]}, key=str) == [None, "sponsor:one", f"user:{ADA}"]
    assert "token" not in told["jobs"][0]
    assert told["thumbnails"][0]["content_bytes"] == len(b"small")


async def test_an_export_links_the_messages(store: Store) -> None:
    await a_full_house(store)
    assert await store.read(export.links, ADA) == ["https://discord.com/channels/1/5/600", "https://discord.com/channels/1/8/802"]
