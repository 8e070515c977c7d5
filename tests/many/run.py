"""Two thousand jobs of several processes on one PostgreSQL, while two are killed, one is stopped, and the database restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from sandbox import images
from sandbox.faults import Switchboard
from sandbox.images import ApiTiming, ImageServer
from tests.env.databases import Postgres
from tests.many.busy_discord import TOKEN, BusyDiscord
from tests.many.members import MembersOrders, PlannedOrder
from tests.many.payloads import ServerMember
from tests.many.processes import BotFleet, WorkingBot, fleet

T = TypeVar("T")

OXEN, OXLO = "black-forest-labs-flux-2-klein-4b", "stable-diffusion-1.5"
SERVERS, MEMBERS = 60, 300
HEAVY = range(6)  # the members who order many at once, in two servers that they share with others
PER_HEAVY = 100
PER_MEMBER, PER_SERVER, TOTAL = 2, 4, 16
MOST = {"oxen": 14, "oxlo": 4}  # at a time
CAPS = {"member": PER_MEMBER, "server": PER_SERVER, "total": TOTAL, **MOST}
RATES = {"oxen": 3000, "oxlo": 120}  # per minute
KILLS = 3  # processes that end amid their work: two are killed, one is stopped
_AT_ONCE = 50  # orders of other members
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_AWAY_S = 3.0  # until a new process takes the place of one that ended
_TIMING = ApiTiming(queue_s=0.02, image_min_s=0.5, image_max_s=0.9, retry_after_s=0)


@dataclass(kw_only=True)
class Phases:
    """How long each part of a run took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    def end(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = round(now - self._since, 1)
        self._since = now


@dataclass(kw_only=True)
class Together:
    """The processes, and everything around them."""

    url: str  # of the database
    discord: BusyDiscord
    images: ImageServer
    fleet: BotFleet
    orders: MembersOrders
    phases: Phases = field(default_factory=Phases)

    async def start(self, count: int) -> list[WorkingBot]:
        """Start that many, and wait until they are ready and have every shard."""
        started = [await self.fleet.start() for _ in range(count)]
        await asyncio.gather(*(each.until_ready() for each in started))
        await until(lambda: self.discord.has_shards(), "all shards are connected")
        return started

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Read the database beside the bots."""
        engine = create_async_engine(make_url(self.url).set(drivername=_DRIVERS[self.url.partition(":")[0]]))
        try:
            async with engine.connect() as conn:
                return await conn.run_sync(query)
        finally:
            await engine.dispose()


@asynccontextmanager
async def together(
    url: str, folder: Path, *, shards: int, switchboard: Switchboard | None = None, **settings: str
) -> AsyncIterator[Together]:
    """The stand-ins for processes with the database at `url`, of which none runs yet."""
    async with (
        images.serve(switchboard=switchboard, timing=_TIMING, draft=True) as image_server,
        BusyDiscord(shards=shards, guilds=SERVERS).served() as discord,
    ):
        given = {**_settings(url, discord, image_server), **settings}
        async with fleet(folder, given) as started:
            yield Together(url=url, discord=discord, images=image_server, fleet=started, orders=MembersOrders(discord=discord))


def _settings(url: str, discord: BusyDiscord, image_server: ImageServer) -> Mapping[str, str]:
    unlimited = dict.fromkeys(("MONTHLY_LIMIT_USD", "MONTHLY_LIMIT_USD_PER_SERVER"), "1000")
    return {
        "DISCORD_TOKEN": TOKEN,
        "DISCORD_API_URL": f"{discord.url}/api/v10",
        "DISCORD_GATEWAY_URL": discord.gateway_url,
        "DISCORD_CDN_HOSTS": discord.url.removeprefix("http://"),
        "OXEN_API_KEY": image_server.key,
        "OXEN_BASE_URL": image_server.url,
        "OXLO_API_KEY": image_server.openai_key,
        "OXLO_BASE_URL": image_server.openai_url,
        "DATABASE_URL": url,
        "QUOTA_CREDITS": "100000",
        "MAX_WAITING_PER_USER": "1000",
        "MAX_RUNNING_PER_USER": str(PER_MEMBER),
        "MAX_RUNNING_PER_SERVER": str(PER_SERVER),
        "MAX_RUNNING": str(TOTAL),
        **{f"{api.upper()}_MAX_RUNNING": str(most) for api, most in MOST.items()},
        **{f"{api.upper()}_RATE_PER_MINUTE": str(rate) for api, rate in RATES.items()},
        **unlimited,
    }


async def play(run: Together, postgres: Postgres, *, processes: int, jobs: int) -> None:
    """Order everything, while processes end and others take their places, until every job has ended."""
    await run.start(processes)
    run.phases.end("start")
    many = [
        PlannedOrder(member=member_in(n % len(HEAVY), servers=2), model=OXLO if n % 3 == 0 else OXEN) for n in range(len(HEAVY) * PER_HEAVY)
    ]
    few = [_of_many(n) for n in range(jobs - len(many))]
    async with asyncio.timeout(1000), asyncio.TaskGroup() as group:
        group.create_task(run.orders.run(many, at_once=24, waits=False), name="those who order many")
        group.create_task(run.orders.run(few, at_once=_AT_ONCE), name="those who order few")
        await _trouble(run, postgres, jobs)
    async with asyncio.timeout(300):
        await run.orders.until_shown()
    run.phases.end("rest")


def member_in(number: int, *, servers: int = SERVERS) -> ServerMember:
    return ServerMember(number=number, guild=number % servers)


def _of_many(n: int) -> PlannedOrder:
    number = len(HEAVY) + n % (MEMBERS - len(HEAVY))
    return PlannedOrder(member=member_in(number), model=OXLO if n % 25 == 0 else OXEN, count=2 if n % 10 == 0 else 1)


async def _trouble(run: Together, postgres: Postgres, jobs: int) -> None:
    """Kill two processes, stop another, and restart the database, each at some part of the way. It hits the one that runs the longest."""
    steps: tuple[tuple[float, str, Callable[[], Awaitable[object]]], ...] = (
        (0.15, "first kill", lambda: run.fleet.running[0].kill()),
        (0.35, "database restarted", lambda: asyncio.to_thread(_restart, postgres)),
        (0.55, "second kill", lambda: run.fleet.running[0].kill()),
        (0.75, "stop", lambda: _stop(run.fleet.running[0])),
    )
    for part, name, act in steps:
        await until(partial(_has_ended, run, part * jobs), f"{part:.0%} of the jobs ended", timeout_s=500)
        await act()
        run.phases.end(f"until {name}")
        if name != "database restarted":
            await asyncio.sleep(_AWAY_S)
            await run.fleet.start()


def _has_ended(run: Together, jobs: float) -> bool:
    return len(run.discord.ended) >= jobs


def _restart(postgres: Postgres) -> None:
    postgres.stop()
    postgres.start()


async def _stop(process: WorkingBot) -> None:
    code = await process.stop()
    assert code == 0, process.log[-3000:]


async def until(check: Callable[[], object], what: str, *, timeout_s: float = 60) -> None:
    """Wait for something that nothing announces."""
    try:
        async with asyncio.timeout(timeout_s):
            while not check():  # noqa: ASYNC110  other processes send no event
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"Waited {timeout_s:.0f} s in vain until {what}.") from None
