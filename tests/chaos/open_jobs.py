"""A start with 1,000 open jobs in every state: they move again within a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from bot.app import App, assemble
from bot.domain.job import GenerationState, JobState, ReplyTarget
from bot.store import tables
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store, read_once
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import Person
from tests.chaos import checks
from tests.chaos.checks import Outside
from tests.chaos.databases import EngineName
from tests.chaos.table import Conditions, Result, Run
from tests.chaos.trial import WITHOUT_LIMITS
from tests.env.app import Env
from tests.env.jobs import order_of
from tests.services.conftest import eventually

_JOBS, _SHORT_JOBS = 1000, 60
_LIMIT_S = 1.0
_AT_ONCE = 40  # orders; a tenth of the jobs is then in each state, and the rest waits


@dataclass(kw_only=True)
class Touched:
    """When each open job was claimed for the first time, in seconds after the start, without the time in which others had the processor."""

    expected: Mapping[str, frozenset[Hashable]]  # by state
    begun: float = field(default_factory=lambda: _own_time())
    at: dict[tuple[str, Hashable], float] = field(default_factory=dict)

    def note(self, claim: str, claimed: Any) -> None:
        """Note what a claim of this name returned."""
        if claim in _CLAIMS:
            state, keys = _CLAIMS[claim]
            for key in keys(claimed):
                self.at.setdefault((state, key), _own_time() - self.begun)

    def times(self, state: str) -> list[float]:
        """When those of this state were claimed, in order. An event of the image API may have ended others before."""
        return sorted(at for (of, key), at in self.at.items() if of == state and key in self.expected[state])


def _own_time() -> float:
    """Seconds, without those in which this thread was ready and another process ran (Linux)."""
    waited_ns = int(Path("/proc/self/schedstat").read_text().split()[1])
    return time.monotonic() - waited_ns / 1e9


def _key(generation: Any) -> Hashable:
    return generation.job_id, generation.n


# What claims a job in each state: the name of its operation, and the keys in its result.
_CLAIMS: Mapping[str, tuple[str, Callable[[Any], Iterable[Hashable]]]] = {
    "to_submit": ("waiting", lambda claimed: [_key(each.generation) for each in claimed[0]]),
    "lost": ("lost", lambda claimed: [_key(each) for each in claimed]),
    "to_check": ("unchecked", list),
    "to_read": ("running", lambda claimed: [_key(each) for each in claimed]),
    "claim": ("deliverable", lambda claimed: [item.id for item, _job in claimed[0]]),
}


def _watch(store: Store, touched: Touched) -> None:
    """Note what every operation of this store returns."""
    for name in ("read", "write"):
        setattr(store, name, _noting(getattr(store, name), touched))


def _noting(run: Callable[..., Awaitable[Any]], touched: Touched) -> Callable[..., Awaitable[Any]]:
    async def noting(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        done = await run(op, *args, **kwargs)
        touched.note(getattr(op, "__name__", ""), done)
        return done

    return noting


# --- the open jobs ---------------------------------------------------------------------------------------------------


async def _fill(env: Env, ada: Person, *, count: int) -> None:
    """Order `count` jobs, and leave them in every state."""
    tenth, switchboard = count // 10, env.switchboard
    switchboard.turn_on("discord-error")
    async with env.app() as app:
        await _order(app, ada, tenth)
        await eventually(lambda: _count(app, JobState.DELIVERABLE, tenth), timeout_s=120)
        switchboard.turn_on("generation-stuck")
        await _order(app, ada, count - tenth)
        await eventually(lambda: _running(app, 2 * tenth), timeout_s=120)
    for name in ("discord-error", "generation-stuck"):
        switchboard.turn_off(name)
    async with open_store(env.environment()["DATABASE_URL"]) as store:
        await store.write(_disturb, tenth)


async def _order(app: App, ada: Person, count: int) -> None:
    places = [
        ReplyTarget(user_id=10**6 + n, channel_id=int(ada.channel("studio")), guild_id=int(ada.hello["guild"]["id"])) for n in range(count)
    ]

    async def order(place: ReplyTarget) -> None:
        await app.services.orders.order(await order_of(app.services, f"a red fox of {place.user_id}, {count}", place))

    for begun in range(0, count, _AT_ONCE):
        await asyncio.gather(*(order(place) for place in places[begun : begun + _AT_ONCE]))


async def _count(app: App, state: JobState, least: int) -> bool:
    return len(await app.store.read(_jobs_in, state)) >= least


def _jobs_in(conn: Connection, state: JobState) -> list[str]:
    return list(conn.scalars(select(tables.jobs.c.id).where(tables.jobs.c.state == state)))


async def _running(app: App, least: int) -> bool:
    return len(await app.store.read(_generations_in, GenerationState.RUNNING)) >= least


def _generations_in(conn: Connection, state: GenerationState) -> list[tuple[str, int]]:
    g = tables.generations.c
    return [(row.job_id, row.n) for row in conn.execute(select(g.job_id, g.n).where(g.state == state).order_by(g.job_id))]


def _disturb(conn: Connection, tenth: int) -> None:
    """As a crash leaves them: a tenth are being sent and their answers are not stored; a tenth of the waiting ones are not checked yet."""
    lost = {job_id for job_id, _n in _generations_in(conn, GenerationState.RUNNING)[:tenth]}
    unknown = {"state": GenerationState.SUBMITTING, "provider_id": None}
    conn.execute(update(tables.generations).where(tables.generations.c.job_id.in_(lost)).values(unknown))
    waiting = {job_id for job_id, _n in _generations_in(conn, GenerationState.WAITING)[:tenth]}
    conn.execute(update(tables.jobs).where(tables.jobs.c.id.in_(waiting)).values(needs_check=True))
    conn.execute(update(tables.outbox).values(due_at=0))


def _expected(conn: Connection) -> Mapping[str, frozenset[Hashable]]:
    unchecked = select(tables.jobs.c.id).where(tables.jobs.c.needs_check, tables.jobs.c.state == JobState.OPEN)
    return {
        "deliverable": frozenset(_jobs_in(conn, JobState.DELIVERABLE)),
        "running": frozenset(_generations_in(conn, GenerationState.RUNNING)),
        "lost": frozenset(_generations_in(conn, GenerationState.SUBMITTING)),
        "unchecked": frozenset(conn.scalars(unchecked)),
        "waiting": frozenset(_generations_in(conn, GenerationState.WAITING)),
    }


# --- the start -------------------------------------------------------------------------------------------------------


async def start_again(conditions: Conditions) -> Result:
    """Start with open jobs, measure, and let them all end."""
    count, url = _SHORT_JOBS if conditions.short else _JOBS, conditions.new_database()
    async with AsyncExitStack() as stack:
        env, ada = await stack.enter_async_context(_environment(url, conditions.folder, count))
        await _fill(env, ada, count=count)
        touched = Touched(expected=await read_once(url, _expected))
        ended = await _run_to_the_end(env, touched)
        outside = Outside(generations=await env.generations(), messages=checks.seen_by([ada]))
    result = await checks.examine(url, outside)
    return replace(result, notes=tuple(_notes(touched, ended)), wrong=(*result.wrong, *_late(touched)))


async def _run_to_the_end(env: Env, touched: Touched) -> float:
    """Run the bot, as operators do, until nothing is open. Returns the seconds that this took."""
    stop = asyncio.Event()
    async with assemble(env.settings()) as app:
        _watch(app.store, touched)
        touched.begun = _own_time()
        serving = asyncio.create_task(app.serve(stop), name="app")
        await eventually(lambda: _nothing_is_open(app.store), timeout_s=300)
        ended = _own_time() - touched.begun
        stop.set()
        await serving
    return ended


async def _nothing_is_open(store: Store) -> bool:
    await asyncio.sleep(0.1)
    return await store.read(checks.open_work) == 0


def _notes(touched: Touched, ended: float) -> Iterable[str]:
    for state, keys in touched.expected.items():
        times = touched.times(state) or [ended]
        every = "" if state == "waiting" else f", the last after {times[-1]:.2f} s"  # as many at a time as the limits allow
        yield f"{len(keys)} {state}: the first after {times[0]:.2f} s{every}"
    yield f"all had ended after {ended:.1f} s"


def _late(touched: Touched) -> Iterable[str]:
    for state in touched.expected:
        times = touched.times(state)
        if not times or times[0] > _LIMIT_S:
            yield f"No job that was {state} was claimed within {_LIMIT_S} s of the start, but after {times[:1]} s."


@asynccontextmanager
async def _environment(url: str, folder: Path, count: int) -> Any:
    switchboard = Switchboard()
    limits = dict.fromkeys(("MAX_RUNNING", "MAX_RUNNING_PER_SERVER", "OXEN_MAX_RUNNING"), str(count // 5))
    settings = {"DATABASE_URL": url, **WITHOUT_LIMITS, **limits}
    async with (
        images.serve(switchboard=switchboard, timing=images.FAST, draft=True) as image_server,
        discord.serve(switchboard=switchboard) as discord_server,
        Person.connect(discord_server.url, "Ada") as ada,
    ):
        yield Env(switchboard=switchboard, images=image_server, discord=discord_server, folder=folder, overrides=settings), ada


RUNS = tuple(
    Run(name="open-jobs", engine=engine, work=start_again, accepted=_JOBS, delivered=_JOBS)
    for engine in (EngineName.SQLITE, EngineName.POSTGRES)
)
