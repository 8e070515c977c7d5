"""The messages that show an image or tell moderators of it. Each operation is one transaction.

A server's decision concerns the messages of that server. `guild_id` says which server answers for a message: of a direct message with a
result it is the one where the result was asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, or_, select, true, update

from bot.domain.job import OWN_MESSAGE, SHOWING, Job, JobMessage, MessageRole
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import outbox
from bot.store.engine.base import upsert
from bot.store.rows import read_jobs
from bot.store.tables import generations, job_messages, jobs

# --- recording -------------------------------------------------------------------------------------------------------


def record(conn: Connection, message: JobMessage) -> bool:
    """Keep it, in the transaction that says that it was posted; as its job is at that moment, with or without a spoiler.

    False where its job is not known any more: the message is to be taken away. One that is known stays as it is.
    """
    row: dict[str, Any] = vars(message)
    if message.job_id is not None:
        locked = select(jobs.c.spoiler).where(jobs.c.id == message.job_id).with_for_update(read=True, key_share=True)
        job = conn.execute(locked).one_or_none()
        if job is None:
            return False
        row = {**row, "spoiler": job.spoiler}
    conn.execute(upsert(conn, job_messages).values(**row).on_conflict_do_nothing())
    return True


def replace(conn: Connection, message: JobMessage) -> bool:
    """From now on this is the job's own message, in place of one that showed nothing yet."""
    conn.execute(delete(job_messages).where(job_messages.c.job_id == message.job_id, job_messages.c.role.in_(OWN_MESSAGE)))
    return record(conn, message)


def repost(conn: Connection, message: JobMessage, *, was_private: bool) -> bool:
    """From now on this is the job's own message, and the one before it a copy; a private one cannot be reached any more."""
    mine = and_(job_messages.c.job_id == message.job_id, job_messages.c.role.in_(OWN_MESSAGE))
    if was_private:
        conn.execute(delete(job_messages).where(mine, job_messages.c.role == MessageRole.RESULT))
    conn.execute(update(job_messages).where(mine).values(role=MessageRole.COPY))
    return record(conn, message)


def forget(conn: Connection, message_id: int) -> bool:
    """A person deleted this message. False where it was not known."""
    return conn.execute(delete(job_messages).where(job_messages.c.message_id == message_id)).rowcount == 1


# --- what shows this image, which image is this ----------------------------------------------------------------------


def of_job(conn: Connection, job_id: str, *, guild_id: int | None = None, roles: Collection[MessageRole] = SHOWING) -> list[JobMessage]:
    """The messages that show a job and are not to be taken away, oldest first; of one server, where `guild_id` is given."""
    there = select(job_messages).where(_standing(job_id, guild_id, roles)).order_by(job_messages.c.at, job_messages.c.message_id)
    return [_message(dict(row)) for row in conn.execute(there).mappings()]


def get(conn: Connection, message_id: int) -> JobMessage | None:
    """What is known of a message, also of one that is taken away."""
    row = conn.execute(select(job_messages).where(job_messages.c.message_id == message_id)).mappings().one_or_none()
    return None if row is None else _message(dict(row))


def log_post(conn: Connection, job_id: str) -> JobMessage | None:
    """Where the guild's log tells of a job."""
    return next(iter(of_job(conn, job_id, roles=(MessageRole.LOG,))), None)


def is_hidden(conn: Connection, job: Job, message_id: int) -> bool:
    """Whether the job's images belong behind spoilers in this message; of a message that is not known, as the job says."""
    message = get(conn, message_id)
    return job.spoiler if message is None else message.spoiler


def job_of(conn: Connection, message_id: int, *, roles: Collection[MessageRole] = tuple(MessageRole)) -> Job | None:
    """The job that a message shows or tells of."""
    job_id = select(job_messages.c.job_id).where(job_messages.c.message_id == message_id, job_messages.c.role.in_(roles))
    return next(iter(read_jobs(conn, jobs.c.id == job_id.scalar_subquery())), None)


def belongs_to(conn: Connection, job_id: str, guild_id: int) -> bool:
    """Whether a server's moderators may decide about a job: it was asked for there, or a message of theirs shows it or did."""
    there = exists().where(job_messages.c.job_id == job_id, job_messages.c.guild_id == guild_id)
    return bool(conn.scalar(select(or_(there, _asked_in(job_id, guild_id)))))


def is_decided_by(conn: Connection, job_id: str, guild_id: int) -> bool:
    """Whether a server decides about the job itself: it was asked for there, or nothing elsewhere shows it."""
    elsewhere = exists().where(_standing(job_id, None, SHOWING), job_messages.c.guild_id.is_distinct_from(guild_id))
    return bool(conn.scalar(select(or_(_asked_in(job_id, guild_id), ~elsewhere))))


