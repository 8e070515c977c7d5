"""Lineage: parents, siblings and children of jobs. Each operation is one transaction."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, and_, false, func, select

from bot.domain.job import Job, JobState
from bot.domain.lineage import Relatives
from bot.store import messages
from bot.store.rows import has_image, read_jobs
from bot.store.tables import jobs


def relatives(conn: Connection, job: Job, *, limit: int = 50) -> Relatives:
    """The parent of a job, and up to `limit` siblings and children each. The caller must check who may see them."""
    has_parent = job.parent_id is not None  # jobs without a parent are not siblings of each other
    up = and_(jobs.c.id == job.parent_id, _shown()) if has_parent else false()
    beside = and_(jobs.c.parent_id == job.parent_id, jobs.c.id != job.id, _shown()) if has_parent else false()
    down = and_(jobs.c.parent_id == job.id, _shown())
    return Relatives(
        parent=next(iter(read_jobs(conn, up)), None),
        siblings=tuple(read_jobs(conn, beside, newest=True, limit=limit)),
        children=tuple(read_jobs(conn, down, newest=True, limit=limit)),
        count=sum(conn.scalar(select(func.count()).select_from(jobs).where(where)) or 0 for where in (up, beside, down)),
    )


def around(conn: Connection, job: Job, guild_id: int | None) -> tuple[Job, Relatives]:
    """A job, with a spoiler if it needs one in this guild, and its relatives."""
    return replace(job, spoiler=messages.is_hidden_in(conn, job, guild_id)), relatives(conn, job)


def _shown() -> ColumnElement[bool]:
    """The job has an image and is not deleted."""
    return and_(jobs.c.state != JobState.DELETED, has_image())
