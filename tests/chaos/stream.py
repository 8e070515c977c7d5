"""The event stream drops, repeats and reorders its events, is cut again and again, and falls silent while it stays open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from sqlalchemy import Connection, select

from bot.app import App
from bot.core.running.loops import Timing
from bot.core.settings.endpoints import OxenSettings
from bot.providers.factory import BuildContext, ImageApi
from bot.providers.oxen import Oxen
from bot.providers.provider import Provider
from bot.store import tables
from sandbox import images
from tests.chaos.databases import EngineName
from tests.chaos.load import Load, LogLine, scene
from tests.chaos.table import Conditions, Result, Run

_JOBS, _SHORT = 1000, 10
_FAULTS = {"events-lost": 0.3, "events-doubled": 0.1, "events-early": 0.1}  # shares of the events
_CUT_S, _SHORT_CUT_S = (2.0, 5.0), (0.2, 0.4)  # from one cut to the next
_AWAY_S = 0.2  # how long the stream refuses connections after a cut
_FOUND_MS = 2_000  # after a reconnect: what ended without a connection
_SILENCE_S = 45.0  # as the bot has it
_KEEP_ALIVE_S = 15.0
_FASTER = 100  # the short run of the half-open stream

# As in production, but a reconnect is tried every second, so that there are many. Otherwise the pauses grow, and polls find everything.
_REAL = Timing(retry_max_s=1.0)
_QUICK = replace(_REAL, retry_min_s=0.1, retry_max_s=0.1)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A time without a connection, in Unix ms."""

    lost_at: int
    found_at: int


async def drops(conditions: Conditions) -> Result:
    """Every event may be dropped, doubled or early, and the stream is cut every few seconds."""
    timing = _QUICK if conditions.short else _REAL
    async with scene(conditions) as at, at.env.app(timing=timing) as app, at.members():
        for fault, chance in _FAULTS.items():
            at.env.switchboard.turn_on(fault, chance=chance, seed=conditions.seed)
        async with _cut_again_and_again(at, _SHORT_CUT_S if conditions.short else _CUT_S):
            await at.order(app, _SHORT if conditions.short else _JOBS, in_flight=200)
            await at.until_open(app)
        late = await _late(at, app)
        worst = max(late, default=0)
        slow = (f"An image that ended without a connection was found {worst} ms after the reconnect.",) if worst > _FOUND_MS else ()
        note = f"{len(_gaps(at.log))} cuts; {len(late)} images ended without a connection, the last found {worst} ms after a reconnect"
        return await at.result(notes=(note,)) + Result(wrong=slow)


async def half_open(conditions: Conditions) -> Result:
    """The connection stays open and sends nothing at all."""
    faster = _FASTER if conditions.short else 1
    silence_s, timing = _SILENCE_S / faster, replace(images.FAST, keep_alive_s=_KEEP_ALIVE_S / faster)
    async with scene(conditions, timing=timing) as at, _listening(at, silence_s) as app, at.members():
        begun = app.clock()
        at.env.switchboard.turn_on("events-silent")
        await at.order(app, _SHORT)
        async with asyncio.timeout(silence_s + 10):
            while not (lost := [line for line in at.log if line.event == "event stream lost, polling"]):  # noqa: ASYNC110  nothing announces it
                await asyncio.sleep(0.01)
        at.env.switchboard.turn_off("events-silent")
        await at.until_open(app)
        took_s = (lost[0].at - begun) / 1000
        slow = (f"The silent stream was found after {took_s:.1f} s.",) if took_s > silence_s + 1 else ()
        return await at.result(notes=(f"found after {took_s:.2f} s, of {silence_s:g} s",)) + Result(wrong=slow)


@asynccontextmanager
async def _cut_again_and_again(at: Load, pauses_s: tuple[float, float]) -> AsyncIterator[None]:
    dice = Random(at.seed)

    async def cut() -> None:
        while True:
            await asyncio.sleep(dice.uniform(*pauses_s))
            at.env.switchboard.turn_on("events-refused")
            await asyncio.sleep(_AWAY_S)
            at.env.switchboard.turn_off("events-refused")

    cutting = asyncio.create_task(cut(), name="cuts")
    try:
        yield
    finally:
        cutting.cancel()
        await asyncio.wait([cutting])


async def _late(at: Load, app: App) -> list[int]:
    """For each image that ended at the image API without a connection: how long after the reconnect the bot knew it (ms)."""
    known = await app.store.read(_ended)
    made = {str(row["generation_id"]): int(row["completed_ms"]) for row in await at.env.generations() if row["completed_ms"]}
    gaps = _gaps(at.log)
    missed = ((gap, known[name]) for name, ended_at in made.items() for gap in gaps if gap.lost_at <= ended_at < gap.found_at)
    return [ended_at - gap.found_at for gap, ended_at in missed if ended_at is not None]


def _ended(conn: Connection) -> dict[str, int | None]:
    columns = tables.generations.c
    return {str(row.provider_id): row.ended_at for row in conn.execute(select(columns.provider_id, columns.ended_at))}


def _gaps(log: Sequence[LogLine]) -> list[Gap]:
    return list(_pairs([line for line in log if line.event.startswith("event stream ")]))


def _pairs(lines: Sequence[LogLine]) -> Iterator[Gap]:
    lost_at: int | None = None
    for line in lines:
        if line.event == "event stream lost, polling":
            lost_at = line.at if lost_at is None else lost_at
        elif line.event == "event stream connected" and lost_at is not None:
            yield Gap(lost_at=lost_at, found_at=line.at)
            lost_at = None


@asynccontextmanager
async def _listening(at: Load, silence_s: float) -> AsyncIterator[App]:
    """The bot with another limit of silence."""

    def build(_settings: OxenSettings, context: BuildContext) -> Provider:
        keywords: dict[str, Any] = {"session": context.session, "base_url": at.env.images.url, "api_key": at.env.images.key}
        return Oxen(**keywords, silence_s=silence_s)

    oxen = next(each for each in at.env.settings().providers if each.name == "oxen")
    async with at.env.app(timing=_REAL, more_apis=[ImageApi(settings=oxen, build=build)]) as app:
        yield app


RUNS = (
    *(
        Run(name="events dropped and doubled", engine=engine, work=drops, accepted=_JOBS, delivered=_JOBS)
        for engine in (EngineName.SQLITE, EngineName.POSTGRES)
    ),
    Run(name="event stream half open", engine=EngineName.SQLITE, work=half_open, accepted=_SHORT, delivered=_SHORT),
)
