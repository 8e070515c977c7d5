"""A bot process whose limits the system lowers while it works: what was paid for is delivered afterwards, once, and nothing is refunded."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.journeys.operations.test_crash import ROOT, assert_consistent, online

WIDE = dict.fromkeys(("MAX_RUNNING", "MAX_RUNNING_PER_SERVER", "MAX_RUNNING_PER_USER", "MAX_WAITING_PER_USER", "OXEN_MAX_RUNNING"), "40")
JOBS = 10


@dataclass(frozen=True, kw_only=True)
class Bot:
    """A bot in its own process, and its log."""

    process: asyncio.subprocess.Process
    log: Path

    @contextmanager
    def limited(self, limit: int, value: int) -> Iterator[None]:
        """Lower a limit of the process within the block."""
        before = resource.prlimit(self.process.pid, limit)
        resource.prlimit(self.process.pid, limit, (value, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.process.pid, limit, before)

    @property
    def open_files(self) -> int:
        """The number above the highest descriptor."""
        return 1 + max(int(each.name) for each in Path(f"/proc/{self.process.pid}/fd").iterdir())

    @property
    def address_space_bytes(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[0]) * resource.getpagesize()

    async def says(self, *words: str, times: int = 1) -> None:
        """Wait until the log has one of these words so often."""
        async with asyncio.timeout(30):
            while sum(map(self.log.read_text().count, words)) < times:  # noqa: ASYNC110  another process is polled
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(env: Env, **overrides: str) -> AsyncIterator[Bot]:
    log = env.folder.with_name(f"{env.folder.name}.log")
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-m", "tests.journeys.bot_process"),
            cwd=ROOT,
            env={**os.environ, **env.environment(**WIDE, **overrides)},
            stdout=asyncio.subprocess.PIPE,
            stderr=out,
        )
        copying = asyncio.create_task(_copy(process.stdout, log), name="log")  # the process itself may not be able to write
    try:
        yield Bot(process=process, log=log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await copying
        sys.stdout.write(log.read_text())  # shown if the test fails


async def _copy(stream: asyncio.StreamReader | None, log: Path) -> None:
    assert stream is not None
    while line := await stream.readline():
        with log.open("ab") as out:
            out.write(line)


@pytest.fixture
async def ada(env: Env) -> AsyncIterator[Person]:
    async with Person.connect(env.discord.url, "Ada") as person:
        yield person


async def orders(env: Env, ada: Person) -> None:
    """Place orders that the image API does not finish before "generation-stuck" is off."""
    await online(ada)
    env.switchboard.turn_on("generation-stuck")
    await asyncio.gather(*(ada.slash("generate", prompt="a red fox in the snow") for _ in range(JOBS)))
    async with asyncio.timeout(20):
        while len(await env.generations()) < JOBS:  # noqa: ASYNC110  another process is polled
            await asyncio.sleep(0.02)


async def delivered(ada: Person) -> None:
    """Wait until the running bot has delivered everything."""
    await ada.until(lambda: len([m for m in ada.messages() if has_image(m)]) == JOBS or None, timeout_s=25)


slow = pytest.mark.slow
by_mode = pytest.mark.parametrize("mode", [pytest.param("events", marks=slow), "sync"])  # with "sync", images exist nowhere else


@pytest.mark.parametrize("spare", [pytest.param(0, marks=slow), 2])
async def test_out_of_open_files(env: Env, ada: Person, spare: int) -> None:
    async with running(env) as bot:
        await orders(env, ada)
        with bot.limited(resource.RLIMIT_NOFILE, bot.open_files + spare):
            env.switchboard.turn_off("generation-stuck")
            await bot.says("unable to open database file", "waits for this machine", times=8)
        await delivered(ada)
    async with env.app() as app:
        await assert_consistent(app, env, ada, jobs=JOBS)


@by_mode
async def test_a_disk_that_takes_no_more_bytes(env: Env, ada: Person, mode: str) -> None:
    """The limit of a file's size stands for it: no file, neither of the database nor of a result, can grow."""
    async with running(env, OXEN_MODE=mode) as bot:
        await orders(env, ada)
        with bot.limited(resource.RLIMIT_FSIZE, 1024):
            env.switchboard.turn_off("generation-stuck")
            await bot.says("disk I/O error", times=4)
        await delivered(ada)
    async with env.app() as app:
        await assert_consistent(app, env, ada, jobs=JOBS)


@slow
@by_mode
async def test_out_of_memory(env: Env, ada: Person, mode: str) -> None:
    async with running(env, OXEN_MODE=mode) as bot:
        await orders(env, ada)
        with bot.limited(resource.RLIMIT_AS, bot.address_space_bytes + 4 * 2**20):
            env.switchboard.turn_off("generation-stuck")
            await bot.says("waits for this machine", times=2 * JOBS)
        await delivered(ada)
    async with env.app() as app:
        await assert_consistent(app, env, ada, jobs=JOBS)
