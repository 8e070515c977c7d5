"""A backup of the running bot, the loss of its database, and a start from the backup: what was open goes on, once."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from sqlalchemy import select

from bot.app import App
from bot.core.clock import system
from bot.core.metrics import LAST_BACKUP
from bot.domain.job import JobState
from bot.services.backups import pg_dump
from bot.services.backups.making import LAST, Backups, Made
from bot.store.money import audit
from bot.store.tables import jobs
from sandbox.person import Person
from tests.env.app import Env, has_image, statement_of
from tests.env.command import run
from tests.env.databases import Postgres
from tests.journeys.operations.test_faults import AheadClock
from tests.services.conftest import eventually

PRICE = 1_400_000
PROMPTS = [f"a fox in the snow, number {n}" for n in range(6)]
ONE_AT_A_TIME = {"MAX_RUNNING": "1", "MAX_RUNNING_PER_USER": "1"}


@pytest.fixture
async def ada(env: Env) -> AsyncIterator[Person]:
    """Ada stays connected while the bot is offline."""
    async with Person.connect(env.discord.url, "Ada") as person:
        yield person


async def online(person: Person) -> None:
    await person.until(lambda: (person.bot_online and "generate" in person.commands) or None)


async def back_up(env: Env, path: Path) -> Made:
    return await Backups(database=env.settings().database, data_dir=env.folder, clock=system).make(path, replace=True)


async def last_backup() -> float:
    """As the metrics page says it (Unix seconds); 0 if none is known."""
    return REGISTRY.get_sample_value("easel_last_backup_timestamp_seconds") or 0.0


def restore(env: Env, backup: Path) -> None:
    for name in ("easel.sqlite3", "easel.sqlite3-wal", "easel.sqlite3-shm"):
        (env.folder / name).unlink(missing_ok=True)
    shutil.copy(backup, env.folder / "easel.sqlite3")


async def generated(env: Env) -> Counter[str]:
    """How often the image API accepted each prompt."""
    return Counter(each["prompt"] for each in await env.generations())


def shown(person: Person) -> Counter[str]:
    """The finished messages by their prompt."""
    return Counter(prompt for message in person.messages() if has_image(message) for prompt in PROMPTS if prompt in message.content)


async def all_delivered(app: App) -> bool:
    states = await app.store.read(lambda conn: conn.scalars(select(jobs.c.state)).all())
    return set(states) == {JobState.DELIVERED}


async def test_what_was_open_in_a_backup_goes_on_once(env: Env, ada: Person, tmp_path: Path) -> None:
    """Some were delivered before the backup, one was generating, the rest waited; all ended after it, before the database was lost."""
    async with env.app(settings=ONE_AT_A_TIME):
        await online(ada)
        await ada.slash("generate", prompt=PROMPTS[0])
        await ada.message(has_image)
        env.switchboard.turn_on("generation-stuck")
        for prompt in PROMPTS[1:]:
            await ada.slash("generate", prompt=prompt)
        made = await back_up(env, tmp_path / "backup")
        env.switchboard.turn_off("generation-stuck")
        await ada.until(lambda: shown(ada).total() == len(PROMPTS) or None)
    assert (made.is_proved, made.wrong) == (True, ())
    await asyncio.to_thread(restore, env, tmp_path / "backup")
    async with env.app(settings=ONE_AT_A_TIME) as app:
        await assert_each_once(app, env, ada)


async def test_what_was_never_requested_is_requested_after_a_restore(env: Env, ada: Person, tmp_path: Path) -> None:
    env.switchboard.turn_on("generation-stuck")
    async with env.app(settings=ONE_AT_A_TIME):
        await online(ada)
        for prompt in PROMPTS:
            await ada.slash("generate", prompt=prompt)
        await back_up(env, tmp_path / "backup")
    await asyncio.to_thread(restore, env, tmp_path / "backup")
    env.switchboard.turn_off("generation-stuck")
    async with env.app(settings=ONE_AT_A_TIME) as app:
        await assert_each_once(app, env, ada)


async def assert_each_once(app: App, env: Env, person: Person) -> None:
    """Wait for the results, then check: one generation, message and charge for each prompt, and a correct ledger."""
    await eventually(lambda: all_delivered(app), timeout_s=15)
    statement = await statement_of(app, int(person.id))
    assert await generated(env) == dict.fromkeys(PROMPTS, 1)
    assert shown(person) == dict.fromkeys(PROMPTS, 1)
    assert (statement.held, statement.spent) == (0, len(PROMPTS) * PRICE)
    assert (await app.store.read(audit.prove)).wrong == ()


@pytest.mark.slow
async def test_a_copy_that_the_bot_did_not_make_can_be_declared_one(env: Env, ada: Person, tmp_path: Path) -> None:
    """As a dump of PostgreSQL, or what another program copied."""
    env.switchboard.turn_on("generation-stuck")
    async with env.app(settings=ONE_AT_A_TIME):
        await online(ada)
        for prompt in PROMPTS:
            await ada.slash("generate", prompt=prompt)
    await asyncio.to_thread(shutil.copy, env.folder / "easel.sqlite3", tmp_path / "copy")
    env.switchboard.turn_off("generation-stuck")
    async with env.app(settings=ONE_AT_A_TIME):
        await ada.until(lambda: shown(ada).total() == len(PROMPTS) or None)
    await asyncio.to_thread(restore, env, tmp_path / "copy")
    ran = await run("migrate", "--restored", folder=tmp_path, environ=env.environment())
    assert (ran.code, ran.err) == (0, "")
    async with env.app(settings=ONE_AT_A_TIME) as app:
        await assert_each_once(app, env, ada)


@pytest.mark.slow
async def test_a_dump_of_postgresql_goes_on_once(
    env: Env, ada: Person, tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{postgres.programs}:{os.environ['PATH']}")
    before, after = postgres.create(), postgres.create(template="template0")
    env.switchboard.turn_on("generation-stuck")
    async with env.app(settings=ONE_AT_A_TIME, DATABASE_URL=before):
        await online(ada)
        for prompt in PROMPTS:
            await ada.slash("generate", prompt=prompt)
        await Backups(database=before, data_dir=env.folder, clock=system).make(tmp_path / "dump")
        env.switchboard.turn_off("generation-stuck")
        await ada.until(lambda: shown(ada).total() == len(PROMPTS) or None)
    await asyncio.to_thread(pg_dump.run, "pg_restore", "--no-owner", f"--dbname={after}", str(tmp_path / "dump"))
    ran = await run("migrate", "--restored", folder=tmp_path, environ=env.environment(DATABASE_URL=after))
    assert ran.code == 0
    async with env.app(settings=ONE_AT_A_TIME, DATABASE_URL=after) as app:
        await assert_each_once(app, env, ada)


@pytest.mark.parametrize("backups", [4, pytest.param(15, marks=pytest.mark.slow)])
async def test_no_accepted_order_is_missing_in_a_backup_under_load(app: App, env: Env, ada: Person, tmp_path: Path, backups: int) -> None:
    async def order_on_and_on() -> None:
        while True:
            await ada.slash("generate", prompt="a red fox")

    await online(ada)
    async with asyncio.TaskGroup() as group:
        ordering = group.create_task(order_on_and_on(), name="ordering")
        for n in range(backups):
            accepted = await app.store.read(lambda conn: set(conn.scalars(select(jobs.c.id))))
            made = await back_up(env, tmp_path / f"backup{n}")
            assert (made.wrong, accepted - await asyncio.to_thread(ids_in, made.path)) == ((), set())
        ordering.cancel()
    assert len(accepted) > 1


def ids_in(backup: Path) -> set[str]:
    with closing(sqlite3.connect(backup)) as db:
        return {id_ for (id_,) in db.execute("SELECT id FROM jobs")}


# --- by schedule ---------------------------------------------------------------------------------------------------------


def of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".sqlite3") if folder.exists() else []


async def test_the_running_bot_makes_backups_and_keeps_the_newest(env: Env, tmp_path: Path) -> None:
    folder, clock = tmp_path / "backups", AheadClock()
    seen = set[str]()

    async def three_were_made() -> bool:
        clock.ahead_ms += 1000  # the names have seconds
        seen.update(await asyncio.to_thread(of, folder))
        return len(seen) >= 3 and len(await asyncio.to_thread(of, folder)) == 2

    async with env.app(clock=clock, BACKUP_DIR=str(folder), BACKUP_EVERY_HOURS="0.00001", BACKUPS_KEEP="2"):
        await eventually(three_were_made, timeout_s=10)
        assert await eventually(last_backup)


async def test_a_restart_makes_no_backup_before_it_is_due(env: Env, tmp_path: Path) -> None:
    for _ in range(2):
        LAST_BACKUP.set(0)
        async with env.app(BACKUP_DIR=str(tmp_path / "backups")):
            await eventually(last_backup)
    assert len(await asyncio.to_thread(of, tmp_path / "backups")) == 1


async def test_a_failure_is_told_once_until_it_is_over(env: Env, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.touch()  # in the place of the folder
    with structlog.testing.capture_logs() as logs:
        async with env.app(BACKUP_DIR=str(folder), BACKUP_EVERY_HOURS="0.00001"):
            await eventually(lambda: told(logs, "backup failed", 3))
            folder.unlink()
            await eventually(lambda: told(logs, "backup failed is over", 1))
    assert [log["log_level"] for log in logs if log["event"] == "backup failed"][:3] == ["critical", "info", "info"]


async def told(logs: Sequence[MutableMapping[str, Any]], event: str, times: int) -> bool:
    return [log["event"] for log in logs].count(event) >= times


@pytest.mark.slow
async def test_a_backup_by_the_command_is_published_too(env: Env, tmp_path: Path) -> None:
    LAST_BACKUP.set(0)
    async with env.app(BACKUP_EVERY_HOURS="1"):
        assert not await last_backup()
        await back_up(env, tmp_path / "backup")
        made_at = int(await asyncio.to_thread((env.folder / LAST).read_text))
    async with env.app():
        assert await eventually(last_backup) == made_at / 1000
