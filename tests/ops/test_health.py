"""`python -m bot health`, beside a bot that runs, is stuck, or does not run."""

from __future__ import annotations

import os

from bot.services.operating.heartbeat import Heartbeat
from tests.env.app import Env
from tests.env.command import Ran, run
from tests.services.conftest import eventually


async def health(env: Env) -> Ran:
    return await run("health", folder=env.folder, environ={"DATA_DIR": str(env.folder)})


async def test_a_bot_that_runs_is_healthy_and_one_that_is_stuck_or_stopped_is_not(env: Env) -> None:
    async with env.app():

        async def is_healthy() -> bool | None:
            return Heartbeat.of(env.folder).trouble() is None or None

        await eventually(is_healthy)
        ran = await health(env)
        assert (ran.code, ran.out, ran.err) == (0, "The bot runs, and its event loop turns.\n", "")
        os.utime(Heartbeat.of(env.folder).path, (0, 0))
        ran = await health(env)
        assert (ran.code, ran.err.startswith("The bot has done nothing for ")) == (1, True)
    ran = await health(env)
    assert (ran.code, ran.err) == (1, "The bot is not running, or uses another DATA_DIR.\n")
