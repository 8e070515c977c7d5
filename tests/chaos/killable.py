"""The bot in a process of its own that kills itself at a numbered fault point, and is started again whenever it ends.

Fault points are before and after every commit, before every HTTP request and after its answer, and at every message of the gateway and
of an event stream. They are counted in the process's own order, so that a number may mean another point in the next run; trying 1, 2, 3
and so on until none is reached visits them all the same.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial, wraps
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import aiohttp
from discord.gateway import DiscordWebSocket
from sqlalchemy.engine.default import DefaultDialect
from yarl import URL

from bot.providers import sse
from tests.journeys.bot_process import main

_CONTEXT = multiprocessing.get_context("forkserver")
# A start is then a fork, without the seconds of importing; the bot itself imports the others where it uses them.
_CONTEXT.set_forkserver_preload([__name__, "bot.store.engine.postgres.store", "asyncpg", "babel.dates", "babel.messages.mofile"])
_AT_POINTS = 0.7  # of the random kills; the others are at any moment
_KILLED = (-signal.SIGKILL, -signal.SIGPROF)
_PATH = 48  # characters of a path in a name; long ones have tokens
_STARTS = 20  # that may fail in a row: a database may still be locked by the session of the process that was killed

Point = int | str | float  # its number; or the name of its kind, then the first of them; or CPU seconds after the start
NOWHERE: Point = 0
Plan = Callable[[int], Point]  # where the process of a start (1, 2, ...) kills itself


def once(point: Point) -> Plan:
    """Kill the first process at this point, and none after it."""
    return lambda start: point if start == 1 else NOWHERE


def somewhere(chance: random.Random, *, most_points: int, most_s: float) -> Point:
    """A random point, or a random moment between two."""
    return chance.randint(1, most_points) if chance.random() < _AT_POINTS else chance.uniform(0, most_s)


@dataclass(kw_only=True)
class KillableBot:
    """Started again whenever it ends, until the block ends."""

    environment: Mapping[str, str]
    plan: Plan
    gone: Callable[[], Awaitable[object]]  # waits until everyone has noticed that the process is gone; only then is the next one started
    log: Path  # of all processes
    kills: list[str] = field(default_factory=list)  # the fault points at which it was killed
    starts: int = 0
    failed: int = 0  # starts in a row that ended by themselves

    def last_lines(self) -> str:
        """The end of the log, for a report of a fault."""
        return self.log.read_text()[-1000:] if self.log.exists() else ""

    async def keep_running(self) -> None:
        """Raises `RuntimeError` if it ends again and again by itself."""
        while True:
            point = self.plan(self.starts + 1)
            code = await self._run(point)
            self.failed = 0 if code in _KILLED else self.failed + 1
            if code == -signal.SIGPROF:
                self.kills.append(f"{point:.3f} s of CPU time after a start")
            if self.failed > _STARTS:
                raise RuntimeError(f"The bot does not start: {self.last_lines()}")
            await self.gone()
            if self.failed:
                await asyncio.sleep(0.05)

    async def _run(self, point: Point) -> int | None:
        self.starts += 1
        async with bot_process(self.environment, point, log=self.log) as (process, killed_at):
            code = await ended(process)
            with suppress(EOFError):
                self.kills.append(killed_at.recv())
        return code


@asynccontextmanager
async def bot_process(
    environment: Mapping[str, str], point: Point = NOWHERE, *, log: Path = Path(os.devnull)
) -> AsyncIterator[tuple[ForkServerProcess, Connection]]:
    """A bot in its own process until the block ends, and a pipe that gets the name of the fault point at which it kills itself."""
    mine, its = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_serve, args=(dict(environment), point, its, str(log)))
    process.start()
    its.close()
    try:
        yield process, mine
    finally:
        mine.close()
        process.kill()
        process.join()


async def ended(process: ForkServerProcess) -> int | None:
    """Wait for the end of a process without a thread. Returns its exit code."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(process.sentinel, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join()
    return process.exitcode


@asynccontextmanager
async def killable_bot(
    environment: Mapping[str, str], plan: Plan, *, gone: Callable[[], Awaitable[object]], log: Path
) -> AsyncIterator[KillableBot]:
    """A bot that is started again whenever it ends, and killed at the end of the block."""
    bot = KillableBot(environment=environment, plan=plan, gone=gone, log=log)
    running = asyncio.create_task(bot.keep_running(), name="killable bot")
    try:
        yield bot
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled() and (error := running.exception()):
            raise error


# --- in the bot's process --------------------------------------------------------------------------------------------


def _serve(environment: dict[str, str], point: Point, found: Connection, log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.update(environment)
    if isinstance(point, float):
        # Without a handler it ends the process at once, as SIGKILL does. CPU time, so that a busy machine kills no sooner.
        signal.setitimer(signal.ITIMER_PROF, point)
    _count_fault_points(point, found)
    asyncio.run(main())


def _count_fault_points(point: Point, found: Connection) -> None:
    """Kill this process at the numbered point, and send its name first."""
    lock, counted = threading.Lock(), 0

    def reached(name: str) -> None:
        nonlocal counted
        with lock:  # commits are counted in the store's thread; nothing else happens after the kill
            counted += 1
            if point in (counted, name):
                found.send(f"{counted}, {name}")
                os.kill(os.getpid(), signal.SIGKILL)

    points: list[tuple[type, str, Callable[..., Any]]] = [
        (DefaultDialect, "do_commit", partial(_around, name="commit")),
        (aiohttp.ClientSession, "_request", _around_request),
        (DiscordWebSocket, "received_message", partial(_around_async, name="gateway message")),
        (sse.Decoder, "feed", partial(_around, name="event stream")),
    ]
    for owner, method, around in points:
        setattr(owner, method, around(getattr(owner, method), reached))


def _around(run: Callable[..., Any], reached: Callable[[str], None], name: str) -> Callable[..., Any]:
    @wraps(run)
    def changed(*args: Any, **kwargs: Any) -> Any:
        reached(f"before {name}")
        done = run(*args, **kwargs)
        reached(f"after {name}")
        return done

    return changed


def _around_async(run: Callable[..., Awaitable[Any]], reached: Callable[[str], None], name: str) -> Callable[..., Awaitable[Any]]:
    @wraps(run)
    async def changed(*args: Any, **kwargs: Any) -> Any:
        reached(f"before {name}")
        done = await run(*args, **kwargs)
        reached(f"after {name}")
        return done

    return changed


def _around_request(run: Callable[..., Awaitable[Any]], reached: Callable[[str], None]) -> Callable[..., Awaitable[Any]]:
    async def changed(session: aiohttp.ClientSession, method: str, url: Any, **kwargs: Any) -> Any:
        return await _around_async(run, reached, f"{method} {URL(url).path[:_PATH]}")(session, method, url, **kwargs)

    return changed
