"""The messages that show a job or inform moderators about it. Each operation is one transaction.

A guild decides about its own messages only. A message's `guild_id` says which guild that is; a direct message with a result belongs to
the guild where the job was ordered.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, Exists, and_, bindparam, delete, exists, or_, select, true, update

from bot.domain.job import OWN_MESSAGE, SHOWING, Job, JobMessage, MessageRole
from bot.domain.moderation.audit import AuditAction
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import outbox
from bot.store.engine.base import upsert
from bot.store.engine.statements import Prepared
from bot.store.moderation import audit_log
from bot.store.rows import read_jobs
from bot.store.tables import generations, job_messages, jobs

# Built once, because building a statement takes longer than running it.
_SPOILER_OF = Prepared(select(jobs.c.spoiler).where(jobs.c.id == bindparam("of_job")).with_for_update(read=True, key_share=True))
_FORGET_OTHERS = Prepared(
    delete(job_messages).where(
        job_messages.c.job_id == bindparam("of_job"),
        or_(*(job_messages.c.role == role for role in OWN_MESSAGE)),
        job_messages.c.message_id != bindparam("kept"),
    )
)


@cache
def _unless_known(dialect: Dialect) -> Prepared:
    return Prepared(upsert(dialect, job_messages).on_conflict_do_nothing())


# --- recording -------------------------------------------------------------------------------------------------------


def record(conn: Connection, message: JobMessage) -> bool:
    """Record a message that was posted, with a spoiler if it or its job has one. A message that is known already is not changed.

    False if its job was erased: the caller must delete the message.
    """
    row: dict[str, Any] = {**vars(message), "removed_at": None}
    if message.job_id is not None:
        job = _SPOILER_OF.one_or_none(conn, {"of_job": message.job_id})
        if job is None:
            return False
        row = {**row, "spoiler": job["spoiler"] or message.spoiler}
    _unless_known(conn.dialect).run(conn, row)
    return True


def replace(conn: Connection, message: JobMessage) -> bool:
    """Make this the job's own message, in place of the first answer. False as in `record`."""
    _FORGET_OTHERS.run(conn, {"of_job": message.job_id, "kept": message.message_id})
    return record(conn, message)


def repost(conn: Connection, message: JobMessage, *, was_private: bool) -> bool:
    """Make this the job's own message and the previous one a copy, or forget that if it was private. False as in `record`."""
    mine = and_(job_messages.c.job_id == message.job_id, job_messages.c.role.in_(OWN_MESSAGE))
    if was_private:
        conn.execute(delete(job_messages).where(mine, job_messages.c.role == MessageRole.RESULT))
    conn.execute(update(job_messages).where(mine).values(role=MessageRole.COPY))
    return record(conn, message)


def forget(conn: Connection, message_id: int) -> bool:
    """Forget a message that a user deleted. False if it was not known."""
    return conn.execute(delete(job_messages).where(job_messages.c.message_id == message_id)).rowcount == 1


# --- messages of a job, job of a message -----------------------------------------------------------------------------


def of_job(conn: Connection, job_id: str, *, guild_id: int | None = None, roles: Collection[MessageRole] = SHOWING) -> list[JobMessage]:
    """A job's messages that are not to be deleted, oldest first; of one guild if `guild_id` is given."""
    there = select(job_messages).where(_not_removed(job_id, guild_id, roles)).order_by(job_messages.c.at, job_messages.c.message_id)
    return [_message(dict(row)) for row in conn.execute(there).mappings()]


def get(conn: Connection, message_id: int) -> JobMessage | None:
    """The record of a message, also of one that was deleted."""
    row = conn.execute(select(job_messages).where(job_messages.c.message_id == message_id)).mappings().one_or_none()
    return None if row is None else _message(dict(row))


