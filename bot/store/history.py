"""A member's own jobs, to be looked through. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from bot.jobs.job import Job, JobState, ReplyTarget
from bot.store import gallery, keepsakes, logbook, outbox
from bot.store.outbox import ItemKind, OutboxItem
from bot.store.rows import read_jobs
from bot.store.tables import jobs, thumbnails

POSTED = "posted:"  # and a job's id: the keepsake that names the messages which showed it before its present one


def count(conn: Connection, user_id: int, words: Sequence[str]) -> int:
    """How many of a member's jobs have all these words in their prompt, upper or lower case."""
    return conn.scalar(select(func.count()).select_from(jobs).where(_kept(user_id, words))) or 0


def page(conn: Connection, user_id: int, words: Sequence[str], *, offset: int, limit: int) -> list[Job]:
    """Those jobs, newest first."""
    order = (jobs.c.created_at.desc(), jobs.c.id)
    ids = conn.scalars(select(jobs.c.id).where(_kept(user_id, words)).order_by(*order).offset(offset).limit(limit)).all()
    return read_jobs(conn, jobs.c.id.in_(ids), newest=True)


def small_pictures(conn: Connection, job_ids: Collection[str]) -> dict[tuple[str, int], bytes]:
    """The small versions (WebP) of what these jobs made, by job and picture."""
    rows = conn.execute(select(thumbnails.c.job_id, thumbnails.c.n, thumbnails.c.content).where(thumbnails.c.job_id.in_(job_ids)))
    return {(row.job_id, row.n): row.content for row in rows}


def reposted(conn: Connection, job_id: str, place: ReplyTarget, now: int, *, small: Mapping[int, bytes] | None = None) -> bool:
    """The job was shown once more, in `place`: there it belongs from now on. False where it was taken away meanwhile.

    `small` are the WebP versions of one that was never shown before, by their place in the job.
    """
    before = messages_of(conn, job_id)
    outbox.delivered(conn, job_id, channel_id=None, message_id=None, small=small, now=now)  # nothing, where it was shown before
    here = {"channel_id": place.channel_id, "guild_id": place.guild_id, "message_id": place.message_id, "private": place.private}
    shown = and_(jobs.c.id == job_id, jobs.c.state == JobState.DELIVERED)
    if not conn.execute(update(jobs).where(shown).values(**here)).rowcount:
        return False
    keepsakes.put(conn, POSTED + job_id, before, now)
    return True


def take_away(conn: Connection, job_id: str, now: int, *, one_is_gone: bool = False) -> bool:
    """The job goes, and by the outbox the messages that show it. False where it cannot be taken away now.

    With `one_is_gone` somebody took one of them away already, so that a job shown once needs no item.
    """
    if not outbox.taken_away(conn, job_id):
        return False
    messages = messages_of(conn, job_id)
    for channel_id, message_id in (*(messages if len(messages) > one_is_gone else ()), *gallery.posts_of(conn, job_id)):
        data = {"channel_id": channel_id, "message_id": message_id}
        outbox.add(conn, OutboxItem(kind=ItemKind.REMOVE, due_at=now, data=data))
    keepsakes.forget(conn, POSTED + job_id, now + 1)
    logbook.changed(conn, job_id, now)
    return True


def _kept(user_id: int, words: Sequence[str]) -> ColumnElement[bool]:
    said = [jobs.c.prompt.icontains(word, autoescape=True) for word in words]
    return and_(jobs.c.user_id == user_id, jobs.c.state != JobState.DELETED, *said)


def messages_of(conn: Connection, job_id: str) -> list[tuple[int, int]]:
    """Those that show the job, by channel and message, as things are now."""
    present = conn.execute(select(jobs.c.channel_id, jobs.c.message_id).where(jobs.c.id == job_id, jobs.c.message_id.is_not(None)))
    earlier = [(channel_id, message_id) for channel_id, message_id in keepsakes.get(conn, POSTED + job_id) or ()]
    return [*earlier, *((row.channel_id, row.message_id) for row in present)]
