"""The outbox: everything Easel still has to send to Discord. Each operation is one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, bindparam, delete, false, func, insert, null, or_, select, update

from bot.domain.gestures import BatchEntry, BatchPace, Fate, Reaction, ReactionBatch, ReactionOutcome
from bot.domain.job import Job, JobState
from bot.domain.outbox import POOL_OF, TROUBLE_AT, ItemKind, OutboxItem
from bot.store.engine.base import Topic, announce, process_of
from bot.store.engine.statements import Prepared
from bot.store.rows import jobs_by_id
from bot.store.tables import jobs, outbox

_FIELDS = tuple(outbox.c[each.name] for each in fields(OutboxItem))
_ADD = Prepared(insert(outbox))
_CLAIM = Prepared(
    update(outbox)
    .where(outbox.c.id == bindparam("item_id"))
    .values(attempts=bindparam("tried"), due_at=bindparam("due", type_=BigInteger), owner=bindparam("by", type_=BigInteger))
)
_POSTPONE = Prepared(
    update(outbox).where(outbox.c.id == bindparam("item_id")).values(due_at=bindparam("due", type_=BigInteger), owner=null())
)
_BATCHES_MAX = 8  # of a member
_OVER_NAMED = 10  # of the reactions over the limit
_DONE = Prepared(delete(outbox).where(outbox.c.id == bindparam("item_id")))


@cache
def _due(kinds: tuple[ItemKind, ...], *, lock: bool = False) -> Prepared:
    due = select(*_FIELDS).where(outbox.c.due_at <= bindparam("now"), or_(false(), *(outbox.c.kind == kind for kind in kinds)))
    due = due.order_by(outbox.c.due_at, outbox.c.id).limit(bindparam("most"))
    return Prepared(due.where(outbox.c.owner.is_(None)).with_for_update(skip_locked=True) if lock else due)


@cache
def _next(kinds: tuple[ItemKind, ...]) -> Prepared:
    of_kinds = and_(outbox.c.owner.is_(None), or_(false(), *(outbox.c.kind == kind for kind in kinds)))
    return Prepared(select(func.min(outbox.c.due_at)).where(outbox.c.due_at > bindparam("now"), of_kinds))


# --- items -----------------------------------------------------------------------------------------------------------


def add(conn: Connection, item: OutboxItem) -> None:
    """Add an item and wake its worker."""
    _ADD.run(conn, {**vars(item), "data": dict(item.data), "owner": None})
    announce(conn, Topic(POOL_OF[item.kind]))


def due(
    conn: Connection, now: int, *, kinds: Collection[ItemKind] = tuple(ItemKind), limit: int = 50, lock: bool = False
) -> list[OutboxItem]:
    """The items of these kinds that are due at `now`, the longest due first; with `lock` without those that are claimed."""
    return [_item(row) for row in _due(tuple(kinds), lock=lock).mappings(conn, {"now": now, "most": limit})]


def next_due(conn: Connection, after: int, *, kinds: Collection[ItemKind] = tuple(ItemKind)) -> int | None:
    """When the next item of these kinds becomes due after `after` (both Unix ms)."""
    ((soonest,),) = _next(tuple(kinds)).rows(conn, {"now": after})
    return None if soonest is None else int(soonest)


def get(conn: Connection, item_id: str) -> OutboxItem | None:
    """An item, or None if it is done or was dropped."""
    row = conn.execute(select(*_FIELDS).where(outbox.c.id == item_id)).mappings().one_or_none()
    return None if row is None else _item(row)


def claim(
    conn: Connection, now: int, *, kinds: Collection[ItemKind], free: int, pause_ms: Callable[[OutboxItem], int]
) -> tuple[list[tuple[OutboxItem, Job | None]], int | None]:
    """At most `free` due items of these kinds with their jobs, and when (Unix ms) the next one is due.

    They belong to this process until it is done with them, postpones them or is gone. An attempt is counted before it is made; if it is
    interrupted, the next one is due after `pause_ms(item)`. The items are as before.
    """
    found = due(conn, now, kinds=kinds, limit=free, lock=True)
    for item in found:
        _CLAIM.run(conn, {"item_id": item.id, "tried": item.attempts + 1, "due": now + pause_ms(item), "by": process_of(conn)})
    known = {job.id: job for job in jobs_by_id(conn, {item.job_id for item in found if item.job_id is not None})}
    return [(item, known.get(item.job_id or "")) for item in found], next_due(conn, now, kinds=kinds)


def postpone(conn: Connection, item: OutboxItem, *, due_at: int) -> None:
    """Make an item due at `due_at` (Unix ms), for any process."""
    _POSTPONE.run(conn, {"item_id": item.id, "due": due_at})
    announce(conn, Topic(POOL_OF[item.kind]))


def postpone_for_machine(conn: Connection, item: OutboxItem, *, due_at: int, now: int) -> None:
    """As `postpone`, after an attempt that this machine was too short of something for: it does not count. `item`: as before it.

    A first attempt counts all the same, so that the next one searches for what it may have sent.
    """
    data = {**item.data, TROUBLE_AT: now}
    conn.execute(update(outbox).where(outbox.c.id == item.id).values(due_at=due_at, attempts=max(1, item.attempts), data=data, owner=None))
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


def stop_waiting(conn: Connection, now: int, job_id: str) -> None:
    """Make a job's delivery due at once if it waited for the first answer to the user."""
    waits = and_(outbox.c.kind == ItemKind.DELIVER, outbox.c.attempts == 0, outbox.c.due_at > now)
    if conn.execute(update(outbox).where(waits, outbox.c.id == job_id).values(due_at=now)).rowcount:
        announce(conn, Topic.RESULTS)


