"""The outbox: ended jobs that are still to be shown, and what became of showing them. Each operation is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, delete, func, select, update

from bot.jobs.job import Job, JobState, job_sources
from bot.store.rows import read_jobs
from bot.store.tables import jobs, pictures, references

_OUTBOX = (JobState.DELIVERABLE, JobState.STRANDED)


def due(conn: Connection, now: int, *, limit: int = 50) -> list[Job]:
    """Jobs to be shown now, oldest first."""
    now_due = and_(jobs.c.state.in_(_OUTBOX), jobs.c.not_before <= now)
    return read_jobs(conn, now_due, limit=limit)


def next_due(conn: Connection, after: int) -> int | None:
    """When the next job of the outbox is to be tried that was not yet due at `after` (both Unix ms)."""
    later = and_(jobs.c.state.in_(_OUTBOX), jobs.c.not_before > after)
    soonest: int | None = conn.scalar(select(func.min(jobs.c.not_before)).where(later))
    return soonest


def posting(conn: Connection, job_id: str, since: int | None) -> None:
    """A new message is about to be sent (or, with `None`, certainly was not)."""
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(posting_since=since))


def delivered(conn: Connection, job_id: str, *, channel_id: int, message_id: int, now: int) -> bool:
    """The outcome was shown. The token has no further use, and pictures kept for this are dropped."""
    shown = {"state": JobState.DELIVERED, "delivered_at": now, "posting_since": None, "token": None}
    where = and_(jobs.c.id == job_id, jobs.c.state.in_(job_sources(JobState.DELIVERED)))
    changed = conn.execute(update(jobs).where(where).values(**shown, channel_id=channel_id, message_id=message_id)).rowcount == 1
    conn.execute(delete(pictures).where(pictures.c.job_id == job_id))
    return changed


def try_again(conn: Connection, job_id: str, *, not_before: int, stranded: bool) -> None:
    """It could not be shown: try at `not_before`; `stranded` where no way was open."""
    state = case((jobs.c.state == JobState.DELIVERABLE, JobState.STRANDED), else_=jobs.c.state) if stranded else jobs.c.state
    waiting = and_(jobs.c.id == job_id, jobs.c.state.in_(_OUTBOX))
    conn.execute(update(jobs).where(waiting).values(state=state, attempts=jobs.c.attempts + 1, not_before=not_before))


def taken_away(conn: Connection, job_id: str) -> bool:
    """A person deleted the result; nothing of it is kept here either."""
    where = and_(jobs.c.id == job_id, jobs.c.state.in_(job_sources(JobState.DELETED)))
    if not conn.execute(update(jobs).where(where).values(state=JobState.DELETED, token=None)).rowcount:
        return False
    conn.execute(delete(pictures).where(pictures.c.job_id == job_id))
    return True


def forget_references(conn: Connection, before: int) -> int:
    """Drop the references of jobs that were answered before `before`; how many rows went."""
    old = select(jobs.c.id).where(jobs.c.delivered_at < before)
    return conn.execute(delete(references).where(references.c.job_id.in_(old))).rowcount
