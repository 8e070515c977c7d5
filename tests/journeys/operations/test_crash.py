"""kill -9 at any moment, then a restart: every accepted job is delivered exactly once, and nothing is enqueued or charged twice."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from bot.app import House
from bot.store.money import ledger
from sandbox.person import NotDoneError, Person
from tests.env.app import Street
from tests.journeys.operations.test_faults import finished

PRICE = 1_400_000
ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def doomed_house(street: Street, **overrides: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A bot in its own process, that is killed at the end of the block at the latest."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.journeys.bot_process",
        cwd=ROOT,
        env={**os.environ, **street.environment(**overrides)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(reached: Callable[[], bool]) -> None:
    """Watch for a moment from outside, where nothing announces it."""
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110  another process is watched
            await asyncio.sleep(0.002)


async def online(person: Person) -> None:
    """The bot is there and has read the list of models."""
    await person.until(lambda: (person.bot_online and "generate" in person.commands) or None)
    async with asyncio.timeout(10):
        while not await person.autocomplete("generate", "model", prompt="x", model=""):  # noqa: ASYNC110  asked of a process
            await asyncio.sleep(0.01)


async def all_is_well(house: House, street: Street, person: Person, *, jobs: int) -> None:
    """After the dust has settled: as many finished messages, generations and charges as jobs, and a ledger that adds up."""
    await person.until(lambda: len([m for m in person.messages() if finished(m)]) >= jobs or None)
    statement = await house.studio.statement(int(person.id))
    assert [m.attachments != [] for m in person.messages() if finished(m)] == [True] * jobs
    assert len(await street.generations()) == jobs
    assert (statement.held, statement.spent) == (0, jobs * PRICE)
    assert await house.store.read(ledger.audit) == []


def asked_for(street: Street, method: str, path: str) -> Callable[[], bool]:
    return lambda: bool(street.images.received(method, path))


def in_database(street: Street, query: str) -> Callable[[], bool]:
    """Whether a row is there, read beside the running bot."""

    def there() -> bool:
        try:
            with closing(sqlite3.connect(f"file:{street.folder / 'easel.sqlite3'}?mode=ro", uri=True)) as db:
                return db.execute(query).fetchone() is not None
        except sqlite3.OperationalError:
            return False

    return there


MOMENTS: dict[str, Callable[[Street], Callable[[], bool]]] = {
    "the job is written": lambda s: in_database(s, "SELECT 1 FROM jobs"),
    "it is about to be sent": lambda s: in_database(s, "SELECT 1 FROM generations WHERE state <> 'waiting'"),
    "the queue was asked": lambda s: asked_for(s, "POST", "/api/ai/queue"),
    "the queue's answer is written": lambda s: in_database(s, "SELECT 1 FROM generations WHERE provider_id IS NOT NULL"),
    "the truth is read": lambda s: asked_for(s, "GET", "/api/ai/queue/"),
    "it is settled": lambda s: in_database(s, "SELECT 1 FROM ledger WHERE entry = 'settle'"),
    "the picture is fetched": lambda s: asked_for(s, "GET", "/results"),
    "it is delivered": lambda s: in_database(s, "SELECT 1 FROM jobs WHERE state = 'delivered'"),
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_when(street: Street, moment: str) -> None:
    async with Person.connect(street.discord.url, "Ada") as ada:
        async with doomed_house(street) as process:
            await online(ada)
            asking = asyncio.create_task(ask(ada), name="asking")
            await until(MOMENTS[moment](street))
            process.kill()
            await asking
        async with street.house() as house:
            await all_is_well(house, street, ada, jobs=1)


@pytest.mark.faults("enqueue-answer-lost", times=1)
async def test_killed_after_an_answer_was_lost(street: Street) -> None:
    async with Person.connect(street.discord.url, "Ada") as ada:
        async with doomed_house(street) as process:
            await online(ada)
            asking = asyncio.create_task(ask(ada), name="asking")
            await until(lambda: not street.switchboard.is_on("enqueue-answer-lost"))
            process.kill()
            await asking
        async with street.house() as house:
            await all_is_well(house, street, ada, jobs=1)


async def test_a_polite_stop_in_the_middle_loses_nothing_either(street: Street) -> None:
    async with Person.connect(street.discord.url, "Ada") as ada:
        async with doomed_house(street) as process:
            await online(ada)
            await ask(ada)
            process.terminate()
            assert await process.wait() == 0
        async with street.house() as house:
            await all_is_well(house, street, ada, jobs=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
async def test_killed_again_and_again_at_random_moments(street: Street, seed: int) -> None:
    chance = random.Random(seed)
    async with Person.connect(street.discord.url, "Ada") as ada:
        for _ in range(3):
            async with doomed_house(street):
                await online(ada)
                await ask(ada)
                await ask(ada)
                await asyncio.sleep(chance.uniform(0, 0.5))  # the moment is what is tried
            await ada.until(lambda: (not ada.bot_online) or None)
        with closing(sqlite3.connect(street.folder / "easel.sqlite3")) as db:
            (accepted,) = db.execute("SELECT count(*) FROM jobs").fetchone()
        async with street.house() as house:
            await all_is_well(house, street, ada, jobs=accepted)


async def ask(person: Person, **options: str) -> bool:
    """Ask for a picture; whether an answer came before the kill."""
    try:
        await person.slash("generate", prompt="a red fox in the snow", **options)
    except NotDoneError:
        return False
    return True
