"""The outbox: everything Easel still has to send to Discord. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, bindparam, delete, false, func, insert, or_, select, update

from bot.domain.job import Job, JobState
from bot.domain.outbox import POOL_OF, TROUBLE_AT, ItemKind, OutboxItem
from bot.store.engine.base import Topic, announce
from bot.store.engine.statements import Prepared
from bot.store.rows import jobs_by_id
from bot.store.tables import jobs, outbox

_ADD = Prepared(insert(outbox))
_CLAIM = Prepared(
    update(outbox).where(outbox.c.id == bindparam("item_id")).values(attempts=bindparam("tried"), due_at=bindparam("due", type_=BigInteger))
)
_POSTPONE = Prepared(update(outbox).where(outbox.c.id == bindparam("item_id")).values(due_at=bindparam("due", type_=BigInteger)))
_DONE = Prepared(delete(outbox).where(outbox.c.id == bindparam("item_id")))


@cache
def _due(kinds: tuple[ItemKind, ...], *, lock: bool = False) -> Prepared:
    due = select(outbox).where(outbox.c.due_at <= bindparam("now"), or_(false(), *(outbox.c.kind == kind for kind in kinds)))
    due = due.order_by(outbox.c.due_at, outbox.c.id).limit(bindparam("most"))
    return Prepared(due.with_for_update(skip_locked=True) if lock else due)


@cache
def _next(kinds: tuple[ItemKind, ...]) -> Prepared:
    of_kinds = or_(false(), *(outbox.c.kind == kind for kind in kinds))
    return Prepared(select(func.min(outbox.c.due_at)).where(outbox.c.due_at > bindparam("now"), of_kinds))


# --- items -----------------------------------------------------------------------------------------------------------


def add(conn: Connection, item: OutboxItem) -> None:
    """Add an item and wake its worker."""
    _ADD.run(conn, {**vars(item), "data": dict(item.data)})
    announce(conn, Topic(POOL_OF[item.kind]))


def due(
    conn: Connection, now: int, *, kinds: Collection[ItemKind] = tuple(ItemKind), limit: int = 50, lock: bool = False
) -> list[OutboxItem]:
    """The items of these kinds that are due at `now`, the longest due first; with `lock` without those that another claim has locked."""
    return [_item(row) for row in _due(tuple(kinds), lock=lock).mappings(conn, {"now": now, "most": limit})]


def next_due(conn: Connection, after: int, *, kinds: Collection[ItemKind] = tuple(ItemKind)) -> int | None:
    """When the next item of these kinds becomes due after `after` (both Unix ms)."""
    ((soonest,),) = _next(tuple(kinds)).rows(conn, {"now": after})
    return None if soonest is None else int(soonest)


def get(conn: Connection, item_id: str) -> OutboxItem | None:
    """An item, or None if it is done or was dropped."""
    row = conn.execute(select(outbox).where(outbox.c.id == item_id)).mappings().one_or_none()
    return None if row is None else _item(row)


def claim(
    conn: Connection, now: int, *, kinds: Collection[ItemKind], free: int, active: Collection[str], pause_ms: Callable[[OutboxItem], int]
) -> tuple[list[tuple[OutboxItem, Job | None]], int | None]:
    """At most `free` due items of these kinds with their jobs, without the `active` ones, and when (Unix ms) the next one is due.

    An attempt is counted before it is made; if it is interrupted, the next one is due after `pause_ms(item)`. The items are as before.
    """
    found = [item for item in due(conn, now, kinds=kinds, limit=free + len(active), lock=True) if item.id not in active][:free]
    for item in found:
        _CLAIM.run(conn, {"item_id": item.id, "tried": item.attempts + 1, "due": now + pause_ms(item)})
    known = {job.id: job for job in jobs_by_id(conn, {item.job_id for item in found if item.job_id is not None})}
    return [(item, known.get(item.job_id or "")) for item in found], next_due(conn, now, kinds=kinds)


def postpone(conn: Connection, item: OutboxItem, *, due_at: int) -> None:
    """Make an item due at `due_at` (Unix ms)."""
    _POSTPONE.run(conn, {"item_id": item.id, "due": due_at})
    announce(conn, Topic(POOL_OF[item.kind]))


def postpone_for_machine(conn: Connection, item: OutboxItem, *, due_at: int, now: int) -> None:
    """As `postpone`, after an attempt that this machine was too short of something for: it does not count. `item`: as before it.

    A first attempt counts all the same, so that the next one searches for what it may have sent.
    """
    data = {**item.data, TROUBLE_AT: now}
    conn.execute(update(outbox).where(outbox.c.id == item.id).values(due_at=due_at, attempts=max(1, item.attempts), data=data))
    announce(conn, Topic(POOL_OF[item.kind]))


def done(conn: Connection, item_id: str) -> bool:
    """Remove an item that was done or is not needed any more. False if it was removed before."""
    return _DONE.run(conn, {"item_id": item_id}) == 1


def give_up(conn: Connection, item: OutboxItem) -> None:
    """Remove an item that failed permanently. A job that could not be delivered becomes `STRANDED`: its user can still fetch it."""
    if item.kind is ItemKind.DELIVER:
        strand(conn, item.id)
    done(conn, item.id)


# --- delivery --------------------------------------------------------------------------------------------------------


def deliver(conn: Connection, job_id: str, *, due_at: int) -> None:
    """Add the item that delivers an ended job."""
    add(conn, OutboxItem(id=job_id, kind=ItemKind.DELIVER, job_id=job_id, due_at=due_at))


def stop_waiting(conn: Connection, now: int, *, job_id: str | None = None) -> None:
    """Make deliveries due at once that waited for the first answer to the user; of all jobs or of one.

    Of all: also the marks of reactions that the last run did not act on.
    """
    kinds = (ItemKind.DELIVER,) if job_id is not None else (ItemKind.DELIVER, ItemKind.MARK)
    waits = and_(outbox.c.kind.in_(kinds), outbox.c.attempts == 0, outbox.c.due_at > now)
    where = waits if job_id is None else and_(waits, outbox.c.id == job_id)
    if conn.execute(update(outbox).where(where).values(due_at=now)).rowcount:
        announce(conn, Topic.RESULTS)


def strand(conn: Connection, job_id: str) -> None:
    """Mark a job that could not be delivered as `STRANDED`."""
    conn.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.DELIVERABLE).values(state=JobState.STRANDED))


def _item(row: Mapping[Any, Any]) -> OutboxItem:
    return OutboxItem(**{**row, "kind": ItemKind(row["kind"])})
