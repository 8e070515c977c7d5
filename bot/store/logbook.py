"""Where the log channels tell of jobs. Each operation is one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from bot.store import outbox
from bot.store.base import upsert
from bot.store.outbox import ItemKind, OutboxItem
from bot.store.tables import log_posts


@dataclass(frozen=True, kw_only=True)
class LogPost:
    """The message that tells of a job."""

    job_id: str
    channel_id: int
    message_id: int


def post_of(conn: Connection, job_id: str) -> LogPost | None:
    """Where a job is told of, if it is."""
    row = conn.execute(select(log_posts).where(log_posts.c.job_id == job_id)).mappings().one_or_none()
    return None if row is None else LogPost(**row)


def posted(conn: Connection, post: LogPost) -> bool:
    """It was told of there. False where another message does already."""
    return conn.execute(upsert(conn, log_posts).values(**vars(post)).on_conflict_do_nothing()).rowcount == 1


def changed(conn: Connection, job_id: str | None, now: int) -> None:
    """What is told of a job is to be written anew."""
    if job_id is not None and post_of(conn, job_id) is not None:
        outbox.add(conn, OutboxItem(kind=ItemKind.LOG, due_at=now, data={"job_id": job_id}))
