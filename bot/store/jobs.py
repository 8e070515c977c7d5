"""Operations on jobs and their generations. Each is one transaction, and moves money with the state or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from bot.domain.admission import check_waiting
from bot.domain.job import (
    Failure,
    Generation,
    GenerationState,
    Job,
    JobMessage,
    JobState,
    Lane,
    MessageRole,
    Outcome,
    Reference,
    job_state,
    sources,
)
from bot.domain.money.payment import Payment
from bot.domain.money.quota import DAY_MS
from bot.domain.scheduling import Queue
from bot.store import messages, outbox, tray, usage
from bot.store.engine.base import Topic, announce, take_turn
from bot.store.money import ledger
from bot.store.money.payment import pay
from bot.store.rows import generation_row, job_row, read_generations, read_jobs, reference_row
from bot.store.tables import generations, images, jobs, references

PAST_USE_MS = 30 * DAY_MS  # how far back the slow lane looks
_ACTIVE = (GenerationState.SUBMITTING, GenerationState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """The model that stands in for another, with what it takes of the request."""

    model: str
    api_model: str
    provider: str
    seed: int | None
    params: Mapping[str, Any]


# --- taking a job in -------------------------------------------------------------------------------------------------


def add(
    conn: Connection, job: Job, refs: Sequence[Reference], *, payment: Payment, max_waiting: int, now: int, empties_tray: bool = False
) -> Job:
    """Write the job, its generations and references, and hold its price; the job as it is kept, with who pays.

    With `empties_tray` what its member had put by is used up by it. Raise `OutOfCredit` or `TooManyWaiting`.
    """
    take_turn(conn, job.place.user_id)  # one member's parallel requests are counted one after another, whoever pays for each
    check_waiting(count_waiting(conn, job.place.user_id), len(job.generations), most=max_waiting)
    paid = pay(conn, payment, [(g.job_id, g.n, g.price) for g in job.generations], now)
    job = replace(job, generations=tuple(replace(g, **vars(paid)) for g in job.generations))
    conn.execute(insert(jobs).values(job_row(job)))
    conn.execute(insert(generations), [generation_row(g) for g in job.generations])
    if refs:
        conn.execute(insert(references), [reference_row(job.id, n, ref) for n, ref in enumerate(refs)])
    if empties_tray:
        tray.clear(conn, job.place.user_id)
    announce(conn, Topic.QUEUE)
    return job


def answered(conn: Connection, job_id: str, message_id: int | None, now: int) -> None:
    """Its member was told, in this message (`None`: that failed). From now on it may be shown; if it was, its message stays its own."""
    if message_id is not None:
        unshown = select(jobs.c.channel_id, jobs.c.guild_id).where(jobs.c.id == job_id, jobs.c.delivered_at.is_(None)).with_for_update()
        job = conn.execute(unshown).mappings().one_or_none()
        if job is not None:
            messages.replace(conn, JobMessage(message_id=message_id, **job, role=MessageRole.RESULT, job_id=job_id, at=now))
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(answer_until=0))
    outbox.stop_waiting(conn, now, job_id=job_id)


def forget_answers(conn: Connection, now: int) -> None:
    """At a start: the first answers that were on their way in the run before will not come any more."""
    conn.execute(update(jobs).where(jobs.c.state == JobState.OPEN, jobs.c.answer_until > 0).values(answer_until=0))
    outbox.stop_waiting(conn, now)


# --- a generation's steps --------------------------------------------------------------------------------------------
# Whatever takes several rows takes them in this order: job, generations, account. Otherwise two could wait for each other (PostgreSQL).


def start(conn: Connection, job_id: str, n: int, now: int, *, model: str | None = None, queued: bool = True) -> bool:
    """Mark a waiting generation as being sent, to a queue or in a call that answers with the image; from here on it may have arrived.

    False where it no longer waits for this: it was sent meanwhile and put back with a pause, or given to another `model`.
    """
    guards = [generations.c.not_before <= now, *([] if model is None else [generations.c.model == model])]
    if not _step(conn, job_id, n, GenerationState.SUBMITTING, *guards, submitted_at=now, queued=queued, lookups=0, not_before=0):
        return False
    if conn.scalar(select(generations.c.lane).where(_is(job_id, n))) == Lane.FREE:
        announce(conn, Topic.QUEUE)  # the slow lane sends one at a time: the next may be chosen
    return True


def accept(conn: Connection, job_id: str, n: int, provider_id: str) -> bool:
    """The image API has it under `provider_id`. False where another generation claimed that id, or this one has ended."""
    try:
        with conn.begin_nested():
            accepted = _step(conn, job_id, n, GenerationState.RUNNING, provider_id=provider_id, not_before=0)
    except IntegrityError:
        return False
    if accepted:
        announce(conn, Topic.RUNNING)
    return accepted


def put_back(conn: Connection, job_id: str, n: int, *, not_before: int, now: int) -> bool:
    """The image API certainly does not have it: it waits again, or ends where it was cancelled. False where it was not being sent."""
    _lock(conn, job_id)
    if not _step(conn, job_id, n, GenerationState.WAITING, submitted_at=None, not_before=not_before):
        return False
    announce(conn, Topic.QUEUE)
    if conn.scalar(select(generations.c.cancel_requested).where(_is(job_id, n))):
        settle(conn, job_id, n, Outcome(state=GenerationState.CANCELLED), now)
    return True


def try_once_more(conn: Connection, job_id: str, n: int, *, now: int) -> bool:
    """Its answer was lost and nothing can be looked up: send it again, as the operator's rule says, and remember that."""
    _lock(conn, job_id)
    counted = and_(_is(job_id, n), generations.c.state == GenerationState.SUBMITTING)
    conn.execute(update(generations).where(counted).values(uncertain=generations.c.uncertain + 1))
    return put_back(conn, job_id, n, not_before=now, now=now)


