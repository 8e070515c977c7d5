"""The bot in this process between stand-ins, members who order from it, and what it logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog
from structlog.testing import LogCapture

from bot.app import App
from bot.core.clock import system
from bot.core.running import patience
from bot.providers.oxen import Oxen
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import NotDoneError, Person
from tests.chaos import checks
from tests.chaos.table import Conditions, Result
from tests.env.app import Env, person_in
from tests.services.conftest import Pipeline

UNLIMITED = {
    "QUOTA_CREDITS": "1000000",
    **dict.fromkeys(("MONTHLY_LIMIT_USD", "MONTHLY_LIMIT_USD_PER_SERVER"), "1000"),
    **dict.fromkeys(("OXEN_RATE_PER_MINUTE", "OXLO_RATE_PER_MINUTE"), "100000"),
    **dict.fromkeys(("OXEN_MAX_RUNNING", "OXLO_MAX_RUNNING", "MAX_RUNNING", "MAX_RUNNING_PER_SERVER"), "1000"),
    **dict.fromkeys(("MAX_RUNNING_PER_USER", "MAX_WAITING_PER_USER"), "100"),
}
_CHANNELS = 10
_UNEXPECTED = ("error", "critical")
_NOT_THE_BOT = ("aiohttp.", "sandbox.")  # the stand-ins, whose clients disconnect


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line that the bot logged."""

    at: int  # Unix ms
    event: str
    level: str
    fields: dict[str, Any]


@dataclass(kw_only=True)
class Load:
    """What one run works with, and what it has seen so far."""

    env: Env
    url: str  # of the database
    seed: int
    log: list[LogLine]
    people: list[Person] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def members(self) -> AsyncIterator[None]:
        """The members, once the bot is online. Their view lasts to the end of the block."""
        async with AsyncExitStack() as stack:
            self.people = [await stack.enter_async_context(person_in(self.env, name)) for name in ("Ada", "Ben", "Mo")]
            self.channels = [await self.people[0].thread(f"thread {n}") for n in range(_CHANNELS)]
            yield

    async def order(self, app: App, count: int, *, at_once: int = 20, in_flight: int = 100) -> None:
        """Order this many images, `at_once` in one moment; most of them while `in_flight` or fewer jobs are open."""
        for start in range(0, count, at_once):
            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, count - start)):
                    group.create_task(self._ask())
            await self.until_open(app, in_flight)

    async def until_open(self, app: App, most: int = 0, *, timeout_s: float = 300) -> None:
        """Wait until at most this many jobs and outbox items are left to do. Waiting longer is what the checks then complain about."""
        try:
            async with asyncio.timeout(timeout_s):
                with patience.endless():
                    while await app.store.read(checks.open_work) > most:  # noqa: ASYNC110  nothing announces it
                        await asyncio.sleep(0.02)
        except TimeoutError:
            return

    async def result(self, *, tells_operator: bool = False, expected: str | None = None, **more: Any) -> Result:
        """What the checks find after everything should have ended, and the errors in the log.

        `tells_operator`: there was trouble, of which the log must tell. `expected`: as in `errors_in`.
        """
        log = [line for line in self.log if not (tells_operator and line.level == "critical")]
        told = checks.told_of(self.people, self.prompts)
        generations = await self.env.generations()
        messages = checks.seen_by(self.people)
        outside = checks.Outside(generations=generations, messages=messages, told=told, spool=self.env.folder / "spool")
        return await checks.examine(self.url, outside) + Result(wrong=tuple(errors_in(log, expected=expected)), **more)

    async def _ask(self) -> None:
        number = len(self.prompts)
        self.prompts.append(f"a red fox, {number} of them")
        try:
            channel = self.channels[number % len(self.channels)]
            await self.people[number % len(self.people)].slash("generate", channel, prompt=self.prompts[number])
        except NotDoneError:
            return  # the order may be stored all the same, which the checks see


@asynccontextmanager
async def scene(
    conditions: Conditions, *, timing: images.ApiTiming = images.FAST, url: str | None = None, **settings: str
) -> AsyncIterator[Load]:
    """The stand-ins, and the settings of a bot that nothing limits, with the database at `url` or a new one."""
    switchboard, url = Switchboard(), url or conditions.new_database()
    with recorded_log() as log:
        async with (
            images.serve(switchboard=switchboard, timing=timing, draft=True, seed=conditions.seed) as image_server,
            discord.serve(switchboard=switchboard) as discord_server,
        ):
            overrides = {**UNLIMITED, "DATABASE_URL": url, **settings}
            env = Env(switchboard=switchboard, images=image_server, discord=discord_server, folder=conditions.folder, overrides=overrides)
            yield Load(env=env, url=url, seed=conditions.seed, log=log)


@asynccontextmanager
async def pipeline_without_loops(
    conditions: Conditions, *, client: type[Oxen] = Oxen, **settings: str
) -> AsyncIterator[tuple[Pipeline, list[LogLine]]]:
    """The services of a bot that nothing limits, with a new database: nothing ends meanwhile. And what they log."""
    more: dict[str, Any] = {**UNLIMITED, "DATABASE_URL": conditions.new_database(), **settings}
    with recorded_log() as log:
        async with images.serve(timing=images.FAST, draft=True) as server, aiohttp.ClientSession() as session:
            pipeline = Pipeline(images=server, session=session, data_dir=conditions.folder)
            try:
                await pipeline.restart(client=client, **more)
                await pipeline.models.refresh("oxen")
                yield pipeline, log
            finally:
                await pipeline.close()


@contextmanager
def recorded_log() -> Iterator[list[LogLine]]:
    """The log of the block, in place of showing it: that of the bot, and the warnings of libraries."""
    lines: list[LogLine] = []
    before, root = structlog.get_config()["processors"], logging.getLogger()
    disabled, handler = root.manager.disable, _LibraryLog(lines)
    structlog.configure(processors=[structlog.processors.ExceptionRenderer(), _Recorder(lines)])
    logging.disable(logging.INFO)
    root.addHandler(handler)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        logging.disable(disabled)
        structlog.configure(processors=before)


class _Recorder(LogCapture):
    """Keeps what the bot logs."""

    def __init__(self, lines: list[LogLine]) -> None:
        self._lines = lines

    def __call__(self, _logger: object, method_name: str, event_dict: Any) -> Any:
        event = dict(event_dict)
        level = "error" if method_name == "exception" else method_name
        self._lines.append(LogLine(at=system(), event=str(event.pop("event")), level=level, fields=event))
        raise structlog.DropEvent


class _LibraryLog(logging.Handler):
    """Keeps what libraries log."""

    def __init__(self, lines: list[LogLine]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(_NOT_THE_BOT):
            fields = {"exception": self.format(record)} if record.exc_info else {}
            self._lines.append(LogLine(at=system(), event=record.getMessage(), level=record.levelname.lower(), fields=fields))


def errors_in(log: Sequence[LogLine], *, expected: str | None = None) -> Iterator[str]:
    """A sentence for each kind of error in the log, with the first of them. `expected`: words of those that are none."""
    seen: set[tuple[str, str]] = set()
    for line in log:
        trace = str(line.fields.get("exception", ""))
        kind = line.event, trace.rpartition("\n")[2][:80]
        if line.level in _UNEXPECTED and kind not in seen and not (expected and expected in line.event + trace):
            seen.add(kind)
            yield f"The bot logged {line.level} {line.event!r}: { {**line.fields, 'exception': trace[-900:]} }"
