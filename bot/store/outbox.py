"""The outbox: all that Easel owes Discord. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, update

from bot.domain.job import JobState, new_job_id
from bot.store.engine.base import Topic, announce
from bot.store.tables import jobs, outbox


class ItemKind(StrEnum):
    """What is owed; in brackets what its data hold."""

    DELIVER = "deliver"  # show what became of a job
    REMOVE = "remove"  # take a message of ours away (channel_id, message_id)
    PING = "ping"  # call a member to a finished job, as was promised (token and application_id, where it is private)
    TELL = "tell"  # tell a member by direct message that a job is finished
    MARK = "mark"  # turn the ⏳ of a request that was made by a reaction into its outcome (channel_id, message_id, made; None: taken back)
    COVER = "cover"  # put the images of a message of ours behind spoilers, or take these away, as its job says (channel_id, message_id)
    CASE = "case"  # show a case to the moderators as it is now (case_id; reply_to: an earlier post about it)
    LOG = "log"  # tell of a job in its server's log channel as it is now (job_id)
    GALLERY = "gallery"  # put an image into its server's gallery (message_id)
    TELL_AUTHOR = "tell_author"  # tell the author of a case what was decided, with the way to appeal (case_id)
    TELL_BLOCK = "tell_block"  # tell a member that they are blocked on a server, until when and why (guild_id, until, reason)


@dataclass(frozen=True, kw_only=True)
class OutboxItem:
    """One thing owed. Its id is the nonce of whatever message it sends; a delivery has the id of its job."""

    kind: ItemKind
    due_at: int  # Unix ms
    id: str = field(default_factory=new_job_id)
    user_id: int | None = None  # whom it is for
    job_id: str | None = None
    attempts: int = 0  # how often it was claimed
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON; what the kind needs


# --- items -----------------------------------------------------------------------------------------------------------


def add(conn: Connection, item: OutboxItem) -> None:
    """From the commit on it cannot be lost."""
    conn.execute(insert(outbox).values(**{**vars(item), "data": dict(item.data)}))
    announce(conn, Topic.OUTBOX)


def due(conn: Connection, now: int, *, kinds: Collection[ItemKind] = tuple(ItemKind), limit: int = 50) -> list[OutboxItem]:
    """What of these kinds is to be done now, the longest due first."""
    query = select(outbox).where(outbox.c.due_at <= now, outbox.c.kind.in_(kinds)).order_by(outbox.c.due_at, outbox.c.id).limit(limit)
    return [_item(row) for row in conn.execute(query).mappings()]


def next_due(conn: Connection, after: int, *, kinds: Collection[ItemKind] = tuple(ItemKind)) -> int | None:
    """When the next item of these kinds is due that was not yet due at `after` (both Unix ms)."""
    soonest: int | None = conn.scalar(select(func.min(outbox.c.due_at)).where(outbox.c.due_at > after, outbox.c.kind.in_(kinds)))
    return soonest


def get(conn: Connection, item_id: str) -> OutboxItem | None:
    """One item, while it is owed."""
    row = conn.execute(select(outbox).where(outbox.c.id == item_id)).mappings().one_or_none()
    return None if row is None else _item(row)


def claim(conn: Connection, item: OutboxItem, *, now: int, again_at: int) -> bool:
    """Count one more try, before it is made: if it is cut short, the next one is due at `again_at`.

    False where it is no longer as it was read: done, dropped, postponed, or claimed by another.
    """
    unclaimed = and_(outbox.c.id == item.id, outbox.c.attempts == item.attempts, outbox.c.due_at <= now)
    return conn.execute(update(outbox).where(unclaimed).values(attempts=item.attempts + 1, due_at=again_at)).rowcount == 1


def postpone(conn: Connection, item_id: str, *, due_at: int) -> None:
    """Not now: at `due_at` (Unix ms)."""
    conn.execute(update(outbox).where(outbox.c.id == item_id).values(due_at=due_at))


def done(conn: Connection, item_id: str) -> bool:
    """It was done, or is no longer wanted. False where it was gone already."""
    return conn.execute(delete(outbox).where(outbox.c.id == item_id)).rowcount == 1


def give_up(conn: Connection, item: OutboxItem) -> None:
    """It is not tried again. A job that could not be shown is kept, for its member to look at."""
    if item.kind is ItemKind.DELIVER:
        strand(conn, item.id)
    done(conn, item.id)


# --- showing a job ---------------------------------------------------------------------------------------------------


def deliver(conn: Connection, job_id: str, *, due_at: int) -> None:
    """A job has ended: it is to be shown."""
    add(conn, OutboxItem(id=job_id, kind=ItemKind.DELIVER, job_id=job_id, due_at=due_at))


def stop_waiting(conn: Connection, now: int, *, job_id: str | None = None) -> None:
    """What waited for the first answer to its member, in all jobs or in one, is due at once."""
    waits = and_(outbox.c.kind == ItemKind.DELIVER, outbox.c.attempts == 0, outbox.c.due_at > now)
    where = waits if job_id is None else and_(waits, outbox.c.id == job_id)
    if conn.execute(update(outbox).where(where).values(due_at=now)).rowcount:
        announce(conn, Topic.OUTBOX)


def strand(conn: Connection, job_id: str) -> None:
    """No way to show it is open."""
    conn.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.DELIVERABLE).values(state=JobState.STRANDED))


def _item(row: RowMapping) -> OutboxItem:
    return OutboxItem(**{**row, "kind": ItemKind(row["kind"])})