def reroute(conn: Connection, job_id: str, n: int, *, other: Fallback) -> bool:
    """Another model is to make it, at the price that is held. False where it waits no more."""
    waits = and_(_is(job_id, n), generations.c.state == GenerationState.WAITING)
    values = {**vars(other), "params": dict(other.params), "not_before": 0}
    if conn.execute(update(generations).where(waits).values(**values)).rowcount != 1:
        return False
    announce(conn, Topic.QUEUE)
    return True


def look_later(conn: Connection, job_id: str, n: int, *, lookups: int, not_before: int) -> None:
    """It was looked for `lookups` times; look again at `not_before` (Unix ms)."""
    lost = and_(_is(job_id, n), generations.c.state == GenerationState.SUBMITTING)
    if conn.execute(update(generations).where(lost).values(lookups=lookups, not_before=not_before)).rowcount:
        announce(conn, Topic.QUEUE)


def settle(conn: Connection, job_id: str, n: int, outcome: Outcome, now: int) -> bool:
    """Write how a generation ended and settle or release its hold. False, and nothing done, where it had ended before."""
    _lock(conn, job_id)  # the last two of a job may end at the same moment: the second one sees the first
    values = {"ended_at": now, "result_url": outcome.result_url, "failure": outcome.failure, "error": outcome.error}
    if not _step(conn, job_id, n, outcome.state, **values):
        return False
    row = conn.execute(select(generations.c.account, generations.c.budget, generations.c.price).where(_is(job_id, n))).one()
    end = ledger.settle if outcome.state is GenerationState.SUCCEEDED else ledger.release
    end(conn, accounts=filter(None, (row.account, row.budget)), job_id=job_id, n=n, amount=row.price, now=now)
    if outcome.content is not None:
        conn.execute(insert(images).values(job_id=job_id, n=n, content=outcome.content))
    announce(conn, Topic.QUEUE)
    _close_if_ended(conn, job_id, now)
    return True


def spoil(conn: Connection, job_id: str, n: int, error: str, now: int, *, failure: Failure = Failure.UNUSABLE) -> bool:
    """A settled image proved unusable, or may not be shown (`Failure.CONTENT`): give the price back, once.

    False where it went back before, or there is no such image.
    """
    made = and_(_is(job_id, n), generations.c.state == GenerationState.SUCCEEDED)
    conn.execute(update(generations).where(made).values(failure=failure, error=error))
    return refund(conn, job_id, n, now)