def strand(conn: Connection, job_id: str) -> None:
    """Mark a job that could not be delivered as `STRANDED`."""
    conn.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.DELIVERABLE).values(state=JobState.STRANDED))


# --- answers to reactions ----------------------------------------------------------------------------------------------


def add_reaction(conn: Connection, user_id: int, entry: BatchEntry, *, now: int, pace: BatchPace) -> None:
    """Add a member's reaction to the batch that is answered next. One caller at a time for each member."""
    item = _batch(conn, user_id, now, pace) or _new_batch(conn, user_id, now)
    if item is not None:
        batch = ReactionBatch.read(item.data)
        _keep(conn, item, replace(batch, entries=(*batch.entries, entry)), now, pace)


def count_reaction(conn: Connection, user_id: int, entry: BatchEntry, *, limit: int, tells: bool, now: int, pace: BatchPace) -> None:
    """Count a member's reaction over the limit. Without `tells` only if their other reactions are answered anyway."""
    item = _batch(conn, user_id, now, pace) or (_new_batch(conn, user_id, now) if tells else None)
    if item is not None:
        batch = ReactionBatch.read(item.data)
        named = (replace(entry, fate=Fate.OVER),) if batch.left_out < _OVER_NAMED else ()
        _keep(conn, item, replace(batch, entries=(*batch.entries, *named), left_out=batch.left_out + 1, limit=limit), now, pace)


def end_reaction(conn: Connection, reaction: Reaction, outcome: ReactionOutcome | None, *, now: int, pace: BatchPace | None = None) -> None:
    """Record the outcome of a reaction (None: it meant nothing). Without `pace` its answer is due when it was."""
    for item in _batches(conn, reaction.user_id):
        batch = ReactionBatch.read(item.data)
        if any(entry.is_about(reaction) for entry in batch.entries):
            _keep(conn, item, batch.ended(reaction, outcome), now, pace)


def _batch(conn: Connection, user_id: int, now: int, pace: BatchPace) -> OutboxItem | None:
    """The batch that takes more reactions."""
    return next((item for item in _batches(conn, user_id) if ReactionBatch.read(item.data).takes_more(now, pace)), None)


def _batches(conn: Connection, user_id: int) -> list[OutboxItem]:
    """A member's batches that nobody answers yet."""
    found = conn.execute(select(*_FIELDS).where(outbox.c.id.in_(_batch_ids(user_id)), outbox.c.attempts == 0).with_for_update()).mappings()
    return [_item(row) for row in found]


def _new_batch(conn: Connection, user_id: int, now: int) -> OutboxItem | None:
    """None if too many of the member's answers wait for Discord."""
    taken = set(conn.scalars(select(outbox.c.id).where(outbox.c.id.in_(_batch_ids(user_id)))))
    free = next((each for each in _batch_ids(user_id) if each not in taken), None)
    if free is None:
        return None
    item = OutboxItem(id=free, kind=ItemKind.REACTIONS, due_at=now, user_id=user_id, data=ReactionBatch(began_at=now).data)
    add(conn, item)
    return item


def _batch_ids(user_id: int) -> list[str]:
    """The ids that a member's batches have, so that they are found without an index."""
    return [hashlib.sha256(f"reactions:{user_id}:{n}".encode()).hexdigest()[:12] for n in range(_BATCHES_MAX)]


def _keep(conn: Connection, item: OutboxItem, batch: ReactionBatch, now: int, pace: BatchPace | None) -> None:
    due_at = item.due_at if pace is None else batch.due_at(now, pace)
    conn.execute(update(outbox).where(outbox.c.id == item.id).values(data=batch.data, due_at=due_at))
    announce(conn, Topic(POOL_OF[item.kind]))


def _item(row: Mapping[Any, Any]) -> OutboxItem:
    return OutboxItem(**{**row, "kind": ItemKind(row["kind"])})
