"""The migrations produce exactly the tables in code, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Connection, Insert, MetaData, column, create_engine, insert, select, table, update
from sqlalchemy.exc import IntegrityError

from bot.core.clock import system
from bot.core.errors import StartError
from bot.domain.job import JobState, MessageRole
from bot.domain.moderation.cases import Cause, Decision
from bot.domain.outbox import ItemKind
from bot.store import gallery, jobs, kv, messages, migrations, outbox
from bot.store.engine import schema
from bot.store.engine.base import Store
from bot.store.engine.opening import migrate, open_store
from bot.store.engine.schema import Migration, _revisions, head
from bot.store.moderation import cases
from bot.store.tables import metadata
from tests.env.job_steps import in_state


def differences(conn: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), metadata))


async def test_the_migrations_produce_the_tables(no_schema_url: str) -> None:
    async with open_store(no_schema_url) as store:
        assert await store.read(differences) == []


def indexes(conn: Connection) -> dict[str, str]:
    """The definitions of SQLite's indexes, with the conditions of partial ones, which alembic does not compare."""
    rows = conn.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    return {name: sql.replace('"', "") for name, sql in rows}


async def test_the_migrations_produce_the_conditions_of_indexes(sqlite_store: Store) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        metadata.create_all(conn)
        assert await sqlite_store.read(indexes) == indexes(conn)
    engine.dispose()


async def test_the_first_start_creates_the_schema_and_the_second_changes_nothing(no_schema_url: str) -> None:
    assert await migrate(no_schema_url) == Migration(before=None, after=head())
    assert await migrate(no_schema_url) == Migration(before=head(), after=head())


async def test_without_migrating_an_old_schema_is_refused(no_schema_url: str) -> None:
    with pytest.raises(StartError, match="older than this Easel; run `python -m bot migrate`"):
        async with open_store(no_schema_url, migrate=False):
            pass


async def test_without_migrating_the_newest_schema_is_accepted(database_url: str) -> None:
    async with open_store(database_url, migrate=False) as store:
        assert store.migration == Migration(before=head(), after=head())


@pytest.mark.parametrize("upgrade", [True, False])
async def test_a_newer_schema_is_refused(no_schema_url: str, upgrade: bool) -> None:
    async with open_store(no_schema_url) as store:
        await store.write(lambda conn: conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
        await store.write(kv.put, schema.OLDEST_KEY, "9998", 0)
    with pytest.raises(StartError) as caught:
        async with open_store(no_schema_url, migrate=upgrade):
            pass
    sentence = "The database was upgraded by a newer Easel (schema 9999); install that version or restore a backup."
    assert caught.value.sentence == sentence


async def test_one_of_two_simultaneous_first_starts_is_refused(no_schema_url: str) -> None:
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


# --- from the baseline -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def baseline(url: str) -> AsyncIterator[Store]:
    """A database at the baseline revision."""
    upgrade = command.upgrade
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _head: upgrade(config, "0005"))
        async with open_store(url, even_if_moved=True) as store:  # the marks of a move are in a table that came later
            yield store


_PART: dict[str, Any] = {
    "n": 0, "model": "klein", "prompt": "a red fox", "params": {}, "price": 1, "state": "succeeded", "user_id": 7, "guild_id": 1,
    "created_at": 1, "provider": "oxen", "api_model": "klein", "uncertain": 0, "lookups": 0, "not_before": 0, "cancel_requested": False,
    "account": "user:7", "lane": "paid",
}  # fmt: skip
_JOB: dict[str, Any] = {
    "kind": "generate", "model": "klein", "prompt": "a red fox", "params": {}, "user_id": 7, "channel_id": 5, "guild_id": 1,
    "spoiler": True, "created_at": 1, "delivered_at": 2, "ping_promised": False, "needs_check": False, "age_restricted": False,
    "private": False, "token_expires_at": 0, "upload_limit_bytes": 0, "attempts": 0, "not_before": 0,
}  # fmt: skip


