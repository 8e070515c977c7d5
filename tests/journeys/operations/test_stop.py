"""Stopping under load: gracefully in the grace time, at once at a second signal, and in time whatever does not answer."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from sandbox.person import NotDoneError, Person
from tests.chaos.killable import ended
from tests.env.app import Env, has_image
from tests.env.command import line_with, started
from tests.journeys.operations.test_crash import assert_consistent, killable_app, online, until

WIDE = {f"MAX_{what}": "60" for what in ("RUNNING", "RUNNING_PER_SERVER", "RUNNING_PER_USER", "WAITING_PER_USER")}
UPLOADS = 50


@pytest.mark.slow
async def test_a_stop_with_many_uploads_under_way_loses_and_doubles_nothing(env: Env) -> None:
    env.switchboard.turn_on("generation-stuck")
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with killable_app(env, **WIDE, OXEN_MAX_RUNNING="60", STOP_GRACE_S="0.2") as process:
            await online(ada)
            await asyncio.gather(*(ada.slash("generate", prompt="a red fox in the snow") for _ in range(UPLOADS)))
            env.switchboard.turn_off("generation-stuck")
            await ada.message(has_image)
            process.terminate()
            began = time.monotonic()
            assert await ended(process) == 0
            assert time.monotonic() - began < 6
            assert len([m for m in ada.messages() if has_image(m)]) < UPLOADS
        async with env.app(settings=WIDE) as app:
            await ada.until(lambda: len([m for m in ada.messages() if has_image(m)]) == UPLOADS or None, timeout_s=60)
            await assert_consistent(app, env, ada, jobs=UPLOADS)


@pytest.mark.faults("generation-stuck")
async def test_a_second_signal_ends_the_process_at_once(env: Env, folder: Path) -> None:
    environ = env.environment(**env.oxlo, STOP_GRACE_S="600")
    async with Person.connect(env.discord.url, "Ada") as ada, started("run", folder=folder, environ=environ) as process:
        await online(ada)
        await ada.slash("generate", prompt="a red fox", model="stable-diffusion-1.5")
        await until(lambda: bool(env.images.received("POST", "/v1/images")))
        process.terminate()
        await line_with(process.stderr, "stopping")
        process.terminate()
        async with asyncio.timeout(5):
            assert await process.wait() == -signal.SIGTERM


@pytest.mark.faults("generation-stuck")
async def test_who_orders_during_a_stop_is_answered_or_not_heard(env: Env, folder: Path) -> None:
    async def order_on_and_on(person: Person) -> None:
        while person.bot_online:
            with suppress(NotDoneError):
                await person.slash("quota")

    async with Person.connect(env.discord.url, "Ada") as ada, started("run", folder=folder, environ=env.environment()) as process:
        await online(ada)
        ordering = asyncio.gather(*(order_on_and_on(ada) for _ in range(20)))
        await ada.message(lambda message: message.ephemeral)
        process.terminate()
        _, err = await process.communicate()
        ordering.cancel()
    assert (process.returncode, "Session is closed" in err.decode()) == (0, False)


async def test_a_stop_does_not_wait_for_a_discord_that_does_not_answer(env: Env, folder: Path) -> None:
    async with silent_server() as (url, asked):
        environ = env.environment(DISCORD_API_URL=url, STOP_GRACE_S="600")
        async with started("run", folder=folder, environ=environ) as process:
            await asked.wait()
            process.terminate()
            async with asyncio.timeout(5):
                assert await process.wait() == 0


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Takes every connection and answers nothing. Yields its address, and what is set at the first request."""
    asked, over = asyncio.Event(), asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        await over.wait()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        over.set()
        server.close()
