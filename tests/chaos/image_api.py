"""The image API loses its answers: what it accepted is found again, and is neither ordered nor charged a second time."""

from __future__ import annotations

from tests.chaos.databases import EngineName
from tests.chaos.load import scene
from tests.chaos.table import Conditions, Result, Run

_JOBS, _SHORT = 500, 8
_LOST = 0.3  # of the answers to an enqueue


async def lost_answers(conditions: Conditions) -> Result:
    async with scene(conditions) as at, at.env.app() as app, at.members():
        at.env.switchboard.turn_on("enqueue-answer-lost", chance=_LOST, seed=conditions.seed)
        await at.order(app, _SHORT if conditions.short else _JOBS)
        await at.until_open(app)
        lost = sum(line.event == "response lost" for line in at.log)
        return await at.result(notes=(f"{lost} answers of the image API were lost after it had accepted the image",))


RUNS = tuple(
    Run(name="answers of the image API lost", engine=engine, work=lost_answers, accepted=_JOBS, delivered=_JOBS)
    for engine in (EngineName.SQLITE, EngineName.POSTGRES)
)
