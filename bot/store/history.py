"""A member's history of jobs: reading, reposting, deleting. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, and_, exists, func, literal_column, select, true, update

from bot.domain.job import HISTORY_PAGE, OWN_MESSAGE, HistoryPage, Job, JobMessage, JobState, MessageRole, ReplyTarget, Thumbnails
from bot.domain.moderation.audit import AuditAction
from bot.domain.outbox import OutboxItem
from bot.store import delivery, messages, outbox
from bot.store.engine.base import upsert
from bot.store.moderation import audit_log
from bot.store.rows import has_image, read_jobs
from bot.store.tables import job_messages, jobs, thumbnails


def page(conn: Connection, user_id: int, *, words: str = "", number: int = 0) -> HistoryPage:
    """A page of a member's jobs whose prompts contain all `words`, ignoring case; the last page if `number` is beyond it."""
    kept = _kept(user_id, words.split())
    total = conn.scalar(select(func.count()).select_from(jobs).where(kept)) or 0
    pages = max(1, -(-total // HISTORY_PAGE))
    number = min(max(number, 0), pages - 1)
    ids = select(jobs.c.id).where(kept).order_by(jobs.c.created_at.desc(), jobs.c.id).offset(number * HISTORY_PAGE).limit(HISTORY_PAGE)
    found = read_jobs(conn, jobs.c.id.in_(conn.scalars(ids).all()), newest=True)
    return HistoryPage(jobs=tuple(found), number=number, pages=pages, total=total, words=words)


def latest_in(conn: Connection, user_id: int, channel_id: int, *, with_private: bool) -> Job | None:
    """A member's newest job whose own message shows an image in this channel."""
    own = and_(job_messages.c.role.in_(OWN_MESSAGE), job_messages.c.channel_id == channel_id, job_messages.c.removed_at.is_(None))
    is_shown = exists().where(job_messages.c.job_id == jobs.c.id, own)
    is_open_to = true() if with_private else ~jobs.c.private
    kept = and_(jobs.c.user_id == user_id, jobs.c.state == JobState.DELIVERED, is_open_to, is_shown, has_image())
    ids = select(jobs.c.id).where(kept).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(1)
    return next(iter(read_jobs(conn, jobs.c.id.in_(conn.scalars(ids).all()))), None)


def thumbnails_of(conn: Connection, shown: Iterable[Job]) -> Thumbnails:
    """The stored thumbnails of these jobs (WebP)."""
    job_ids = [job.id for job in shown]
    rows = conn.execute(select(thumbnails.c.job_id, thumbnails.c.n, thumbnails.c.content).where(thumbnails.c.job_id.in_(job_ids)))
    return {(row.job_id, row.n): row.content for row in rows}


def keep_thumbnails(conn: Connection, small: Thumbnails) -> None:
    """Store thumbnails (WebP) that are not stored yet, except those of jobs that were deleted meanwhile."""
    wanted = sorted({job_id for job_id, _n in small})
    delivered = select(jobs.c.id).where(jobs.c.id.in_(wanted), jobs.c.state == JobState.DELIVERED)
    kept = set(conn.scalars(delivered.order_by(jobs.c.id).with_for_update()))
    rows = [{"job_id": job_id, "n": n, "content": content} for (job_id, n), content in small.items() if job_id in kept]
    if rows:
        conn.execute(upsert(conn.dialect, thumbnails).values(rows).on_conflict_do_nothing())


def record_repost(conn: Connection, job_id: str, place: ReplyTarget, message_id: int, now: int, *, spoiler: bool = False) -> bool:
    """Record that a job was posted again in `place`, which becomes its own place. False if the job was deleted in the meantime.

    `spoiler`: it was posted behind spoilers.
    """
    delivery.mark_delivered(conn, job_id, channel_id=None, message_id=None, now=now)  # no effect if it was delivered before
    before = conn.execute(select(jobs.c.state, jobs.c.private).where(jobs.c.id == job_id).with_for_update()).one_or_none()
    if before is None or before.state != JobState.DELIVERED:
        return False
    here = update(jobs).where(jobs.c.id == job_id).values(channel_id=place.channel_id, guild_id=place.guild_id, private=False)
    conn.execute(here)
    own = JobMessage(
        message_id=message_id,
        channel_id=place.channel_id,
        guild_id=place.guild_id,
        role=MessageRole.RESULT,
        at=now,
        job_id=job_id,
        spoiler=spoiler,
    )
    return messages.repost(conn, own, was_private=before.private)


def take_away(conn: Connection, job_id: str, now: int, *, guild_id: int | None = None, except_id: int | None = None) -> bool:
    """Delete a job, and by the outbox its messages, except one that is deleted already. False if there is nothing to delete.

    With `guild_id` only this guild's messages are deleted; the job too, unless it is still shown elsewhere.
    """
    state = conn.scalar(select(jobs.c.state).where(jobs.c.id == job_id).with_for_update())
    if state is None or state == JobState.OPEN:
        return False
    removed = messages.remove(conn, job_id, now, guild_id=guild_id, except_id=except_id)
    if guild_id is not None and not messages.is_decided_by(conn, job_id, guild_id):
        messages.promote_latest(conn, job_id)
        return removed > 0
    if delivery.mark_deleted(conn, job_id):
        messages.log_changed(conn, job_id, now)
        return True
    return removed > 0


def delete_own(conn: Connection, job_id: str, now: int) -> bool:
    """The author deletes a job with all its messages. False if there is nothing to delete."""
    if not take_away(conn, job_id, now):
        return False
    audit_log.note_own(conn, AuditAction.DELETED_OWN, job_id, now)
    return True


def message_deleted(conn: Connection, job_id: str, message_id: int, now: int, *, removal: OutboxItem | None = None) -> None:
    """The author deletes a message. If it is the job's own message, delete the job with all its messages; if a copy, forget only that.

    `removal` is added to the outbox.
    """
    message = messages.get(conn, message_id)
    is_own = message is not None and message.job_id == job_id and message.role in OWN_MESSAGE
    if take_away(conn, job_id, now, except_id=message_id) if is_own else messages.forget(conn, message_id):
        audit_log.note_own(conn, AuditAction.DELETED_OWN, job_id, now)
    if removal is not None:
        outbox.add(conn, removal)


def _kept(user_id: int, words: Sequence[str]) -> ColumnElement[bool]:
    matches = [jobs.c.prompt.icontains(word, autoescape=True) for word in words]
    is_kept = jobs.c.state != literal_column(f"'{JobState.DELETED}'")  # not a parameter: SQLite would then read each row to compare it
    return and_(jobs.c.user_id == user_id, is_kept, *matches)
