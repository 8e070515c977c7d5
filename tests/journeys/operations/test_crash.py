"""The end of the bot's process, then a restart: every accepted job is delivered once, and nothing is enqueued or charged twice.

`tests/chaos` kills it in every part of a scene.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from bot.app import App
from bot.store.money import ledger
from sandbox.person import NotDoneError, Person
from tests.chaos.killable import bot_process, ended
from tests.env.app import Env, statement_of
from tests.journeys.operations.test_faults import finished

PRICE = 1_400_000
ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def killable_app(env: Env, **overrides: str) -> AsyncIterator[ForkServerProcess]:
    """A bot in its own process, which is killed when the block ends."""
    async with bot_process(env.environment(**overrides)) as (process, _):
        yield process


async def until(reached: Callable[[], bool]) -> None:
    """Poll until this is true; another process sends no event."""
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110  another process is polled
            await asyncio.sleep(0.002)


async def online(person: Person) -> None:
    """Wait until the bot is online and has read the model list."""
    await person.until(
        lambda: (person.bot_online and "generate" in person.commands) or None, timeout_s=60
    )  # on a busy machine a process starts slowly
    async with asyncio.timeout(30):
        while not await person.autocomplete("generate", "model", prompt="x", model=""):  # noqa: ASYNC110  another process is polled
            await asyncio.sleep(0.01)


async def assert_consistent(app: App, env: Env, person: Person, *, jobs: int) -> None:
    """Wait for the results, then check: one finished message, generation and charge for each job, and a correct ledger."""
    await person.until(lambda: len([m for m in person.messages() if finished(m)]) >= jobs or None)
    statement = await statement_of(app, int(person.id))
    assert [m.attachments != [] for m in person.messages() if finished(m)] == [True] * jobs
    assert len(await env.generations()) == jobs
    assert (statement.held, statement.spent) == (0, jobs * PRICE)
    assert await app.store.read(ledger.audit) == []


def in_database(env: Env, query: str) -> Callable[[], bool]:
    """Whether the query finds a row, read while the bot runs."""

    def there() -> bool:
        try:
            with closing(sqlite3.connect(f"file:{env.folder / 'easel.sqlite3'}?mode=ro", uri=True)) as db:
                return db.execute(query).fetchone() is not None
        except sqlite3.OperationalError:
            return False

    return there


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_killed_after_an_answer_was_lost(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with killable_app(env) as process:
            await online(ada)
            asking = asyncio.create_task(ask(ada), name="asking")
            await until(lambda: not env.switchboard.is_on("enqueue-answer-lost"))
            process.kill()
            await asking
        async with env.app() as app:
            await assert_consistent(app, env, ada, jobs=1)


async def test_a_graceful_stop_loses_nothing(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with killable_app(env) as process:
            await online(ada)
            await ask(ada)
            process.terminate()
            assert await ended(process) == 0
        async with env.app() as app:
            await assert_consistent(app, env, ada, jobs=1)


async def ask(person: Person, **options: str) -> bool:
    """Run /generate, and return whether it was answered before the kill."""
    try:
        await person.slash("generate", prompt="a red fox in the snow", **options)
    except NotDoneError:
        return False
    return True
