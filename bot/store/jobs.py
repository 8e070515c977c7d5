"""Jobs: storing a new one, its first answer, and reading. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from statistics import median

from sqlalchemy import BigInteger, Connection, and_, bindparam, case, exists, func, insert, or_, select, text, update

from bot.domain.admission import check_waiting
from bot.domain.gestures import TAKEN, Reaction, normalized_emoji
from bot.domain.job import (
    Generation,
    GenerationState,
    Job,
    JobMessage,
    JobState,
    Lane,
    MessageRole,
    Reference,
    ReferenceRole,
)
from bot.domain.money.payment import Payment
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.queueing.forecast import QueueStanding, RunningImage
from bot.store import messages, outbox, tray
from bot.store.engine.base import Topic, announce, process_of
from bot.store.engine.statements import Prepared, write
from bot.store.money import ledger
from bot.store.money.payment import pay, with_sponsor
from bot.store.rows import generation_row, job_row, jobs_by_id, read_jobs, reference_row
from bot.store.tables import generations, images, jobs, references
from bot.store.tables.work import ACTIVE, OPEN, WAITING

_RIVALS_MAX = 200  # members: enough to find one that is served less

# Built once, because building a statement takes longer than running it.
_OPEN_AFTER = (
    select(jobs.c.id, jobs.c.created_at)
    .where(
        text(OPEN),
        jobs.c.owner.is_not_distinct_from(bindparam("by", type_=BigInteger)),
        jobs.c.created_at >= bindparam("at"),
        or_(jobs.c.created_at > bindparam("at"), jobs.c.id > bindparam("after")),
    )
    .order_by(jobs.c.created_at, jobs.c.id)
    .limit(bindparam("most"))
)
_OLDER = and_(generations.c.lane == bindparam("lane"), generations.c.created_at < bindparam("at"))
# They read an index only. What waits for another image API is not in the way.
_OTHERS = and_(text(WAITING), generations.c.provider == bindparam("at_provider"), generations.c.job_id != bindparam("of_job"))
_OWN = func.coalesce(func.sum(case((generations.c.user_id == bindparam("of_user"), 1), else_=0)), 0)
_AHEAD = {
    lane: Prepared(select(func.count(), _OWN).where(_OTHERS, before))
    for lane, before in {Lane.PAID: _OLDER, Lane.FREE: or_(_OLDER, generations.c.lane == Lane.PAID)}.items()
}
_IS_RIVAL = and_(_OTHERS, generations.c.lane == bindparam("lane"))
_RIVALS = Prepared(select(generations.c.guild_id, generations.c.user_id).where(_IS_RIVAL).distinct().limit(_RIVALS_MAX))
_MADE_NOW = Prepared(
    select(*(generations.c[field.name] for field in fields(RunningImage))).where(text(ACTIVE), generations.c.submitted_at.is_not(None))
)
_TOOK = (
    select(generations.c.ended_at - generations.c.submitted_at)
    .where(
        generations.c.model == bindparam("of_model"),
        generations.c.state == GenerationState.SUCCEEDED,
        generations.c.submitted_at.is_not(None),
    )
    .order_by(generations.c.ended_at.desc())
    .limit(bindparam("most"))
)
_INLINE = select(images.c.content).where(images.c.job_id == bindparam("of_job"), images.c.n == bindparam("of_n"))
_ANSWERED = Prepared(
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"))
    .values(answer_until=0)
    .returning(jobs.c.state, jobs.c.channel_id, jobs.c.guild_id, jobs.c.delivered_at)
)
_ADD_JOB, _ADD_GENERATION, _ADD_REFERENCE = (Prepared(insert(table)) for table in (jobs, generations, references))
_COUNT_WAITING = Prepared(select(func.count()).where(generations.c.user_id == bindparam("of_user"), text(WAITING)))


# --- adding a job ----------------------------------------------------------------------------------------------------


def add(
    conn: Connection, job: Job, refs: Sequence[Reference], *, payment: Payment, max_waiting: int, now: int, empties_tray: bool = False
) -> Job:
    """Store a job with its generations and references, and hold its price. Returns the job with the accounts that pay.

    `empties_tray` also empties the user's tray. Raises `OutOfCredit` or `TooManyWaiting`.
    """
    payment = with_sponsor(conn, payment, now)
    balances, waiting = ledger.lock_and_count(conn, payment.accounts, now, _COUNT_WAITING, of_user=job.place.user_id)
    check_waiting(waiting, len(job.generations), most=max_waiting)
    paid, holds = pay(payment, balances, [(g.job_id, g.n, g.price, g.cost) for g in job.generations], now)
    job = replace(job, generations=tuple(replace(g, **vars(paid)) for g in job.generations))
    write(
        conn,
        *holds,
        (_ADD_JOB, [job_row(job, owner=process_of(conn))]),
        (_ADD_GENERATION, [generation_row(g) for g in job.generations]),
        (_ADD_REFERENCE, [reference_row(job.id, n, ref) for n, ref in enumerate(refs)]),
    )
    if empties_tray:
        tray.clear(conn, job.place.user_id)
    if job.reaction is not None and job.place.reply_to is not None:
        _take_reaction(conn, job, job.place.reply_to, job.reaction, now)
    announce(conn, Topic.CHECKS if job.needs_check else Topic.QUEUE)
    return job


def _take_reaction(conn: Connection, job: Job, message_id: int, emoji: str, now: int) -> None:
    """The reaction that ordered a job was acted on, and its message gets ⏳."""
    for is_super in (False, True):
        given = Reaction(message_id=message_id, user_id=job.place.user_id, emoji=normalized_emoji(emoji), burst=is_super)
        outbox.end_reaction(conn, given, TAKEN, now=now)
    data = {"channel_id": job.place.channel_id, "message_id": message_id, "starts": True}
    outbox.add(conn, OutboxItem(kind=ItemKind.MARK, due_at=now, data=data))


def mark_answered(conn: Connection, job_id: str, message_id: int | None, now: int) -> None:
    """Record the first answer to the user (None: it failed), so that the job may be delivered. A message with the result is kept."""
    job = _ANSWERED.one_or_none(conn, {"of_job": job_id})
    if job is None:
        return
    if message_id is not None and job["delivered_at"] is None:
        place = {"channel_id": job["channel_id"], "guild_id": job["guild_id"]}
        messages.replace(conn, JobMessage(message_id=message_id, **place, role=MessageRole.RESULT, job_id=job_id, at=now))
    if job["state"] != JobState.OPEN:
        outbox.stop_waiting(conn, now, job_id)


# --- reading ---------------------------------------------------------------------------------------------------------


def get(conn: Connection, job_id: str) -> Job | None:
    """A job with its generations."""
    return next(iter(jobs_by_id(conn, [job_id])), None)


def borders_of(conn: Connection, job_ids: Collection[str]) -> dict[str, tuple[bool, bool]]:
    """By job id: whether it is private, and whether it is from an age-restricted channel."""
    rows = conn.execute(select(jobs.c.id, jobs.c.private, jobs.c.age_restricted).where(jobs.c.id.in_(job_ids))) if job_ids else ()
    return {row.id: (row.private, row.age_restricted) for row in rows}


def of_member(conn: Connection, user_id: int, *, state: JobState, limit: int = 25) -> list[Job]:
    """A member's jobs in one state, newest first."""
    return read_jobs(conn, and_(jobs.c.user_id == user_id, jobs.c.state == state), newest=True, limit=limit)


