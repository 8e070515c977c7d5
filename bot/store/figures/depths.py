"""How much waits where, and since when: read for the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, text

from bot.domain.job import GenerationState
from bot.domain.money.quota import DAY_MS
from bot.domain.outbox import ItemKind
from bot.store.engine.statements import Prepared
from bot.store.tables import accounts, daily_usage, generations, jobs, outbox
from bot.store.tables.work import ACTIVE, UNCHECKED, WAITING

UNCHECKED_STATE = "unchecked"
STATES = (UNCHECKED_STATE, GenerationState.WAITING, GenerationState.SUBMITTING, GenerationState.RUNNING)

# Each contains the condition of a partial index word for word.
_COUNT: ColumnElement[Any] = func.count()
_WAITING = Prepared(select(*(_COUNT, func.min(generations.c.created_at))).where(text(WAITING)))
_ACTIVE = Prepared(
    select(*(generations.c.state, _COUNT, func.min(generations.c.created_at))).where(text(ACTIVE)).group_by(generations.c.state)
)
_UNCHECKED = Prepared(select(*(_COUNT, func.min(jobs.c.created_at))).where(text(UNCHECKED)))
_OUTBOX = Prepared(select(*(outbox.c.kind, _COUNT, func.min(outbox.c.due_at))).group_by(outbox.c.kind))
_UNDELIVERED = Prepared(
    select(func.min(jobs.c.created_at)).join_from(outbox, jobs, outbox.c.job_id == jobs.c.id).where(outbox.c.kind == ItemKind.DELIVER)
)

_TODAY = Prepared(
    select(*(func.coalesce(func.sum(daily_usage.c[name]), 0) for name in ("images", "price", "refunded", "cost"))).where(
        daily_usage.c.day == bindparam("today")
    )
)

Depth = tuple[int, int | None]  # how many, and the oldest's time (Unix ms)


@dataclass(frozen=True, kw_only=True)
class Depths:
    """What waits. Generations and unchecked jobs have the time of their order, outbox items the time when they are due."""

    states: Mapping[str, Depth]
    outbox: Mapping[str, Depth]
    undelivered_since: int | None  # the order of the oldest job whose result must be shown (Unix ms)
    spent: int  # from the account, microcredits
    held: int
    images_today: int
    paid_today: int  # by members, without what was refunded, microcredits
    cost_today: int


def depths(conn: Connection, *, account: str, now: int) -> Depths:
    """Read all at `now` (Unix ms). `account`: the name of the operator's account of this month."""
    images, price, refunded, cost = (int(amount) for amount in _TODAY.rows(conn, {"today": now // DAY_MS})[0])
    states = {
        UNCHECKED_STATE: _depth(_UNCHECKED.rows(conn, {})[0]),
        GenerationState.WAITING: _depth(_WAITING.rows(conn, {})[0]),
        **{state: (int(count), oldest) for state, count, oldest in _ACTIVE.rows(conn, {})},
    }
    spent = conn.execute(select(accounts.c.spent, accounts.c.held).where(accounts.c.name == account)).one_or_none()
    return Depths(
        states=states,
        outbox={kind: (int(count), due_at) for kind, count, due_at in _OUTBOX.rows(conn, {})},
        undelivered_since=_UNDELIVERED.rows(conn, {})[0][0],
        spent=spent.spent if spent else 0,
        held=spent.held if spent else 0,
        images_today=images,
        paid_today=price - refunded,
        cost_today=cost,
    )


def _depth(row: Sequence[Any]) -> Depth:
    count, oldest = row
    return int(count), oldest
