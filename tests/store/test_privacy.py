"""What is kept of a member is told and erased table by table, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from bot.jobs.job import GenerationState, Job, JobState, Place, Source
from bot.preferences import Preferences
from bot.quota import DAY_MS, MICRO
from bot.store import documents, erasing, errands, history, jobs, keepsakes, ledger, outbox, privacy, tray
from bot.store.engine import Store
from bot.store.errands import Errand, ErrandKind
from bot.store.tables import metadata, reactions, references, reports
from bot.store.tray import PutBy
from cogs.look.privacy import SUBJECTS
from tests.jobs.make import PICTURE, SUCCEEDED, TEN, new_job
from tests.jobs.shelf import money, order, run

ADA, BEN = 1_457_659_890_892_800_009, 1_457_659_890_892_800_010
NOW = 9_000
BY_BEN = PutBy(reference=replace(PICTURE, owner_id=ADA), source=Source(owner_id=ADA, channel_id=5, message_id=600))


@pytest.fixture(autouse=True)
async def whatever_was_erased_the_books_are_right(store: Store) -> AsyncIterator[None]:
    yield
    assert await store.read(ledger.audit) == []


async def shown(store: Store, member: int, **more: Any) -> Job:
    """A finished job that stands in a message."""
    job = await run(store, await order(store, new_job(member=member, **more)))
    await store.write(jobs.settle, job.id, 0, replace(SUCCEEDED, content=b"picture"), 3000)
    await store.write(outbox.delivered, job.id, channel_id=5, message_id=600, small={0: b"small"}, now=4000)
    return job


async def put(store: Store, statement: Any) -> None:
    await store.write(lambda conn: conn.execute(statement))


async def a_full_house(store: Store) -> Job:
    """Ada has left a trace in every table; Ben has to do with her."""
    job = await shown(store, ADA)
    bens = await shown(store, BEN)
    row = {"content": b"a", "content_type": "image/png", "width_px": 1, "height_px": 1}
    await put(store, insert(references).values([{"job_id": job.id, "n": 0, **row, "owner_id": None}]))
    await put(store, insert(references).values([{"job_id": bens.id, "n": 0, **row, "owner_id": ADA}]))
    await store.write(documents.change_preferences, ADA, lambda chosen: chosen.model_copy(update={"private": True}), 1)
    await store.write(tray.add, ADA, replace(BY_BEN, reference=PICTURE), limit=4, now=1)
    await store.write(tray.add, BEN, BY_BEN, limit=4, now=1)
    await put(store, insert(reactions).values(message_id=7, user_id=ADA, emoji="x", at=1, job_id=job.id))
    report = {"at": 1, "channel_id": 5, "guild_id": 1, "reason": "ugly"}
    await put(store, insert(reports).values(**report, message_id=600, job_id=job.id, author_id=ADA, user_id=BEN))
    await put(store, insert(reports).values(**report, message_id=601, job_id=bens.id, author_id=BEN, user_id=ADA))
    await store.write(errands.add, Errand(kind=ErrandKind.TELL, due_at=1, user_id=ADA, job_id=job.id))
    await store.write(errands.add, Errand(kind=ErrandKind.REMOVE, due_at=1, user_id=ADA, data={"channel_id": 5, "message_id": 8}))
    await store.write(keepsakes.put, f"tray:note:7:{ADA}:x", {"message_id": 9}, 1)
    await store.write(keepsakes.put, "tray:123", {"user_id": ADA, "pictures": []}, 1)
    return job


async def cells(store: Store) -> set[str]:
    """Everything that stands in any column of any table, as text."""

    def read(conn: Connection) -> set[str]:
        return {str(value) for table in metadata.sorted_tables for row in conn.execute(select(table)) for value in row}

    return await store.read(read)


async def rows(store: Store) -> dict[str, int]:
    def read(conn: Connection) -> dict[str, int]:
        return {table.name: len(conn.execute(select(table)).all()) for table in metadata.sorted_tables}

    return await store.read(read)


# --- the list itself -------------------------------------------------------------------------------------------------


def test_every_table_has_its_place_in_the_list() -> None:
    assert sorted(each.table.name for each in privacy.HOLDINGS) == sorted(metadata.tables)


def test_every_table_that_names_people_is_told() -> None:
    silent = {each.table.name for each in privacy.HOLDINGS if each.mine is None}
    assert {table.name for table in metadata.sorted_tables if privacy.PEOPLE & set(table.c.keys())} & silent == set()


def test_every_column_that_names_people_is_known_as_one() -> None:
    ids = {column.name for table in metadata.sorted_tables for column in table.c if column.name.endswith("_id")}
    things = {"id", "job_id", "parent_id", "provider_id", "guild_id", "channel_id", "message_id", "application_id"}
    assert ids - things - {f"origin_{name}" for name in things} == privacy.PEOPLE & ids


def test_everything_that_is_told_is_said_in_words() -> None:
    said = {table for subject in SUBJECTS for table in subject.tables}
    assert said == {each.table.name for each in privacy.HOLDINGS if each.mine is not None}


# --- telling ---------------------------------------------------------------------------------------------------------


async def test_a_member_is_told_every_table(store: Store) -> None:
    await a_full_house(store)
    told = await store.read(privacy.tell, ADA)
    counts = {name: len(rows) for name, rows in told.items()}
    assert counts == {
        "members": 1, "reactions": 1, "tray": 1, "errands": 2, "keepsakes": 2, "reports": 2, "job_references": 1, "pictures": 1,
        "thumbnails": 1, "accounts": 1, "ledger": 3, "generations": 1, "jobs": 1,
    }  # fmt: skip


async def test_an_export_names_nobody_else_and_no_secret(store: Store) -> None:
    await a_full_house(store)
    told = await store.read(privacy.tell, ADA)
    assert str(BEN) not in str(told)
    assert [report["reason"] for report in told["reports"]] == [None, "ugly"]
    assert "token" not in told["jobs"][0]
    assert told["thumbnails"][0]["content_bytes"] == len(b"small")


async def test_an_export_links_the_messages(store: Store) -> None:
    await a_full_house(store)
    assert await store.read(privacy.links, ADA) == ["https://discord.com/channels/1/5/600"]


# --- erasing ---------------------------------------------------------------------------------------------------------


async def test_no_cell_of_any_table_leads_to_an_erased_member(store: Store) -> None:
    job = await a_full_house(store)
    await store.write(erasing.erase, ADA, NOW)
    left = [cell for cell in await cells(store) if str(ADA) in cell or job.id in cell]
    assert left == [f"user:{ADA}"]


async def test_erasing_takes_the_rows_that_are_the_member_s_alone(store: Store) -> None:
    await a_full_house(store)
    before = await rows(store)
    await store.write(erasing.erase, ADA, NOW)
    after = await rows(store)
    gone = {name: before[name] - after[name] for name in before if before[name] != after[name]}
    # References: Ada's own, and the copy of her picture that Ben's ended job was made from. Errands: one goes, one comes for her message.
    # Accounts and ledger: her old ones stay without her, and her account begins anew.
    assert gone == {
        "members": 1, "reactions": 1, "tray": 2, "keepsakes": 2, "job_references": 2, "pictures": 1, "thumbnails": 1, "generations": 1,
        "jobs": 1, "accounts": -1, "ledger": -1,
    }  # fmt: skip


async def test_erasing_one_member_leaves_another_s_rows_alone(store: Store) -> None:
    await a_full_house(store)
    before = await store.read(privacy.tell, BEN)
    await store.write(erasing.erase, ADA, NOW)
    after = await store.read(privacy.tell, BEN)
    kept = {name for name in before if before[name] == after[name]}
    assert set(before) - kept == {"reports", "tray", "job_references"}
    assert await money(store, BEN) == (9, 0, 1)


async def test_an_erased_account_does_not_begin_with_a_full_bucket(store: Store) -> None:
    await shown(store, ADA, price=4 * MICRO)
    await store.write(erasing.erase, ADA, NOW)
    assert await money(store, ADA) == (6, 0, 0)


async def test_what_is_left_of_an_erased_account_is_kept_until_it_has_flowed_back(store: Store) -> None:
    await shown(store, ADA, price=4 * MICRO)
    await shown(store, BEN, price=4 * MICRO)
    await store.write(erasing.erase, ADA, NOW)
    one_a_day = replace(TEN, refill_per_day=MICRO)
    assert await store.write(erasing.forget_refilled, one_a_day, NOW + 3 * DAY_MS) == 0
    assert await store.write(erasing.forget_refilled, one_a_day, NOW + 5 * DAY_MS) == 1
    assert not [cell for cell in await cells(store) if str(ADA) in cell]
    assert await money(store, BEN) == (6, 0, 4)


async def test_the_ledger_keeps_its_sums_under_nobody_s_name(store: Store) -> None:
    await shown(store, ADA, price=4 * MICRO)
    await store.write(erasing.erase, ADA, NOW)
    accounts = metadata.tables["accounts"]
    spent = await store.read(lambda conn: conn.execute(select(accounts.c.spent).where(accounts.c.name.like("user:-%"))).scalars().all())
    assert spent == [4 * MICRO]


async def test_the_messages_of_an_erased_member_are_taken_away_by_errands(store: Store) -> None:
    job = await shown(store, ADA)
    await store.write(history.reposted, job.id, replace(job.place, channel_id=6, message_id=700), NOW)
    await store.write(erasing.erase, ADA, NOW)
    due = await store.read(errands.due, NOW)
    assert sorted((e.data["channel_id"], e.data["message_id"]) for e in due) == [(5, 600), (6, 700)]
    assert {(e.kind, e.user_id, e.job_id) for e in due} == {(ErrandKind.REMOVE, None, None)}


async def test_what_waits_is_cancelled_and_given_back_before_it_is_erased(store: Store) -> None:
    await order(store, new_job(member=ADA, price=4 * MICRO))
    counts = await store.write(erasing.erase, ADA, NOW)
    assert (counts["jobs"], (await rows(store))["generations"]) == (1, 0)
    assert await money(store, ADA) == (10, 0, 0)


async def test_what_is_being_made_ends_without_its_member(store: Store) -> None:
    job = await run(store, await order(store, new_job(member=ADA, place=Place(user_id=ADA, channel_id=5, token="secret"), price=MICRO)))
    await store.write(erasing.erase, ADA, NOW)
    assert str(ADA) not in "".join(await cells(store) - {f"user:{ADA}"})
    assert await store.write(jobs.settle, job.id, 0, SUCCEEDED, NOW + 1)
    assert await store.read(outbox.due, NOW + 2) == []
    assert await store.write(erasing.forget_unfinished) == 1
    assert [count for name, count in (await rows(store)).items() if name in ("jobs", "generations")] == [0, 0]


async def test_what_is_still_being_made_is_not_forgotten(store: Store) -> None:
    job = await run(store, await order(store, new_job(member=ADA)))
    await store.write(erasing.erase, ADA, NOW)
    assert await store.write(erasing.forget_unfinished) == 0
    kept = await store.read(jobs.get, job.id)
    assert kept is not None
    assert (kept.state, kept.generations[0].state, kept.place.channel_id) == (JobState.DELETED, GenerationState.RUNNING, 0)


async def test_a_request_of_another_keeps_the_copy_that_it_works_from(store: Store) -> None:
    bens = await run(store, await order(store, new_job(member=BEN)))
    row = {"content": b"a", "content_type": "image/png", "width_px": 1, "height_px": 1, "owner_id": ADA}
    await put(store, insert(references).values(job_id=bens.id, n=0, **row))
    await store.write(erasing.erase, ADA, NOW)
    assert [ref.owner_id for ref in await store.read(jobs.references_of, bens.id)] == [None]


async def test_erasing_twice_is_as_good_as_once(store: Store) -> None:
    await a_full_house(store)
    await store.write(erasing.erase, ADA, NOW)
    once = await rows(store)
    await store.write(erasing.erase, ADA, NOW)
    assert (await rows(store))["jobs"] == once["jobs"]
    assert await store.read(documents.preferences, ADA) == Preferences()


async def test_a_member_of_whom_nothing_is_kept_is_told_and_erased_too(store: Store) -> None:
    assert not any((await store.read(privacy.tell, ADA)).values())
    assert await store.write(erasing.erase, ADA, NOW) == {}
