"""The bot's process never writes a secret, whatever fails."""

from __future__ import annotations

import asyncio
import os
import re
import sys

import pytest

from sandbox.person import Person
from tests.env.app import Env
from tests.journeys.operations.test_crash import ROOT, online
from tests.journeys.operations.test_faults import finished

KEY = "a-key-that-nobody-may-see"
# What opens something: parameters of signed links, tokens of interactions and of the gateway, names and passwords in addresses.
SECRETS = re.compile(
    r"[?&](?:sig|signature|ex|is|hm|token|X-Amz-\w+|expires)=(?!\[secret\])[^&\s'\"]{4,}"
    r"|(?:webhooks|interactions)/\d+/(?!\[secret\])\w"
    r"|['\"](?:token|session_id)['\"]: ['\"](?!\[secret\])"
    r"|://[^\s/@\[]+@"
    r"|aW50ZXJhY3Rpb246",
    re.IGNORECASE,
)
# Runs the bot with the libraries' own logs, which no setting turns on.
EVERYTHING = """
import logging, runpy, sys
from bot.core import log
set_up = log.set_up
def louder(**settings):
    set_up(**settings)
    for name in ("", "aiohttp", "discord", "asyncio", "bot", "cogs"):
        logging.getLogger(name).setLevel("DEBUG")
log.set_up = louder
runpy.run_module("bot", run_name="__main__", alter_sys=True)
"""


async def end(process: asyncio.subprocess.Process) -> None:
    """A failed test leaves no process behind."""
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_no_link_or_token_is_logged_by_anything(env: Env) -> None:
    env_file, log = env.folder / "none.env", env.folder / "log"
    env_file.touch()
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", EVERYTHING, "--env-file", str(env_file), "run"),
            cwd=ROOT,
            env={**os.environ, **env.environment(LOG_LEVEL="DEBUG", OXEN_API_KEY=KEY)},
            stderr=stderr,
        )
    try:
        async with Person.connect(env.discord.url, "Ada") as ada:
            await online(ada)
            for fault in ("result-expired", "result-not-image", "discord-error", "result-elsewhere"):
                env.switchboard.turn_on(fault, times=1)
                await ada.slash("generate", prompt=f"a fox, {fault}")
                made = await ada.message(lambda m, fault=fault: finished(m) and fault in m.content)  # type: ignore[misc]
            env.switchboard.turn_on("cdn-gone", times=1)
            await ada.menu("Use as reference", made)
            await ada.message(lambda m: m.ephemeral)
        process.terminate()
        assert await process.wait() == 0
    finally:
        await end(process)
    written = log.read_text()
    assert "INTERACTION_CREATE" in written  # the libraries did log
    assert [found.group() for found in SECRETS.finditer(written)] == []


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
        await end(process)
    written = log.read_text()
    assert "ordered" in written
    assert [secret for secret in (env.discord.token, KEY) if secret in written] == []
