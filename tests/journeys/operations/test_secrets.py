"""The bot's process never writes a secret, whatever fails."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from sandbox.person import Person
from tests.env.app import Env
from tests.journeys.operations.test_crash import ROOT, online
from tests.journeys.operations.test_faults import finished

KEY = "a-key-that-nobody-may-see"


@pytest.mark.parametrize("form", [pytest.param("console", marks=pytest.mark.slow), "json"])
async def test_no_secret_is_ever_logged(env: Env, form: str) -> None:
    env_file, log = env.folder / "none.env", env.folder / "log"
    env_file.touch()
    settings = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": form, "OXEN_API_KEY": KEY}
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "--env-file", str(env_file), "run"),
            cwd=ROOT,
            env={**os.environ, **env.environment(**settings)},
            stderr=stderr,
        )
    try:
        async with Person.connect(env.discord.url, "Ada") as ada:
            await online(ada)
            for fault in ("token-expired", "key-refused", "discord-error"):
                env.switchboard.turn_on(fault, times=1)
                await ada.slash("generate", prompt=f"a fox, {fault}")
                await ada.message(lambda m, fault=fault: finished(m) and fault in m.content)  # type: ignore[misc]
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:  # a failed test leaves no process behind
            process.kill()
            await process.wait()
    written = log.read_text()
    assert "ordered" in written
    assert [secret for secret in (env.discord.token, KEY) if secret in written] == []