def newest(conn: Connection, since_id: int, *, limit: int) -> list[JobMessage]:
    """The newest messages that members see, from this message id on: Discord's ids grow with time."""
    those = and_(job_messages.c.message_id >= since_id, job_messages.c.role.in_(SHOWING), job_messages.c.removed_at.is_(None))
    query = select(job_messages).where(those).order_by(job_messages.c.message_id.desc()).limit(limit)
    return [_message(dict(row)) for row in conn.execute(query).mappings()]


def log_post(conn: Connection, job_id: str, guild_id: int) -> JobMessage | None:
    """The job's post in this guild's log, or None."""
    return next(iter(of_job(conn, job_id, guild_id=guild_id, roles=(MessageRole.LOG,))), None)


def is_hidden(conn: Connection, job: Job, message_id: int) -> bool:
    """Whether the job's images need spoilers in this message; if the message is unknown, as the job says."""
    message = get(conn, message_id)
    return job.spoiler if message is None else message.spoiler


def is_hidden_in(conn: Connection, job: Job, guild_id: int | None) -> bool:
    """Whether the job's images need spoilers in this guild: the job has one, or the guild put one on its own messages of it."""
    return job.spoiler or (guild_id is not None and any(message.spoiler for message in of_job(conn, job.id, guild_id=guild_id)))


def job_of(conn: Connection, message_id: int, *, roles: Collection[MessageRole] = tuple(MessageRole)) -> Job | None:
    """The job that a message shows or is about."""
    job_id = select(job_messages.c.job_id).where(job_messages.c.message_id == message_id, job_messages.c.role.in_(roles))
    return next(iter(read_jobs(conn, jobs.c.id == job_id.scalar_subquery())), None)


def belongs_to(conn: Connection, job_id: str, guild_id: int) -> bool:
    """Whether a guild's moderators may decide about a job: it was ordered there, or a message there shows or showed it."""
    there = exists().where(job_messages.c.job_id == job_id, job_messages.c.guild_id == guild_id)
    return bool(conn.scalar(select(or_(there, _ordered_in(job_id, guild_id)))))


def was_ordered_in(conn: Connection, job_id: str, guild_id: int) -> bool:
    """Whether a job was ordered in this guild."""
    return bool(conn.scalar(select(_ordered_in(job_id, guild_id))))


def is_decided_by(conn: Connection, job_id: str, guild_id: int) -> bool:
    """Whether a guild decides about the job itself: no message elsewhere shows it."""
    return not conn.scalar(select(_shown_elsewhere(job_id, guild_id)))


def shown_in(guild_id: int) -> ColumnElement[bool]:
    """A condition on `jobs`: a message in this guild shows the job."""
    return exists().where(_not_removed(jobs.c.id, guild_id, SHOWING)).correlate(jobs)


def shown_elsewhere(guild_id: int) -> ColumnElement[bool]:
    """A condition on `jobs`: a message in another guild, or in direct messages, shows the job."""
    return _shown_elsewhere(jobs.c.id, guild_id).correlate(jobs)


# --- spoilers, deletion, log -----------------------------------------------------------------------------------------


def set_spoiler(
    conn: Connection, job_id: str, spoiler: bool, now: int, *, guild_id: int | None = None, except_id: int | None = None
) -> bool:
    """Put the job's images behind spoilers, or remove the spoilers, by the outbox; except in one message that is edited already.

    With `guild_id` only this guild's messages change. False if nothing changed.
    """
    conn.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())  # lock order: the job before its messages
    differs = and_(_not_removed(job_id, guild_id, SHOWING), job_messages.c.spoiler.is_not(spoiler))
    changed = conn.execute(update(job_messages).where(differs).values(spoiler=spoiler).returning(job_messages)).all()
    for row in sorted(changed, key=lambda row: row.message_id):
        if row.message_id != except_id:
            ask_to_cover(conn, job_id, row.channel_id, row.message_id, now)
    flagged = guild_id is None or is_decided_by(conn, job_id, guild_id)
    flag = update(jobs).where(jobs.c.id == job_id, jobs.c.spoiler.is_not(spoiler)).values(spoiler=spoiler)
    has_changed = bool(changed) | (flagged and conn.execute(flag).rowcount == 1)
    if has_changed:
        log_changed(conn, job_id, now)
    return has_changed