def fill(conn: Connection) -> None:
    """A job in guild 1 with messages in each of the five old places, and a case about an image that was not made here."""
    tables = MetaData()
    tables.reflect(conn)

    def put(table: str, **row: Any) -> None:
        conn.execute(insert(tables.tables[table]).values(**row))

    for job_id, state, message_id in (("job1", "delivered", 12), ("job2", "deleted", 22)):
        put("jobs", **_JOB, id=job_id, state=state, message_id=message_id)
        put("generations", **_PART, job_id=job_id, provider_id=f"{job_id}/0")
        put("pictures", job_id=job_id, n=0, content=b"png")
    put("keepsakes", name="posted:job1", value=[[9, 10], [5, 11]], updated_at=1)
    put("keepsakes", name="posted:gone", value=[[9, 90]], updated_at=1)
    put("gallery", message_id=12, guild_id=1, job_id="job1", author_id=7, at=3, stars=2, post_channel_id=8, post_message_id=80)
    put("log_posts", job_id="job1", channel_id=8, message_id=81)
    put("log_posts", job_id="gone", channel_id=8, message_id=89)
    case: dict[str, Any] = {"guild_id": 1, "at": 3, "cause": "report", "author_id": 7, "channel_id": 5, "reason": "", "post_channel_id": 8}
    put("cases", **case, state="appealed", message_id=12, job_id="job1", appealed_at=9, post_message_id=82)
    put("cases", **case, state="open", message_id=99, post_message_id=83)


async def test_the_baseline_s_messages_are_moved_into_one_table(no_schema_url: str) -> None:
    async with baseline(no_schema_url) as old:
        await old.write(fill)
    async with open_store(no_schema_url) as store:
        assert await store.read(differences) == []
        rows = await store.read(lambda conn: conn.execute(select(metadata.tables["job_messages"])).mappings().all())
        found = {row["message_id"]: (row["job_id"], row["channel_id"], row["guild_id"], row["role"]) for row in rows}
        assert found == {
            10: ("job1", 9, 1, "copy"),
            11: ("job1", 5, 1, "copy"),
            12: ("job1", 5, 1, "result"),
            22: ("job2", 5, 1, "result"),
            80: ("job1", 8, 1, "gallery"),
            81: ("job1", 8, 1, "log"),
            82: ("job1", 8, 1, "case"),
            83: (None, 8, 1, "case"),
        }


async def test_jobs_gallery_cases_and_log_keep_their_messages_after_the_upgrade(no_schema_url: str) -> None:
    async with baseline(no_schema_url) as old:
        await old.write(fill)
    async with open_store(no_schema_url) as store:
        job, shown = await store.read(jobs.get, "job1"), await store.read(gallery.get, 12)
        assert job is not None
        assert shown is not None
        assert (job.place.message_id, shown.post_message_id, await store.read(jobs.image_of, "job1", 0)) == (12, 80, b"png")
        waiting = {case.message_id: (case.post_channel_id, case.post_message_id) for case in await store.read(cases.waiting, 1)}
        assert waiting == {12: (8, 82), 99: (8, 83)}
        (logged,) = await store.read(messages.of_job, "job1", roles=(MessageRole.LOG,))
        assert logged.message_id == 81
        assert await store.read(messages.of_job, "job2") == []  # deleted


async def test_the_upgrade_keeps_one_open_case_and_one_id_for_each_image_api(no_schema_url: str) -> None:
    async with baseline(no_schema_url) as old:
        await old.write(fill)
    async with open_store(no_schema_url) as store:
        about: dict[str, Any] = {"guild_id": 1, "cause": Cause.REPORT, "author_id": 7, "channel_id": 5, "message_id": 99, "now": 9}
        assert await store.write(cases.open_case, **about, job_id=None, reason="") is None
        (first,) = [case for case in await store.read(cases.waiting, 1) if case.message_id == 99]
        await store.write(cases.decide, first.id, Decision.KEEP, by_id=9, now=9)
        assert await store.write(cases.open_case, **about, job_id=None, reason="") is not None
        assert await store.write(use_the_same_id, "another") == 1
        with pytest.raises(IntegrityError):
            await store.write(use_the_same_id, "oxen")


