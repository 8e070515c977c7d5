"""A bot that is stopped with orders under way, moved to PostgreSQL and started there, and back: each image is made, shown and paid once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.app import App
from bot.core.errors import StartError
from bot.domain.job import JobState
from bot.ops.move import command
from bot.ops.move.progress import ProgressShow
from bot.store.money import audit
from bot.store.tables import jobs
from sandbox.person import Person
from tests.env.app import Env, has_image, statement_of
from tests.env.databases import Postgres
from tests.services.conftest import eventually

PRICE = 1_400_000
ONE_AT_A_TIME = {"MAX_RUNNING": "1", "MAX_RUNNING_PER_USER": "1"}
THERE = [f"a fox in the snow, number {n}" for n in range(3)]
BACK = [f"a hare in the grass, number {n}" for n in range(3)]


async def test_orders_under_way_go_on_where_the_bot_was_moved_to(env: Env, postgres: Postgres, tmp_path: Path) -> None:
    old, there, back = f"sqlite:///{tmp_path}/easel.sqlite3", postgres.emptied(), f"sqlite:///{tmp_path}/back.sqlite3"
    async with Person.connect(env.discord.url, "Ada") as ada:
        await order_and_stop(env, ada, old, THERE)
        await move(env, old, there)
        with pytest.raises(StartError, match="This database was moved to "):
            async with env.app(DATABASE_URL=old):
                pass
        async with env.app(settings=ONE_AT_A_TIME, DATABASE_URL=there) as app:
            await assert_each_once(app, env, ada, THERE)
        await order_and_stop(env, ada, there, BACK)
        await move(env, there, back)
        async with env.app(settings=ONE_AT_A_TIME, DATABASE_URL=back) as app:
            await assert_each_once(app, env, ada, [*THERE, *BACK])


async def order_and_stop(env: Env, person: Person, database: str, prompts: list[str]) -> None:
    """Stop the bot while the image API has the first of the orders, and the others wait."""
    env.switchboard.turn_on("generation-stuck")
    async with env.app(settings=ONE_AT_A_TIME, DATABASE_URL=database):
        await person.until(lambda: (person.bot_online and "generate" in person.commands) or None)
        for prompt in prompts:
            await person.slash("generate", prompt=prompt)
        await eventually(lambda: has_requested(env, prompts[0]))
    env.switchboard.turn_off("generation-stuck")


async def has_requested(env: Env, prompt: str) -> bool:
    return prompt in [each["prompt"] for each in await env.generations()]


async def move(env: Env, source: str, target: str) -> None:
    told = list[str]()
    lines = ProgressShow(show=told.append, every_s=1)
    assert await command.move(env.settings(DATABASE_URL=source), target, show=told.append, lines=lines), told


async def assert_each_once(app: App, env: Env, person: Person, prompts: list[str]) -> None:
    """Wait for the results, then check: one generation, message and charge for each prompt, and a correct ledger."""

    async def all_delivered() -> bool:
        return set(await app.store.read(lambda conn: conn.scalars(select(jobs.c.state)).all())) == {JobState.DELIVERED}

    await eventually(all_delivered, timeout_s=15)
    statement = await statement_of(app, int(person.id))
    assert Counter(each["prompt"] for each in await env.generations()) == dict.fromkeys(prompts, 1)
    shown = [message.content for message in person.messages() if has_image(message)]
    assert [sum(prompt in content for content in shown) for prompt in prompts] == [1] * len(prompts)
    assert (len(shown), statement.held, statement.spent) == (len(prompts), 0, len(prompts) * PRICE)
    assert (await app.store.read(audit.prove)).wrong == ()