def hide(conn: Connection, job_id: str, message_id: int, now: int, *, cover: OutboxItem) -> None:
    """The author puts the job's images behind spoilers, and edits this message at once. `cover` is added to the outbox."""
    if set_spoiler(conn, job_id, True, now, except_id=message_id):
        audit_log.note_own(conn, AuditAction.SPOILERED_OWN, job_id, now)
    outbox.add(conn, cover)


def ask_to_cover(conn: Connection, job_id: str, channel_id: int, message_id: int, now: int) -> None:
    """Add the outbox item that edits a message's spoilers to match its record, or its job if it has no record."""
    data = {"channel_id": channel_id, "message_id": message_id}
    outbox.add(conn, OutboxItem(kind=ItemKind.COVER, due_at=now, job_id=job_id, data=data))


def remove(conn: Connection, job_id: str, now: int, *, guild_id: int | None = None, except_id: int | None = None) -> int:
    """Delete a job's messages by the outbox, except one that is deleted already. Returns how many there were.

    Their records stay, so that a link to one of them still finds the job.
    """
    shown = _not_removed(job_id, guild_id, SHOWING)
    gone = conn.execute(update(job_messages).where(shown).values(removed_at=now).returning(job_messages)).all()
    for row in sorted(gone, key=lambda row: (row.at, row.message_id)):
        if row.message_id != except_id:
            ask_to_remove(conn, row.channel_id, row.message_id, now)
    return len(gone)


def ask_to_remove(conn: Connection, channel_id: int, message_id: int, now: int) -> None:
    """Add the outbox item that deletes a message of Easel's."""
    data = {"channel_id": channel_id, "message_id": message_id}
    outbox.add(conn, OutboxItem(kind=ItemKind.REMOVE, due_at=now, data=data))


def promote_latest(conn: Connection, job_id: str) -> None:
    """If the job's own message was deleted, make its latest copy its own message."""
    left = of_job(conn, job_id, roles=(MessageRole.COPY,))
    if not left or of_job(conn, job_id, roles=OWN_MESSAGE):
        return
    mine = and_(job_messages.c.job_id == job_id, job_messages.c.role.in_(OWN_MESSAGE))
    conn.execute(update(job_messages).where(mine).values(role=MessageRole.COPY))
    own = left[-1]
    conn.execute(update(job_messages).where(job_messages.c.message_id == own.message_id).values(role=MessageRole.RESULT))
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(channel_id=own.channel_id, guild_id=own.guild_id))


def log_changed(conn: Connection, job_id: str | None, now: int) -> None:
    """Add the outbox items that update the job's posts in the guilds' logs."""
    for post in of_job(conn, job_id, roles=(MessageRole.LOG,)) if job_id is not None else ():
        outbox.add(conn, OutboxItem(kind=ItemKind.LOG, due_at=now, data={"job_id": job_id, "guild_id": post.guild_id}))


# --- parts -----------------------------------------------------------------------------------------------------------


def _not_removed(job_id: str | ColumnElement[str], guild_id: int | None, roles: Collection[MessageRole]) -> ColumnElement[bool]:
    here = true() if guild_id is None else job_messages.c.guild_id == guild_id
    return and_(job_messages.c.job_id == job_id, job_messages.c.removed_at.is_(None), job_messages.c.role.in_(roles), here)


def _shown_elsewhere(job_id: str | ColumnElement[str], guild_id: int) -> Exists:
    return exists().where(_not_removed(job_id, None, SHOWING), job_messages.c.guild_id.is_distinct_from(guild_id))


def _ordered_in(job_id: str, guild_id: int) -> ColumnElement[bool]:
    return exists().where(generations.c.job_id == job_id, generations.c.guild_id == guild_id)


def _message(row: dict[str, Any]) -> JobMessage:
    return JobMessage(**{name: value for name, value in row.items() if name != "removed_at"} | {"role": MessageRole(row["role"])})