def use_the_same_id(conn: Connection, provider: str) -> int:
    """Give the second job's generation the provider id of the first one's."""
    parts = metadata.tables["generations"]
    same = update(parts).where(parts.c.job_id == "job2").values(provider=provider, provider_id="job1/0")
    return conn.execute(same).rowcount


async def test_unshown_jobs_and_old_tasks_are_moved_into_the_outbox(no_schema_url: str) -> None:
    week_ms, century_ms = 7 * 86_400_000, 100 * 365 * 86_400_000
    unshown = [old_job("ready", "deliverable", 50), old_job("stuck", "stranded", week_ms), old_job("lost", "deliverable", century_ms)]
    async with baseline(no_schema_url) as old:
        for statement in (*unshown, old_job("shown", "delivered", 0), old_task()):
            await old.write(execute, statement)
    async with open_store(no_schema_url) as store:
        items = {item.id: item for item in await store.read(outbox.due, century_ms)}
        states = {state: [job.id for job in await store.read(in_state, state)] for state in JobState}
        assert await store.read(differences) == []
    assert {id_: (item.kind, item.job_id, item.due_at, item.attempts) for id_, item in items.items()} == {
        "ready": (ItemKind.DELIVER, "ready", 50, 2),
        "stuck": (ItemKind.DELIVER, "stuck", week_ms, 2),
        "note": (ItemKind.REMOVE, None, 9, 1),
    }
    assert items["note"].data == {"channel_id": 5, "message_id": 6}
    assert (states[JobState.STRANDED], states[JobState.DELIVERABLE]) == (["lost", "stuck"], ["ready"])


async def test_links_to_references_from_before_are_removed_and_their_images_kept(no_schema_url: str) -> None:
    """They may lead to originals with metadata. One that was sent already still counts as sent with a link."""
    stored = {"job_id": "old", "content": b"png", "content_type": "image/png", "width_px": 3, "height_px": 2}
    links = {0: ("https://cdn.example/a.jpg", 99), 1: (None, None)}
    async with baseline(no_schema_url) as old:
        await old.write(execute, old_job("old", "delivered", 0))
        for n, (url, expires_at) in links.items():
            await old.write(execute, old_row("job_references", {**stored, "n": n, "url": url, "url_expires_at": expires_at}))
    async with open_store(no_schema_url) as store:
        linked, plain = await store.read(jobs.references_of, "old")
    assert (linked.url, plain.url, linked.content, plain.url_expires_at) == (None, None, b"png", None)
    assert abs((linked.url_expires_at or 0) - system()) < 60_000


def execute(conn: Connection, statement: Insert) -> None:
    conn.execute(statement)


def old_job(id_: str, state: str, not_before: int) -> Insert:
    job: dict[str, Any] = {"id": id_, "kind": "generate", "model": "klein", "prompt": "a red fox", "params": {}, "state": state}
    times = {"created_at": 1, "token_expires_at": 0, "attempts": 2, "not_before": not_before}
    place = {"user_id": 7, "channel_id": 5, "upload_limit_bytes": 1000}
    flags = dict.fromkeys(("spoiler", "ping_promised", "needs_check", "age_restricted", "private"), False)
    return old_row("jobs", job | times | place | flags)


def old_task() -> Insert:
    return old_row("errands", {"id": "note", "kind": "remove", "due_at": 9, "attempts": 1, "data": {"channel_id": 5, "message_id": 6}})


def old_row(name: str, values: dict[str, Any]) -> Insert:
    columns = [column(key, JSON) if isinstance(value, dict) else column(key) for key, value in values.items()]
    return insert(table(name, *columns)).values(values)


def test_each_migration_s_file_begins_with_its_revision() -> None:
    """The store reads the file names, so that a start without migrations needs no Alembic."""
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert [script.revision for script in scripts.walk_revisions()] == [*reversed(_revisions())]
