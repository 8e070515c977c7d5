"""The outbox: all that Easel owes Discord, and what follows from showing a job. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, update

from bot.jobs.job import JobState, job_sources, new_job_id
from bot.store.base import Topic, announce
from bot.store.tables import jobs, outbox, pictures, references, thumbnails


class ItemKind(StrEnum):
    """What is owed; in brackets what its data hold."""

    DELIVER = "deliver"  # show what became of a job
    REMOVE = "remove"  # take a message of ours away (channel_id, message_id)
    PING = "ping"  # call a member to a finished job, as was promised (token and application_id, where it is private)
    TELL = "tell"  # tell a member by direct message that a job is finished
    MARK = "mark"  # turn the ⏳ of a request that was made by a reaction into its outcome (channel_id, message_id, made; None: taken back)
    COVER = "cover"  # put the pictures of a message of ours behind spoilers, or take these away, as its job says (channel_id, message_id)
    CASE = "case"  # show a case to the moderators as it is now (case_id; reply_to: an earlier post about it)
    LOG = "log"  # tell of a job in its server's log channel as it is now (job_id)
    GALLERY = "gallery"  # put a picture into its server's gallery (message_id)
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


def posting(conn: Connection, job_id: str, since: int | None) -> None:
    """A new message is about to be sent (or, with `None`, certainly was not)."""
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(posting_since=since))


def delivered(
    conn: Connection,
    job_id: str,
    *,
    channel_id: int | None,
    message_id: int | None,
    now: int,
    small: Mapping[int, bytes] | None = None,
    follows: Sequence[OutboxItem] = (),
    keep_pictures: bool = True,
) -> bool:
    """The outcome was shown in that message (`None`: there was nothing to be said). False, and nothing done, where it was before.

    What follows from it happens once: `small` WebP versions are kept by their place in the job, what `follows` is owed now, the token has
    no further use, and unless `keep_pictures` is set what an image API handed over inline is dropped.
    """
    values: dict[str, Any] = {"state": JobState.DELIVERED, "delivered_at": now, "posting_since": None, "token": None}
    if message_id is not None:
        values |= {"channel_id": channel_id, "message_id": message_id}
    where = and_(jobs.c.id == job_id, jobs.c.state.in_(job_sources(JobState.DELIVERED)))
    if not conn.execute(update(jobs).where(where).values(**values)).rowcount:
        return False
    if small:
        conn.execute(insert(thumbnails), [{"job_id": job_id, "n": n, "content": content} for n, content in small.items()])
    done(conn, job_id)
    for item in follows:
        add(conn, item)
    if not keep_pictures:
        conn.execute(delete(pictures).where(pictures.c.job_id == job_id))
    return True


def promise_ping(conn: Connection, job_id: str) -> bool:
    """Its member is to be called when it is there. False where it has ended, or was promised before."""
    open_ = and_(jobs.c.id == job_id, jobs.c.state == JobState.OPEN, jobs.c.ping_promised.is_(False))
    return conn.execute(update(jobs).where(open_).values(ping_promised=True)).rowcount == 1


def taken_away(conn: Connection, job_id: str) -> bool:
    """A person deleted the result; nothing of it is kept here either."""
    where = and_(jobs.c.id == job_id, jobs.c.state.in_(job_sources(JobState.DELETED)))
    if not conn.execute(update(jobs).where(where).values(state=JobState.DELETED, token=None)).rowcount:
        return False
    done(conn, job_id)
    for kept in (pictures, thumbnails):
        conn.execute(delete(kept).where(kept.c.job_id == job_id))
    return True


def forget_pictures(conn: Connection, before: int) -> int:
    """Drop the inline pictures of jobs that were shown before `before` (Unix ms); how many went."""
    old = select(jobs.c.id).where(jobs.c.delivered_at < before)
    return conn.execute(delete(pictures).where(pictures.c.job_id.in_(old))).rowcount


def forget_references(conn: Connection, before: int) -> int:
    """Drop the references of jobs that were answered before `before`; how many rows went."""
    old = select(jobs.c.id).where(jobs.c.delivered_at < before)
    return conn.execute(delete(references).where(references.c.job_id.in_(old))).rowcount


def _item(row: RowMapping) -> OutboxItem:
    return OutboxItem(**{**row, "kind": ItemKind(row["kind"])})