def refund(conn: Connection, job_id: str, n: int, now: int, *, by_id: int | None = None, note: str | None = None) -> bool:
    """Give the price of a made image back to whoever paid, once. False where that was done before, or there is no such image.

    A server's budget gets nothing back: the image API was paid all the same.
    """
    paid = and_(_is(job_id, n), generations.c.state == GenerationState.SUCCEEDED, generations.c.refunded_at.is_(None))
    row = conn.execute(select(generations.c.account, generations.c.price).where(paid).with_for_update()).one_or_none()
    if row is None:
        return False
    conn.execute(update(generations).where(paid).values(refunded_at=now))
    return ledger.refund(conn, account=row.account, job_id=job_id, n=n, amount=row.price, now=now, by_id=by_id, note=note)


def refresh_url(conn: Connection, job_id: str, n: int, url: str) -> None:
    """A fresh link to the same result."""
    conn.execute(update(generations).where(_is(job_id, n)).values(result_url=url))


def request_cancel(conn: Connection, job_id: str, now: int) -> Job | None:
    """Cancel what waits, at once; mark what the image API may have, to be taken back there."""
    _lock(conn, job_id)
    job = get(conn, job_id)
    if job is None or job.state is not JobState.OPEN:
        return job
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_requested_at=now))
    # Marked first and read afterwards: the mark locks each, so that none is sent between the reading and its end.
    conn.execute(update(generations).where(generations.c.job_id == job_id).values(cancel_requested=True))
    for waiting in read_generations(conn, and_(generations.c.job_id == job_id, generations.c.state == GenerationState.WAITING)):
        settle(conn, job_id, waiting.n, Outcome(state=GenerationState.CANCELLED), now)
    cancelled = get(conn, job_id)
    if cancelled is not None and any(g.state is GenerationState.RUNNING for g in cancelled.open):
        announce(conn, Topic.RUNNING)
    return cancelled


# --- reading ---------------------------------------------------------------------------------------------------------


def get(conn: Connection, job_id: str) -> Job | None:
    """One job with its generations."""
    return next(iter(read_jobs(conn, jobs.c.id == job_id)), None)


def of_member(conn: Connection, user_id: int, *, state: JobState, limit: int = 25) -> list[Job]:
    """A member's jobs in one state, newest first."""
    return read_jobs(conn, and_(jobs.c.user_id == user_id, jobs.c.state == state), newest=True, limit=limit)


def in_state(conn: Connection, state: JobState) -> list[Job]:
    """Every job in one state, oldest first."""
    return read_jobs(conn, jobs.c.state == state)


def queue(conn: Connection, now: int, *, limit: int = 500) -> Queue:
    """The waiting generations that may be sent now, and who has how many under way."""
    due = and_(generations.c.state == GenerationState.WAITING, generations.c.not_before <= now)
    unchecked = select(jobs.c.id).where(jobs.c.state == JobState.OPEN, jobs.c.needs_check)
    checked = and_(due, generations.c.job_id.not_in(unchecked))
    # Each lane for itself: however many wait in the slow one, what is paid is seen.
    paid, free = (read_generations(conn, and_(checked, generations.c.lane == lane), limit=limit) for lane in (Lane.PAID, Lane.FREE))
    to_check = conn.scalars(
        select(jobs.c.id)
        .where(jobs.c.id.in_(unchecked), jobs.c.id.in_(select(generations.c.job_id).where(due)))
        .order_by(jobs.c.created_at)
        .limit(limit)
    )
    active = generations.c.state.in_(_ACTIVE)
    by_user = conn.execute(select(generations.c.user_id, func.count()).where(active).group_by(generations.c.user_id))
    by_provider = conn.execute(select(generations.c.provider, func.count()).where(active).group_by(generations.c.provider))
    by_server = conn.execute(select(generations.c.guild_id, func.count()).where(active).group_by(generations.c.guild_id))
    return Queue(
        waiting=(*paid, *free),
        past_use=usage.images_since(conn, {g.user_id for g in free}, now - PAST_USE_MS) if free else {},
        running_by_user=dict(by_user.all()),
        running_by_guild=dict(by_server.all()),
        running_by_provider=dict(by_provider.all()),
        unchecked=tuple(to_check),
    )


def under_way(conn: Connection, state: GenerationState, *, provider: str | None = None) -> list[Generation]:
    """The generations in one state, of one image API where it is named, oldest first."""
    there = [] if provider is None else [generations.c.provider == provider]
    return read_generations(conn, and_(generations.c.state == state, *there))


