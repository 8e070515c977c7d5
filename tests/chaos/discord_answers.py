"""Discord loses its answers and lets tokens expire: each result is shown once, and hardly a request counts against the bot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sandbox.discord.calls import RefusedCall
from tests.chaos.databases import EngineName
from tests.chaos.load import scene
from tests.chaos.table import Conditions, Result, Run

_JOBS, _SHORT = 500, 8
_LOST = {"discord-answer-lost": 0.1, "discord-answer-closed": 0.1, "discord-answer-502": 0.1}  # shares of the executed calls
_EXPIRED = 0.1  # of the tokens
_INVALID_MAX = 1  # for one job


async def lost_answers(conditions: Conditions) -> Result:
    async with scene(conditions) as at, at.env.app() as app, at.members():
        for fault, chance in _LOST.items():
            at.env.switchboard.turn_on(fault, chance=chance, seed=conditions.seed)
        at.env.switchboard.turn_on("token-expired", chance=_EXPIRED, seed=conditions.seed)
        await at.order(app, _SHORT if conditions.short else _JOBS)
        await at.until_open(app)
        refused = at.env.discord.refused
        counts = Counter(each.message_id or each.line for each in refused)
        notes = (f"{len(refused)} requests counted against the bot, at most {max(counts.values(), default=0)} for one job",)
        return await at.result(notes=notes) + Result(wrong=tuple(_too_many(counts, refused)))


def _too_many(counts: Counter[int | str], requests: list[RefusedCall]) -> Iterator[str]:
    for name, count in counts.items():
        if count > _INVALID_MAX:
            lines = [f"{each.status} {each.line}" for each in requests if name in (each.message_id, each.line)]
            yield f"{count} requests for one job counted against the bot: {', '.join(lines)}"


RUNS = tuple(
    Run(name="answers of Discord lost", engine=engine, work=lost_answers, accepted=_JOBS, delivered=_JOBS)
    for engine in (EngineName.SQLITE, EngineName.POSTGRES)
)
