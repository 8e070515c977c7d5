"""Errands: small promises that outlive a restart, each kept once its time has come. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from bot.jobs.job import new_job_id
from bot.store.base import Topic, announce
from bot.store.tables import errands


class ErrandKind(StrEnum):
    """What is to be done; in brackets what its data hold."""

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
class Errand:
    """One promise. Its id is the nonce of whatever message it sends."""

    kind: ErrandKind
    due_at: int  # Unix ms
    id: str = field(default_factory=new_job_id)
    user_id: int | None = None  # whom it is for
    job_id: str | None = None
    attempts: int = 0  # how often it was taken up
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON; what the kind needs


def add(conn: Connection, errand: Errand) -> None:
    """Promise it."""
    conn.execute(insert(errands).values(**{**vars(errand), "data": dict(errand.data)}))
    announce(conn, Topic.OUTBOX)


def due(conn: Connection, now: int, *, kinds: Collection[ErrandKind] = tuple(ErrandKind), limit: int = 50) -> list[Errand]:
    """What of these kinds is to be done now, the longest due first."""
    query = select(errands).where(errands.c.due_at <= now, errands.c.kind.in_(kinds)).order_by(errands.c.due_at, errands.c.id).limit(limit)
    return [_errand(row) for row in conn.execute(query).mappings()]


def next_due(conn: Connection, after: int) -> int | None:
    """When the next errand is due that was not yet due at `after` (both Unix ms)."""
    soonest: int | None = conn.scalar(select(func.min(errands.c.due_at)).where(errands.c.due_at > after))
    return soonest


def get(conn: Connection, errand_id: str) -> Errand | None:
    """One errand, where it is still to be done."""
    row = conn.execute(select(errands).where(errands.c.id == errand_id)).mappings().one_or_none()
    return None if row is None else _errand(row)


def take_up(conn: Connection, errand_id: str, *, again_at: int) -> bool:
    """Count one more try, before it is made: if it is cut short, the next one is due at `again_at`. False where it was dropped."""
    tried = update(errands).where(errands.c.id == errand_id).values(attempts=errands.c.attempts + 1, due_at=again_at)
    return conn.execute(tried).rowcount == 1


def postpone(conn: Connection, errand_id: str, *, due_at: int) -> None:
    """Not now: at `due_at` (Unix ms)."""
    conn.execute(update(errands).where(errands.c.id == errand_id).values(due_at=due_at))


def done(conn: Connection, errand_id: str) -> bool:
    """It was kept, or is no longer wanted. False where it was gone already."""
    return conn.execute(delete(errands).where(errands.c.id == errand_id)).rowcount == 1


def _errand(row: RowMapping) -> Errand:
    return Errand(**{**row, "kind": ErrandKind(row["kind"])})
