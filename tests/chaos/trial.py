"""People at a bot that is killed and started again: what they do, what they wait for, and the checks afterwards."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import NotDoneError, Person
from tests.chaos import checks
from tests.chaos.checks import Outside
from tests.chaos.killable import KillableBot, Plan, killable_bot
from tests.chaos.table import Result
from tests.env.app import Env

T = TypeVar("T")

PATIENCE_S = 60.0  # whoever waits longer for one thing was left waiting; a machine that does much else is slow
_POLL_S = 0.01  # another process sends no event
# Settings for more orders than an operator would pay for.
WITHOUT_LIMITS = {
    "QUOTA_CREDITS": "1000000",
    "MONTHLY_LIMIT_USD": "100000",
    "MONTHLY_LIMIT_USD_PER_SERVER": "100000",
    "OXEN_RATE_PER_MINUTE": "60000",
}
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}

Prepare = Callable[[Store, tuple[Person, ...]], Awaitable[None]]


@dataclass(kw_only=True)
class Trial:
    """The bot that is killed, and who and what is around it."""

    env: Env
    url: str
    engine: AsyncEngine  # reads the bot's database while it runs
    bot: KillableBot
    people: tuple[Person, ...]
    prompts: list[str] = field(default_factory=list)  # of the orders so far
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _has_models: bool = False

    def new_prompt(self) -> str:
        """A prompt that no other order has."""
        self.prompts.append(f"a red fox number {next(self._numbers):05d}")
        return self.prompts[-1]

    # --- waiting ---

    async def online(self) -> None:
        """Wait until the bot can be used. A new one refuses orders until it has read its first list of models."""
        await until(lambda: None, "the bot is not online", unless=self._is_usable)

    async def _is_usable(self) -> bool:
        if not self._is_online():
            return False
        self._has_models = self._has_models or await self.read(checks.has_models)
        return self._has_models

    async def attempt(
        self, act: Callable[[], Awaitable[object]], seen: Callable[[], T | None], what: str, *, ends: bool = True
    ) -> T | None:
        """Do something and wait until its outcome can be seen. None if the bot was killed or too slow, and nothing came of it.

        With `ends` it waits until every job has ended before it decides that.
        """
        await self.online()
        starts = self.bot.starts
        acting = asyncio.create_task(quietly(act()), name=what)

        async def is_over() -> bool:
            interrupted = self.bot.starts > starts or (acting.done() and not acting.result())
            return interrupted and self._is_online() and (not ends or await self.idle())

        try:
            return await until(seen, what, unless=is_over)
        finally:
            acting.cancel()
            await asyncio.wait([acting])

    async def read(self, query: Callable[[Connection], T]) -> T:
        async with self.engine.connect() as conn:
            return await conn.run_sync(query)

    async def idle(self) -> bool:
        """Whether every job has ended and nothing is left to send."""
        return await self.read(checks.open_work) == 0

    def _is_online(self) -> bool:
        return all(person.bot_online and "generate" in person.commands for person in self.people)

    # --- afterwards ---

    async def check(self) -> Result:
        """Wait until everything has ended, and compare what everyone knows.

        What has not ended in time is named by the checks. A message that was just sent gets a moment to arrive.
        """
        await self.online()
        with suppress(AssertionError):
            await until(lambda: None, "the end of all jobs", unless=self.idle)
        for _ in range(100):
            result = await checks.examine(self.url, await self._outside())
            if not result.wrong:
                break
            await asyncio.sleep(_POLL_S)
        return result

    async def _outside(self) -> Outside:
        return Outside(
            generations=await self.env.generations(),
            messages=checks.seen_by(self.people),
            told=checks.told_of(self.people, self.prompts),
            spool=self.env.folder / "spool",
        )


async def until(seen: Callable[[], T | None], what: str, *, unless: Callable[[], Awaitable[bool]] | None = None) -> T | None:
    """What `seen` returns once it is not None; None as soon as `unless` is true. Raises `AssertionError` after a minute."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (found := seen()) is None and not (unless is not None and await unless()):  # noqa: ASYNC110  another process is polled
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise AssertionError(f"Waited {PATIENCE_S:.0f} s in vain: {what}.") from None
    return found


async def _offline(people: Sequence[Person]) -> None:
    await until(lambda: not any(person.bot_online for person in people) or None, "the bot is not offline")


async def quietly(act: Awaitable[object]) -> bool:
    """Whether it was answered. If not, the person reads that in the client."""
    try:
        await act
    except (NotDoneError, ConnectionError):
        return False
    return True


@asynccontextmanager
async def trial(
    url: str, folder: Path, plan: Plan, *, names: tuple[str, ...], prepare: Prepare, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Trial]:
    """The people of these names and the bot on the empty database at `url`, with servers of their own. `folder` exists."""
    switchboard = Switchboard()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        image_server = await enter(images.serve(switchboard=switchboard, timing=images.FAST, draft=True))
        discord_server = await enter(discord.serve(switchboard=switchboard))
        env = Env(switchboard=switchboard, images=image_server, discord=discord_server, folder=folder, overrides={"DATABASE_URL": url})
        people = tuple([await enter(Person.connect(discord_server.url, name)) for name in names])
        async with open_store(url) as store:
            await prepare(store, people)
        engine = create_async_engine(make_url(url).set(drivername=_DRIVERS[url.partition(":")[0]]), hide_parameters=True)
        stack.push_async_callback(engine.dispose)
        bot = await enter(killable_bot(env.environment(**(settings or {})), plan, gone=partial(_offline, people), log=folder / "bot.log"))
        yield Trial(env=env, url=url, engine=engine, bot=bot, people=people)