def shown_in(guild_id: int) -> ColumnElement[bool]:
    """Of a row of `jobs`: whether a message of this server shows it."""
    return exists().where(_standing(jobs.c.id, guild_id, SHOWING)).correlate(jobs)


# --- hiding, deleting, telling ---------------------------------------------------------------------------------------


def set_spoiler(conn: Connection, job_id: str, spoiler: bool, now: int, *, guild_id: int | None = None, but: int | None = None) -> bool:
    """Put the job's images behind spoilers, or take these away, by the outbox; `but` one message, where that is done.

    With `guild_id` one server decides. False where everything was so before.
    """
    conn.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())  # a job before its messages, as everywhere
    differs = and_(_standing(job_id, guild_id, SHOWING), job_messages.c.spoiler.is_not(spoiler))
    changed = conn.execute(update(job_messages).where(differs).values(spoiler=spoiler).returning(job_messages)).all()
    for row in sorted(changed, key=lambda row: row.message_id):
        if row.message_id != but:
            ask_to_cover(conn, job_id, row.channel_id, row.message_id, now)
    flagged = guild_id is None or is_decided_by(conn, job_id, guild_id)
    flag = update(jobs).where(jobs.c.id == job_id, jobs.c.spoiler.is_not(spoiler)).values(spoiler=spoiler)
    has_changed = bool(changed) | (flagged and conn.execute(flag).rowcount == 1)
    if has_changed:
        log_changed(conn, job_id, now)
    return has_changed


def ask_to_cover(conn: Connection, job_id: str, channel_id: int, message_id: int, now: int) -> None:
    """A message's images are to be as the record of it, or else its job, says."""
    data = {"channel_id": channel_id, "message_id": message_id}
    outbox.add(conn, OutboxItem(kind=ItemKind.COVER, due_at=now, job_id=job_id, data=data))


def remove(conn: Connection, job_id: str, now: int, *, guild_id: int | None = None, but: int | None = None) -> int:
    """Take away what shows a job, by the outbox, but one message that is gone already; how many were to go.

    What is known of them stays: it is what a link to one of them leads to.
    """
    standing = _standing(job_id, guild_id, SHOWING)
    gone = conn.execute(update(job_messages).where(standing).values(removed_at=now).returning(job_messages)).all()
    for row in sorted(gone, key=lambda row: (row.at, row.message_id)):
        if row.message_id != but:
            ask_to_remove(conn, row.channel_id, row.message_id, now)
    return len(gone)


def ask_to_remove(conn: Connection, channel_id: int, message_id: int, now: int) -> None:
    """A message of ours is to be taken away."""
    data = {"channel_id": channel_id, "message_id": message_id}
    outbox.add(conn, OutboxItem(kind=ItemKind.REMOVE, due_at=now, data=data))


def promote_latest(conn: Connection, job_id: str) -> None:
    """Where the job's own message was taken away, the latest copy that is left takes its place."""
    left = of_job(conn, job_id, roles=(MessageRole.COPY,))
    if not left or of_job(conn, job_id, roles=OWN_MESSAGE):
        return
    mine = and_(job_messages.c.job_id == job_id, job_messages.c.role.in_(OWN_MESSAGE))
    conn.execute(update(job_messages).where(mine).values(role=MessageRole.COPY))
    own = left[-1]
    conn.execute(update(job_messages).where(job_messages.c.message_id == own.message_id).values(role=MessageRole.RESULT))
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(channel_id=own.channel_id, guild_id=own.guild_id))


def log_changed(conn: Connection, job_id: str | None, now: int) -> None:
    """What the log tells of a job is to be written anew, where it tells of it."""
    if job_id is not None and of_job(conn, job_id, roles=(MessageRole.LOG,)):
        outbox.add(conn, OutboxItem(kind=ItemKind.LOG, due_at=now, data={"job_id": job_id}))


# --- parts -----------------------------------------------------------------------------------------------------------


def _standing(job_id: str | ColumnElement[str], guild_id: int | None, roles: Collection[MessageRole]) -> ColumnElement[bool]:
    here = true() if guild_id is None else job_messages.c.guild_id == guild_id
    return and_(job_messages.c.job_id == job_id, job_messages.c.removed_at.is_(None), job_messages.c.role.in_(roles), here)


def _asked_in(job_id: str, guild_id: int) -> ColumnElement[bool]:
    return exists().where(generations.c.job_id == job_id, generations.c.guild_id == guild_id)


def _message(row: dict[str, Any]) -> JobMessage:
    return JobMessage(**{name: value for name, value in row.items() if name != "removed_at"} | {"role": MessageRole(row["role"])})
