"""A database that goes away while the bot runs: the process lives, members read one sentence, and the ledger stays right."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from discord import app_commands
from sqlalchemy import func, select

from bot.__main__ import _known
from bot.app import App
from bot.core.errors import DatabaseDamaged
from bot.core.running import patience
from bot.store.engine import outage, sqlite
from bot.store.engine.outage import Limits
from bot.store.engine.sqlite import SqliteStore
from bot.store.money import ledger
from bot.store.tables import jobs
from cogs.load import command_tree
from sandbox.person import Message, Person
from tests.env.app import Env, person_in, statement_of
from tests.env.databases import Postgres
from tests.env.postgres_proxy import Lost, PostgresProxy, postgres_proxy
from tests.journeys.operations.test_faults import PRICE, finished
from tests.services.conftest import eventually

AWAY = "Easel's database isn't answering right now. Nothing was created or charged."


@dataclass(kw_only=True)
class AwayPlace:
    """What the faults change."""

    env: Env
    app: App
    proxy: PostgresProxy | None
    postgres: Postgres | None


Fault = Callable[[AwayPlace], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def stopped(place: AwayPlace) -> AsyncIterator[None]:
    assert place.proxy is not None
    await place.proxy.refuse()
    try:
        yield
    finally:
        await place.proxy.listen()


@asynccontextmanager
async def frozen(place: AwayPlace) -> AsyncIterator[None]:
    assert place.proxy is not None
    place.proxy.freeze()
    yield
    place.proxy.thaw()


@asynccontextmanager
async def standby(place: AwayPlace) -> AsyncIterator[None]:
    """The server cannot be written."""
    assert place.postgres is not None
    assert place.proxy is not None
    name = place.postgres.shared.partition("?")[0].rpartition("/")[2]
    await asyncio.to_thread(place.postgres.sql, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    place.proxy.cut()
    yield
    await asyncio.to_thread(place.postgres.sql, f"ALTER DATABASE {name} RESET default_transaction_read_only")


@asynccontextmanager
async def locked(place: AwayPlace) -> AsyncIterator[None]:
    """Another program writes."""
    with closing(sqlite3.connect(place.env.folder / "easel.sqlite3", isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@asynccontextmanager
async def read_only(place: AwayPlace) -> AsyncIterator[None]:
    for value in ("ON", "OFF"):
        assert isinstance(place.app.store, SqliteStore)
        raw = await asyncio.to_thread(place.app.store._engine.raw_connection)
        raw.cursor().execute(f"PRAGMA query_only = {value}")
        raw.close()
        if value == "ON":
            yield


@asynccontextmanager
async def running(env: Env, request: pytest.FixtureRequest, fault: Fault) -> AsyncIterator[AwayPlace]:
    async with AsyncExitStack() as stack:
        proxy, postgres, overrides = None, None, dict[str, str]()
        if fault in (server_stopped, server_frozen):
            postgres = request.getfixturevalue("postgres")
            overrides = {"DATABASE_URL": postgres.emptied()}
        elif fault in (stopped, frozen, standby):
            postgres = request.getfixturevalue("postgres")
            proxy = await stack.enter_async_context(postgres_proxy(postgres.emptied()))
            overrides = {"DATABASE_URL": proxy.url}
        app = await stack.enter_async_context(env.app(settings=overrides))
        yield AwayPlace(env=env, app=app, proxy=proxy, postgres=postgres)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(outage, "LIMITS", Limits(notice_s=0.1, connect_s=1.5, attempt_s=1.5, commit_s=0.2, close_s=1))
    for pragmas in (sqlite._WRITER, sqlite._READER):
        monkeypatch.setitem(pragmas, "busy_timeout", "50")
    with patience.limited(2):
        yield


def says(text: str) -> Callable[[Message], bool]:
    return lambda message: text in message.content


async def is_back(app: App) -> bool:
    return app.store.away_since is None


async def delivered(person: Person, count: int) -> None:
    await person.until(lambda: len([m for m in person.messages() if finished(m)]) >= count or None)


@pytest.mark.parametrize("fault", [stopped, frozen, locked, *(pytest.param(each, marks=pytest.mark.slow) for each in (standby, read_only))])
async def test_orders_before_during_and_after(
    env: Env, request: pytest.FixtureRequest, quick: None, fault: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(env, request, fault) as place, person_in(env, "Ada") as ada, person_in(env, "Ben") as ben:
        await asyncio.gather(ada.slash("generate", prompt="before"), ben.slash("generate", prompt="before"))
        async with fault(place):
            await asyncio.gather(ada.slash("generate", prompt="during"), ben.slash("generate", prompt="during"))
            assert (await ada.message(says(AWAY))).content.startswith("🚫")
            await ben.message(says("isn't answering"))
        await eventually(lambda: is_back(place.app))
        await ada.slash("generate", prompt="after")
        await asyncio.gather(delivered(ada, 3), delivered(ben, 3))
        app = place.app
        assert await app.store.read(lambda conn: conn.scalar(select(func.count()).select_from(jobs))) == 3
        assert [(await statement_of(app, int(each.id))).spent for each in (ada, ben)] == [2 * PRICE, PRICE]
        assert await app.store.read(ledger.audit) == []
        assert app.store.away_since is None
    printed = capsys.readouterr().out
    assert (printed.count("database away  "), printed.count("database away is over"), printed.count("Traceback")) == (1, 1, 0)


@pytest.mark.parametrize("lost", [pytest.param(Lost.BEFORE, marks=pytest.mark.slow), Lost.AFTER])
async def test_an_order_whose_commit_got_no_answer_is_made_once_or_not_at_all(
    env: Env, request: pytest.FixtureRequest, quick: None, lost: Lost
) -> None:
    async with running(env, request, stopped) as place, person_in(env, "Ada") as ada:
        assert place.proxy is not None
        place.proxy.lose_commit_of(b"INSERT INTO jobs", lost)
        await ada.slash("generate", prompt="a fox")
        await ada.message(says("may have been saved"))
        place.proxy.accepts = True
        await eventually(lambda: is_back(place.app))
        await ada.slash("generate", prompt="after")
        count = 2 if lost is Lost.AFTER else 1
        await delivered(ada, count)
        assert len(await env.generations()) == count
        assert await place.app.store.read(ledger.audit) == []


@pytest.mark.slow
async def test_orders_go_on_while_every_session_is_cut_again_and_again(env: Env, request: pytest.FixtureRequest) -> None:
    async with running(env, request, stopped) as place, person_in(env, "Ada") as ada:
        assert place.proxy is not None
        for n in range(5):
            await ada.slash("generate", prompt=f"{n}")
            place.proxy.cut()
        await delivered(ada, 5)
        assert (await statement_of(place.app, int(ada.id))).spent == 5 * PRICE
        assert await place.app.store.read(ledger.audit) == []


async def test_presses_reactions_and_suggestions_are_answered_in_time(
    env: Env, request: pytest.FixtureRequest, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(env, request, stopped) as place, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="before")
        image = await ada.message(finished)
        async with stopped(place):
            assert await ada.autocomplete("cancel", "image", image="") == []
            for button in ("Edit", "Again", "More"):
                await ada.click(image, button)
            await ada.until(lambda: len([m for m in ada.messages() if says(AWAY)(m)]) == 3 or None)
            await ada.react(image, "🔁")
            await ada.until(lambda: next((m for m in ada.messages("dm") if says(AWAY)(m)), None))
            await ada.unreact(image, "🔁")
    assert "Traceback" not in capsys.readouterr().out


async def test_a_command_whose_check_reads_the_database_is_answered(env: Env, request: pytest.FixtureRequest, quick: None) -> None:
    async with running(env, request, stopped) as place, person_in(env, "Mo") as mo, stopped(place):
        await mo.slash("presets list")
        await mo.message(says(AWAY))


async def test_every_suggestion_is_brief() -> None:
    tree = await command_tree()
    suggesting = [
        param.autocomplete
        for command in tree.walk_commands()
        if isinstance(command, app_commands.Command)
        for param in command._params.values()
        if callable(param.autocomplete)
    ]
    assert suggesting
    assert all(hasattr(each, "__wrapped__") for each in suggesting)


async def test_damaged_pages_end_the_process_with_one_sentence(env: Env, capsys: pytest.CaptureFixture[str]) -> None:
    async def use_damaged_pages() -> None:
        async with env.app(), person_in(env, "Ada") as ada:
            await asyncio.to_thread(damage, env.folder / "easel.sqlite3", "jobs")
            await ada.slash("generate", prompt="during")
            await ada.message(says(AWAY))

    with pytest.raises((ExceptionGroup, DatabaseDamaged)) as caught:
        await use_damaged_pages()
    error = caught.value
    assert isinstance(_known(error), DatabaseDamaged)  # so `run` prints its sentence alone
    assert capsys.readouterr().out.count("database damaged ") == 1


def damage(path: Path, table: str) -> None:
    """Overwrite the table's first page, as it is read from now on."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = [page for (page,) in other.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = ?", (table,)) if page]
        (size,) = other.execute("PRAGMA page_size").fetchone()
        other.execute("UPDATE kv SET updated_at = updated_at + 1")  # so that no connection believes what it has in memory
        other.commit()
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)


