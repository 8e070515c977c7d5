"""Delivery of jobs, and deletion of stored images. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, and_, bindparam, delete, exists, func, null, or_, select, text, update

from bot.domain.job import ENDED, JobMessage, JobState, MessageRole, job_sources
from bot.domain.outbox import OutboxItem
from bot.store import messages, outbox
from bot.store.engine.statements import Prepared
from bot.store.sweeps import Expired
from bot.store.tables import audit, cases, gallery, generations, images, jobs, references, reports, strikes, thumbnails
from bot.store.tables import outbox as outbox_items
from bot.store.tables.work import NOT_OPEN

_DELIVERED = Prepared(
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"), or_(*(jobs.c.state == state for state in job_sources(JobState.DELIVERED))))
    .values(
        state=JobState.DELIVERED,
        delivered_at=bindparam("now"),
        posting_since=null(),
        token=null(),
        channel_id=func.coalesce(bindparam("shown_in", type_=BigInteger), jobs.c.channel_id),
    )
    .returning(jobs.c.channel_id, jobs.c.guild_id)
)


def set_posting_since(conn: Connection, job_id: str, since: int | None) -> None:
    """Remember when sending the result's message began (Unix ms); None if it certainly was not sent."""
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(posting_since=since))


def mark_delivered(
    conn: Connection,
    job_id: str,
    *,
    channel_id: int | None,
    message_id: int | None,
    now: int,
    direct: bool = False,
    follows: Sequence[OutboxItem] = (),
    keep_images: bool = True,
) -> bool:
    """Mark a job as delivered in this message (None: there was nothing to show). False, without a change, if it was delivered before.

    `direct`: the message is a direct message to the user.

    It also adds the outbox items `follows`, forgets the interaction token and, unless `keep_images` is set, deletes the inline images.
    """
    job = _DELIVERED.one_or_none(conn, {"of_job": job_id, "now": now, "shown_in": channel_id})
    if job is None:
        return False
    if message_id is not None:
        role = MessageRole.DM if direct else MessageRole.RESULT
        messages.replace(conn, JobMessage(message_id=message_id, **job, role=role, job_id=job_id, at=now))
    outbox.done(conn, job_id)
    for item in follows:
        outbox.add(conn, item)
    if not keep_images:
        conn.execute(delete(images).where(images.c.job_id == job_id))
    return True


def promise_ping(conn: Connection, job_id: str) -> bool:
    """Promise to ping the user when the job is delivered. False if it has ended or a ping was promised before."""
    open_ = and_(jobs.c.id == job_id, jobs.c.state == JobState.OPEN, jobs.c.ping_promised.is_(False))
    return conn.execute(update(jobs).where(open_).values(ping_promised=True)).rowcount == 1


def mark_deleted(conn: Connection, job_id: str) -> bool:
    """Mark a job as deleted, and delete its inline images and thumbnails. False if it is open, deleted or unknown."""
    where = and_(jobs.c.id == job_id, jobs.c.state.in_(job_sources(JobState.DELETED)))
    if not conn.execute(update(jobs).where(where).values(state=JobState.DELETED, token=None)).rowcount:
        return False
    outbox.done(conn, job_id)
    for kept in (images, thumbnails):
        conn.execute(delete(kept).where(kept.c.job_id == job_id))
    return True


def old_images(before: int) -> Expired:
    """The inline images of jobs that were delivered before `before` (Unix ms)."""
    return Expired(table=images, where=_of_old_jobs(images, before))


def old_references(before: int) -> Expired:
    """The references of jobs that were delivered before `before` (Unix ms), or ordered before it and deleted without a delivery."""
    return Expired(table=references, where=_of_old_jobs(references, before))


def old_thumbnails(before: int) -> Expired:
    """The thumbnails of jobs that were ordered before `before` (Unix ms)."""
    return Expired(table=thumbnails, where=exists().where(jobs.c.id == thumbnails.c.job_id, jobs.c.created_at < before))


def old_jobs(before: int) -> Expired:
    """Jobs that were ordered before `before` (Unix ms), with everything that belongs to them.

    Not those that still move money or for which an outbox item is due, and none that moderators have a case or a report about.
    """
    unended = exists().where(generations.c.job_id == jobs.c.id, *(generations.c.state != state for state in ENDED))
    due = select(outbox_items.c.job_id).where(outbox_items.c.job_id.is_not(None))
    reviewed = or_(*(exists().where(table.c.job_id == jobs.c.id) for table in (cases, reports)))
    return Expired(
        table=jobs,
        by=("created_at", "id"),
        among=text(NOT_OPEN),
        until=jobs.c.created_at < before,
        where=~or_(unended, jobs.c.id.in_(due), reviewed),
        follows=(
            delete(gallery).where(gallery.c.job_id == bindparam("of_id")),
            *(update(table).where(table.c.job_id == bindparam("of_id")).values(job_id=null()) for table in (strikes, audit)),
        ),
    )


def _of_old_jobs(kept: Table, before: int) -> ColumnElement[bool]:
    # Not `job_id IN (old jobs)`: few rows are kept, but the old jobs are all of history.
    undelivered = and_(jobs.c.delivered_at.is_(None), jobs.c.state == JobState.DELETED, jobs.c.created_at < before)
    return exists().where(jobs.c.id == kept.c.job_id, or_(jobs.c.delivered_at < before, undelivered))


def waiting_links(conn: Connection, *, limit: int = 1000) -> list[tuple[str, str]]:
    """The image API and the link of each image that was made and not shown yet."""
    links = select(generations.c.provider, generations.c.result_url).join(jobs, jobs.c.id == generations.c.job_id)
    waits = and_(or_(jobs.c.state == JobState.DELIVERABLE, jobs.c.state == JobState.STRANDED), generations.c.error.is_(None))
    rows = conn.execute(links.where(waits, generations.c.result_url.is_not(None)).limit(limit))
    return [(row.provider, row.result_url) for row in rows]
