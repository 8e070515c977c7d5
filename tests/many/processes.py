"""Processes of the bot, as an operator runs them: `python -m bot run` with the same settings, each with a folder of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.imports import PROJECT

_START_S = 60.0  # on a machine that does much else
_STOP_S = 40.0


@dataclass(kw_only=True, eq=False)
class WorkingBot:
    """One process, from its start to its end."""

    number: int
    folder: Path
    port: int  # of its page
    child: asyncio.subprocess.Process

    @property
    def log(self) -> str:
        return (self.folder / "bot.log").read_text("utf-8", errors="replace")

    @property
    def is_running(self) -> bool:
        return self.child.returncode is None

    async def until_ready(self) -> None:
        """Wait until it says that it is. Raises `AssertionError` with the end of its log if it ends or takes too long."""
        async with aiohttp.ClientSession() as session:
            for _ in range(int(_START_S / 0.1)):
                if not self.is_running:
                    break
                try:
                    async with session.get(f"http://127.0.0.1:{self.port}/readyz") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)
        raise AssertionError(f"Process {self.number} is not ready (exit code {self.child.returncode}):\n{self.log[-3000:]}")

    async def until_ended(self) -> int:
        """Wait until it ends by itself. Returns its exit code."""
        async with asyncio.timeout(_START_S):
            return await self.child.wait()

    async def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        self.child.kill()
        await self.child.wait()

    async def stop(self) -> int:
        """Stop it politely. Returns its exit code."""
        self.child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_STOP_S):
            return await self.child.wait()


@dataclass(kw_only=True)
class BotFleet:
    """All processes that were started."""

    folder: Path
    settings: Mapping[str, str]
    code: Path = PROJECT  # the checkout whose bot runs
    processes: list[WorkingBot] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def running(self) -> list[WorkingBot]:
        return [each for each in self.processes if each.is_running]

    async def start(self, *, code: Path | None = None, **settings: str) -> WorkingBot:
        """Start one more, which need not be ready yet."""
        number = next(self._numbers)
        folder, port = self.folder / f"process-{number}", _free_port()
        folder.mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(code or self.code),
            "DATA_DIR": str(folder / "data"),
            "METRICS_PORT": str(port),
            **self.settings,
            **settings,
        }
        with (folder / "bot.log").open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", cwd=folder, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        process = WorkingBot(number=number, folder=folder, port=port, child=child)
        self.processes.append(process)
        return process

    def logged(self, *events: str) -> dict[str, int]:
        """How often all of them together logged each of these events."""
        return {event: sum(each.log.count(f"] {event} ") for each in self.processes) for event in events}

    def errors(self) -> list[str]:
        """The lines of all logs that tell of an error."""
        return [line for each in self.processes for line in each.log.splitlines() if "[error " in line or "[critical " in line]


@asynccontextmanager
async def fleet(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[BotFleet]:
    """Processes that end with the block."""
    started = BotFleet(folder=folder, settings=settings)
    try:
        yield started
    finally:
        for process in started.running:
            await process.kill()


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