@asynccontextmanager
async def server_stopped(place: AwayPlace) -> AsyncIterator[None]:
    assert place.postgres is not None
    await asyncio.to_thread(place.postgres.stop)
    yield
    await asyncio.to_thread(place.postgres.start)


@asynccontextmanager
async def server_frozen(place: AwayPlace) -> AsyncIterator[None]:
    assert place.postgres is not None
    place.postgres.signal(signal.SIGSTOP)
    yield
    place.postgres.signal(signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [server_stopped, server_frozen, locked])
async def test_twenty_seconds_without_the_database(
    env: Env, request: pytest.FixtureRequest, fault: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(env, request, fault) as place, person_in(env, "Ada") as ada:
        for n in range(3):
            await ada.slash("generate", prompt=f"before {n}")
        async with fault(place):
            began = time.monotonic()
            await asyncio.gather(*(ada.slash("generate", prompt=f"during {n}") for n in range(5)))
            await ada.until(lambda: len([m for m in ada.messages() if "🚫" in m.content]) == 5 or None, timeout_s=15)
            assert time.monotonic() - began < 13
            await asyncio.sleep(20 - (time.monotonic() - began))  # the length of the outage
        await eventually(lambda: is_back(place.app))
        await ada.slash("generate", prompt="after")
        await delivered(ada, 4)
        assert (await statement_of(place.app, int(ada.id))).spent == 4 * PRICE
        assert await place.app.store.read(ledger.audit) == []
    printed = capsys.readouterr().out
    assert (printed.count("database away  "), printed.count("database away is over"), printed.count("Traceback")) == (1, 1, 0)
