"""The outbox: everything Easel still has to send to Discord. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, update

from bot.domain.job import JobState
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store.engine.base import Topic, announce
from bot.store.tables import jobs, outbox

# --- items -----------------------------------------------------------------------------------------------------------


def add(conn: Connection, item: OutboxItem) -> None:
    """Add an item and wake the outbox worker."""
    conn.execute(insert(outbox).values(**{**vars(item), "data": dict(item.data)}))
    announce(conn, Topic.OUTBOX)


def due(conn: Connection, now: int, *, kinds: Collection[ItemKind] = tuple(ItemKind), limit: int = 50) -> list[OutboxItem]:
    """The items of these kinds that are due at `now`, the longest due first."""
    query = select(outbox).where(outbox.c.due_at <= now, outbox.c.kind.in_(kinds)).order_by(outbox.c.due_at, outbox.c.id).limit(limit)
    return [_item(row) for row in conn.execute(query).mappings()]


def next_due(conn: Connection, after: int, *, kinds: Collection[ItemKind] = tuple(ItemKind)) -> int | None:
    """When the next item of these kinds becomes due after `after` (both Unix ms)."""
    soonest: int | None = conn.scalar(select(func.min(outbox.c.due_at)).where(outbox.c.due_at > after, outbox.c.kind.in_(kinds)))
    return soonest


def get(conn: Connection, item_id: str) -> OutboxItem | None:
    """An item, or None if it is done or was dropped."""
    row = conn.execute(select(outbox).where(outbox.c.id == item_id)).mappings().one_or_none()
    return None if row is None else _item(row)


def claim(conn: Connection, item: OutboxItem, *, now: int, again_at: int) -> bool:
    """Count an attempt before it is made; if it is interrupted, the next one is due at `again_at` (Unix ms).

    False if the item has changed since it was read: done, dropped, postponed, or claimed by another worker.
    """
    unclaimed = and_(outbox.c.id == item.id, outbox.c.attempts == item.attempts, outbox.c.due_at <= now)
    return conn.execute(update(outbox).where(unclaimed).values(attempts=item.attempts + 1, due_at=again_at)).rowcount == 1


def postpone(conn: Connection, item_id: str, *, due_at: int) -> None:
    """Make an item due at `due_at` (Unix ms)."""
    conn.execute(update(outbox).where(outbox.c.id == item_id).values(due_at=due_at))


def done(conn: Connection, item_id: str) -> bool:
    """Remove an item that was done or is not needed any more. False if it was removed before."""
    return conn.execute(delete(outbox).where(outbox.c.id == item_id)).rowcount == 1


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
    """Make deliveries due at once that waited for the first answer to the user; of all jobs or of one."""
    waits = and_(outbox.c.kind == ItemKind.DELIVER, outbox.c.attempts == 0, outbox.c.due_at > now)
    where = waits if job_id is None else and_(waits, outbox.c.id == job_id)
    if conn.execute(update(outbox).where(where).values(due_at=now)).rowcount:
        announce(conn, Topic.OUTBOX)


def strand(conn: Connection, job_id: str) -> None:
    """Mark a job that could not be delivered as `STRANDED`."""
    conn.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.DELIVERABLE).values(state=JobState.STRANDED))


def _item(row: RowMapping) -> OutboxItem:
    return OutboxItem(**{**row, "kind": ItemKind(row["kind"])})
