"""A member's own jobs, to be looked through. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from bot.domain.job import HISTORY_PAGE, OWN_MESSAGE, HistoryPage, Job, JobMessage, JobState, MessageRole, ReplyTarget, Thumbnails
from bot.store import delivery, messages
from bot.store.rows import read_jobs
from bot.store.tables import jobs, thumbnails


def page(conn: Connection, user_id: int, *, words: str = "", number: int = 0) -> HistoryPage:
    """A page of a member's jobs whose prompts have all `words`, upper or lower case; the last page if `number` is beyond it."""
    kept = _kept(user_id, words.split())
    total = conn.scalar(select(func.count()).select_from(jobs).where(kept)) or 0
    pages = max(1, -(-total // HISTORY_PAGE))
    number = min(max(number, 0), pages - 1)
    ids = select(jobs.c.id).where(kept).order_by(jobs.c.created_at.desc(), jobs.c.id).offset(number * HISTORY_PAGE).limit(HISTORY_PAGE)
    found = read_jobs(conn, jobs.c.id.in_(conn.scalars(ids).all()), newest=True)
    return HistoryPage(jobs=tuple(found), number=number, pages=pages, total=total, words=words)


def thumbnails_of(conn: Connection, shown: Iterable[Job]) -> Thumbnails:
    """The small versions of what these jobs made, as far as they are kept."""
    job_ids = [job.id for job in shown]
    rows = conn.execute(select(thumbnails.c.job_id, thumbnails.c.n, thumbnails.c.content).where(thumbnails.c.job_id.in_(job_ids)))
    return {(row.job_id, row.n): row.content for row in rows}


def reposted(
    conn: Connection, job_id: str, place: ReplyTarget, message_id: int, now: int, *, small: Mapping[int, bytes] | None = None
) -> bool:
    """The job was shown once more, in `place`: there it belongs from now on. False where it was taken away meanwhile.

    `small` are the WebP versions of one that was never shown before, by their place in the job.
    """
    delivery.delivered(conn, job_id, channel_id=None, message_id=None, small=small, now=now)  # nothing, where it was shown before
    before = conn.execute(select(jobs.c.state, jobs.c.private).where(jobs.c.id == job_id).with_for_update()).one_or_none()
    if before is None or before.state != JobState.DELIVERED:
        return False
    here = update(jobs).where(jobs.c.id == job_id).values(channel_id=place.channel_id, guild_id=place.guild_id, private=False)
    conn.execute(here)
    own = JobMessage(
        message_id=message_id, channel_id=place.channel_id, guild_id=place.guild_id, role=MessageRole.RESULT, at=now, job_id=job_id
    )
    return messages.repost(conn, own, was_private=before.private)


def take_away(conn: Connection, job_id: str, now: int, *, guild_id: int | None = None, but: int | None = None) -> bool:
    """The job goes, and by the outbox the messages that show it, `but` one that is gone already. False where there is nothing to take away.

    With `guild_id` one server decides: its messages go, and with them the job, unless that was asked for and is shown elsewhere.
    """
    state = conn.scalar(select(jobs.c.state).where(jobs.c.id == job_id).with_for_update())
    if state is None or state == JobState.OPEN:
        return False
    removed = messages.remove(conn, job_id, now, guild_id=guild_id, but=but)
    if guild_id is not None and not messages.is_decided_by(conn, job_id, guild_id):
        messages.promote_latest(conn, job_id)
        return removed > 0
    if delivery.taken_away(conn, job_id):
        messages.log_changed(conn, job_id, now)
        return True
    return removed > 0


def message_deleted(conn: Connection, job_id: str, message_id: int, now: int) -> None:
    """The author deleted a message that shows the job: the job goes with its own one, and by the outbox all that shows it; a copy alone."""
    message = messages.get(conn, message_id)
    if message is not None and message.job_id == job_id and message.role in OWN_MESSAGE:
        take_away(conn, job_id, now, but=message_id)
    else:
        messages.forget(conn, message_id)


def _kept(user_id: int, words: Sequence[str]) -> ColumnElement[bool]:
    said = [jobs.c.prompt.icontains(word, autoescape=True) for word in words]
    return and_(jobs.c.user_id == user_id, jobs.c.state != JobState.DELETED, *said)
