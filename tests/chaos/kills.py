"""kill -9 at every numbered fault point of the scene, one after the other, until none is reached."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.chaos.databases import EngineName
from tests.chaos.killable import Point, once
from tests.chaos.scene import Scene, stage
from tests.chaos.table import Conditions, Result, Run

_AT_ONCE = 3  # scenes; they also wait for timers
_LEAST_POINTS = 150
_TWICE = ("interactions-doubled", "gateway-doubled", "gateway-replayed")  # also to the bot that is started after a kill
# The short run: a point in each part of the scene; the moment in which a generation is paid for and nothing of it is stored; and the one in
# which a reaction is marked and its order is not stored.
SHORT: tuple[Point, ...] = ("after POST /api/ai/queue", "after PUT /api/v10/channels/1457659890892800006/messages/1", 40, 80, 160, 200)


@dataclass(kw_only=True)
class PointSweep:
    """Plays the scene once for each fault point, until the scene ends without a kill."""

    conditions: Conditions
    points: Iterator[Point]
    result: Result = field(default_factory=Result)
    visited: int = 0
    over: bool = False

    async def run(self) -> Result:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work(), name="sweep")
        return self.result

    async def _work(self) -> None:
        for point in self.points:
            if self.over:
                return
            await self._visit(point)

    async def _visit(self, point: Point) -> None:
        url = await asyncio.to_thread(self.conditions.new_database)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self.conditions.folder))
        async with stage(url, folder, once(point)) as trial:
            for fault in _TWICE:
                trial.env.switchboard.turn_on(fault)
            try:
                result = await Scene(trial=trial).play()
            except AssertionError as error:  # somebody was left waiting; the other points are tried all the same
                result = Result(lost=1, wrong=(f"{error} {trial.bot.last_lines()}",))
        kills = trial.bot.kills
        self.over |= not kills
        self.visited += len(kills)
        where = kills[0] if kills else f"{point}, which was not reached"
        self.result += replace(result, wrong=tuple(f"Killed at {where}: {sentence}" for sentence in result.wrong))


async def sweep(conditions: Conditions) -> Result:
    """Every fault point, or those of the short run."""
    done = PointSweep(conditions=conditions, points=iter(SHORT) if conditions.short else itertools.count(1))
    result = await done.run()
    too_few = done.visited < (len(SHORT) if conditions.short else _LEAST_POINTS)
    wrong = (f"Only {done.visited} fault points were reached.",) if too_few else ()
    return replace(result, wrong=(*result.wrong, *wrong), notes=(f"killed at {done.visited} fault points",))


RUNS = tuple(
    Run(name="fault-points", engine=engine, work=sweep, accepted=300, delivered=300) for engine in (EngineName.SQLITE, EngineName.POSTGRES)
)