def open_after(conn: Connection, created_at: int, job_id: str, *, owner: int | None, most: int) -> list[tuple[str, int]]:
    """At most `most` open jobs of a process, as (id, Unix ms of the order), in this order after the given pair."""
    return [(row.id, row.created_at) for row in conn.execute(_OPEN_AFTER, {"at": created_at, "after": job_id, "most": most, "by": owner})]


def claimed(conn: Connection, provider: str, provider_ids: Collection[str]) -> set[str]:
    """Which of these ids of one image API belong to a generation already."""
    there = and_(generations.c.provider == provider, generations.c.provider_id.in_(provider_ids))
    return set(conn.scalars(select(generations.c.provider_id).where(there)))


def has_rival(conn: Connection, generation: Generation) -> bool:
    """Whether another job is being sent that differs from this one at most by its reference images, which no lookup compares."""
    if generation.seed is not None:
        return False
    same = and_(*(generations.c[name] == getattr(generation, name) for name in ("provider", "api_model", "prompt")))
    is_other = and_(generations.c.job_id != generation.job_id, generations.c.seed.is_(None))
    is_sent = and_(text(ACTIVE), generations.c.state == GenerationState.SUBMITTING)
    has_references = exists().where(references.c.job_id == generation.job_id)
    return conn.scalar(select(generations.c.job_id).where(is_sent, same, is_other, has_references).limit(1)) is not None


def references_of(conn: Connection, job_id: str) -> list[Reference]:
    """A job's reference images, in order; empty once they were deleted."""
    columns = [column for column in references.c if column.name not in ("job_id", "n")]
    rows = conn.execute(select(*columns).where(references.c.job_id == job_id).order_by(references.c.n))
    return [Reference(**{**row, "role": ReferenceRole(row["role"])}) for row in rows.mappings()]


def image_of(conn: Connection, job_id: str, n: int) -> bytes | None:
    """A result that the image API returned inline; None if there is none or it was deleted."""
    return conn.scalar(_INLINE, {"of_job": job_id, "of_n": n})


def count_waiting(conn: Connection, user_id: int) -> int:
    """How many images of a user wait in the queue."""
    ((waiting,),) = _COUNT_WAITING.rows(conn, {"of_user": user_id})
    return int(waiting)


def standing(conn: Connection, job: Job) -> QueueStanding:
    """What waits before this job's first waiting generation, and what is being made."""
    running = tuple(RunningImage(**row) for row in _MADE_NOW.mappings(conn, {}))
    first = next((g for g in job.generations if g.state is GenerationState.WAITING), None)
    if first is None:
        return QueueStanding(running=running)
    others = {"at_provider": first.provider, "of_job": job.id, "lane": first.lane}
    ((ahead, own),) = _AHEAD[first.lane].rows(conn, {**others, "at": first.created_at, "of_user": first.user_id})
    rivals = () if ahead else _RIVALS.rows(conn, others)
    return QueueStanding(
        ahead=int(ahead) - int(own),
        own_ahead=int(own),
        rivals=frozenset((guild_id, user_id) for guild_id, user_id in rivals),
        running=running,
    )


def usual_ms(conn: Connection, model: str, *, over: int = 20) -> int | None:
    """The median time in ms from submission to the end of this model's latest `over` images."""
    times = conn.scalars(_TOOK, {"of_model": model, "most": over}).all()
    return int(median(times)) if times else None
