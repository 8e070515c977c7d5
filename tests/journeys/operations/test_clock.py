"""The machine's clock is set while work is open in every state, with or without a restart in between."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.app import App
from bot.core.clock import SteadyClock
from bot.domain.job import JobState
from bot.store.money import ledger
from sandbox.person import Person
from tests.env.app import Env
from tests.env.job_steps import in_state
from tests.journeys.operations.test_crash import assert_consistent
from tests.journeys.operations.test_faults import AheadClock, finished
from tests.services.conftest import eventually

DAY_MS = 86_400_000
JOBS = 4  # two run, one waits for its turn, and one is made and cannot be fetched yet


@pytest.fixture
async def ada(env: Env) -> AsyncIterator[Person]:
    """Ada stays connected while the bot is offline."""
    async with Person.connect(env.discord.url, "Ada") as person:
        yield person


async def orders(env: Env, app: App, ada: Person) -> None:
    """Leave an order in every state."""
    await ada.until(lambda: (ada.bot_online and "generate" in ada.commands) or None)
    env.switchboard.turn_on("result-late")
    await order(ada)

    async def is_made() -> bool:
        return bool(await app.store.read(in_state, JobState.DELIVERABLE))

    async def are_sent() -> bool:
        return len(await env.generations()) == JOBS - 1

    await eventually(is_made)
    env.switchboard.turn_on("generation-stuck")
    for _ in range(JOBS - 1):
        await order(ada)
    await eventually(are_sent)


async def order(ada: Person) -> None:
    await ada.slash("generate", prompt="a red fox in the snow")


def let_go(env: Env) -> None:
    env.switchboard.turn_off("generation-stuck")
    env.switchboard.turn_off("result-late")


@pytest.mark.parametrize("jump", [DAY_MS, pytest.param(-DAY_MS, marks=pytest.mark.slow)], ids=["forward", "back"])
async def test_a_clock_that_is_set_while_the_bot_runs_changes_nothing(env: Env, ada: Person, jump: int) -> None:
    wall = AheadClock()
    async with env.app(clock=SteadyClock(wall=wall)) as app:
        await orders(env, app, ada)
        wall.ahead_ms = jump
        let_go(env)
        await assert_consistent(app, env, ada, jobs=JOBS)


async def test_work_goes_on_after_a_restart_with_a_clock_that_was_set_back(env: Env, ada: Person) -> None:
    async with env.app(clock=AheadClock(ahead_ms=DAY_MS)) as app:
        await orders(env, app, ada)
    let_go(env)
    async with env.app() as app:
        await assert_consistent(app, env, ada, jobs=JOBS)
        await order(ada)
        await assert_consistent(app, env, ada, jobs=JOBS + 1)


@pytest.mark.slow
async def test_every_order_ends_after_a_restart_with_a_clock_that_was_set_forward(env: Env, ada: Person) -> None:
    async with env.app(clock=AheadClock(ahead_ms=-DAY_MS)) as app:
        await orders(env, app, ada)
    let_go(env)
    async with env.app() as app:
        await ada.until(lambda: len([m for m in ada.messages() if finished(m)]) == JOBS or None)
        assert await app.store.read(ledger.audit) == []
        assert len(await env.generations()) == JOBS