def generation(conn: Connection, job_id: str, n: int) -> Generation | None:
    """One generation as it is now."""
    return next(iter(read_generations(conn, _is(job_id, n))), None)


def by_provider_id(conn: Connection, provider: str, provider_id: str) -> Generation | None:
    """The generation that this image API knows by this id."""
    return next(iter(read_generations(conn, and_(generations.c.provider == provider, generations.c.provider_id == provider_id))), None)


def claimed(conn: Connection, provider: str, provider_ids: Collection[str]) -> set[str]:
    """Which of these ids of one image API belong to a generation already."""
    there = and_(generations.c.provider == provider, generations.c.provider_id.in_(provider_ids))
    return set(conn.scalars(select(generations.c.provider_id).where(there)))


def references_of(conn: Connection, job_id: str) -> list[Reference]:
    """A job's reference images, in order; empty once they are no longer kept."""
    columns = [column for column in references.c if column.name not in ("job_id", "n")]
    rows = conn.execute(select(*columns).where(references.c.job_id == job_id).order_by(references.c.n))
    return [Reference(**row) for row in rows.mappings()]


def reference_count(conn: Connection, job_id: str) -> int:
    """How many reference images a job has, without reading them."""
    return conn.scalar(select(func.count()).where(references.c.job_id == job_id)) or 0


def image_of(conn: Connection, job_id: str, n: int) -> bytes | None:
    """A result that the image API handed over inline."""
    return conn.scalar(select(images.c.content).where(images.c.job_id == job_id, images.c.n == n))


def count_waiting(conn: Connection, user_id: int) -> int:
    """How many images of a member wait in the queue."""
    those = and_(generations.c.user_id == user_id, generations.c.state == GenerationState.WAITING)
    return conn.scalar(select(func.count()).where(those)) or 0


def position(conn: Connection, job: Job) -> int:
    """How many generations of others stand before this job's first waiting one; 0 where none waits."""
    first = next((g for g in job.generations if g.state is GenerationState.WAITING), None)
    if first is None:
        return 0
    older = and_(generations.c.lane == first.lane, generations.c.created_at < first.created_at)
    before = older if first.lane is Lane.PAID else or_(older, generations.c.lane == Lane.PAID)
    ahead = and_(generations.c.state == GenerationState.WAITING, generations.c.job_id != job.id, before)
    return conn.scalar(select(func.count()).where(ahead)) or 0


def usual_ms(conn: Connection, model: str, *, over: int = 20) -> int | None:
    """The median time from sending to the end of this model's latest images."""
    took = generations.c.ended_at - generations.c.submitted_at
    done = and_(generations.c.model == model, generations.c.state == GenerationState.SUCCEEDED, generations.c.submitted_at.is_not(None))
    times = conn.scalars(select(took).where(done).order_by(generations.c.ended_at.desc()).limit(over)).all()
    return int(median(times)) if times else None


# --- parts -----------------------------------------------------------------------------------------------------------


def _is(job_id: str, n: int) -> ColumnElement[bool]:
    return and_(generations.c.job_id == job_id, generations.c.n == n)


def _step(conn: Connection, job_id: str, n: int, then: GenerationState, *guards: ColumnElement[bool], **values: Any) -> bool:
    """One legal transition, guarded in the statement itself."""
    guarded = and_(_is(job_id, n), generations.c.state.in_(sources(then)), *guards)
    return conn.execute(update(generations).where(guarded).values(state=then, **values)).rowcount == 1


def _lock(conn: Connection, job_id: str) -> None:
    """Until the transaction ends, nobody else changes this job's state (PostgreSQL; SQLite has one writer)."""
    conn.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())


def _close_if_ended(conn: Connection, job_id: str, now: int) -> None:
    states = conn.scalars(select(generations.c.state).where(generations.c.job_id == job_id))
    if job_state(GenerationState(state) for state in states) is JobState.DELIVERABLE:
        where = and_(jobs.c.id == job_id, jobs.c.state == JobState.OPEN)
        answer_until = conn.scalar(update(jobs).where(where).values(state=JobState.DELIVERABLE).returning(jobs.c.answer_until))
        if answer_until is not None:
            outbox.deliver(conn, job_id, due_at=max(now, answer_until))  # nothing may be shown before the first answer has come
