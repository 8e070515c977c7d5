"""The steps of a generation, from its submission to its end. Each is one transaction that changes state and money together.

Rows are locked in this order: job, generations, account. Any other order can deadlock (PostgreSQL).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Update, and_, bindparam, exists, insert, null, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from bot.domain.job import (
    ENDED,
    Failure,
    Generation,
    GenerationState,
    Job,
    JobState,
    Lane,
    Outcome,
    sources,
)
from bot.domain.money.payment import charged
from bot.domain.queueing.first_read import FirstRead
from bot.store import outbox, usage
from bot.store.cluster import provider_states
from bot.store.engine.base import Topic, announce, process_of
from bot.store.engine.statements import Prepared
from bot.store.money import ledger
from bot.store.rows import GENERATION, generation_of, jobs_by_id, read_generations
from bot.store.tables import generations, images, jobs, references
from bot.store.tables.work import RUNNING

_IS = and_(generations.c.job_id == bindparam("of_job"), generations.c.n == bindparam("of_n"))
_CHARGED = ("account", "budget", "operator", "price", "cost")


def _to(then: GenerationState, *conditions: ColumnElement[bool], **values: Any) -> Update:
    """An allowed transition of one generation, checked in the UPDATE itself."""
    allowed = or_(*(generations.c.state == state for state in sources(then)))
    return update(generations).where(_IS, allowed, *conditions).values(state=then, **values)


_START = Prepared(
    _to(
        GenerationState.SUBMITTING,
        generations.c.not_before <= bindparam("now"),
        submitted_at=bindparam("now"),
        queued=bindparam("in_queue"),
        lookups=0,
        not_before=bindparam("now"),
        owner=bindparam("by", type_=BigInteger),
    ).returning(*GENERATION)
)
_ACCEPT = Prepared(
    _to(GenerationState.RUNNING, provider_id=bindparam("id"), not_before=bindparam("read_at"), owner=null()).returning(generations.c.lane)
)
_PUT_BACK = Prepared(
    _to(
        GenerationState.WAITING,
        generations.c.state == GenerationState.SUBMITTING,
        submitted_at=null(),
        not_before=bindparam("at"),
        owner=null(),
    )
)
_SETTLE = {
    then: Prepared(
        _to(
            then,
            ended_at=bindparam("now"),
            result_url=bindparam("link"),
            failure=bindparam("why"),
            error=bindparam("sentence"),
            owner=null(),
        ).returning(*(generations.c[name] for name in (*_CHARGED, *usage.COUNTED)))
    )
    for then in ENDED
}
_CLOSE = Prepared(
    update(jobs)
    .where(
        jobs.c.id == bindparam("of_job"),
        jobs.c.state == JobState.OPEN,
        ~exists().where(generations.c.job_id == jobs.c.id, *(generations.c.state != state for state in ENDED)),
    )
    .values(state=JobState.DELIVERABLE)
    .returning(jobs.c.answer_until)
)
_LOCK = Prepared(select(jobs.c.id).where(jobs.c.id == bindparam("of_job")).with_for_update())
_READ_NOW = Prepared(update(generations).where(_IS, text(RUNNING)).values(not_before=bindparam("now")))
_BY_PROVIDER_ID = Prepared(
    select(generations.c.job_id, generations.c.n, generations.c.state).where(
        generations.c.provider_id == bindparam("id"), generations.c.provider == bindparam("at")
    )
)


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """The model that replaces another, with the options of the request that it supports."""

    model: str
    api_model: str
    provider: str
    seed: int | None
    params: Mapping[str, Any]


def start(conn: Connection, job_id: str, n: int, now: int, *, queued: bool = True) -> Generation | None:
    """Mark a waiting generation as being submitted by this process, to a queue (`queued`) or in a call that returns the image.

    From here on the provider may have it. It is lost if this process says so or is gone. None if it is not waiting, or postponed.
    """
    row = _START.one_or_none(conn, {"of_job": job_id, "of_n": n, "now": now, "in_queue": queued, "by": process_of(conn)})
    return None if row is None else generation_of(row)


def accept(conn: Connection, job_id: str, n: int, provider_id: str, *, read: FirstRead | None = None) -> bool:
    """The image API accepted a generation as `provider_id`. `read`: when to read it if nothing is heard of it (None: at once).

    False if another generation has that id, or this one has ended.
    """
    read_at = 0 if read is None else read.at(provider_states.stream_since(conn, read.provider) if read.provider else None)
    try:
        with conn.begin_nested() if conn.dialect.name == "postgresql" else nullcontext():
            row = _ACCEPT.one_or_none(conn, {"of_job": job_id, "of_n": n, "id": provider_id, "read_at": read_at})
    except IntegrityError:
        return False
    if row is not None:
        announce(conn, Topic.RUNNING)
        if row["lane"] == Lane.FREE:
            announce(conn, Topic.QUEUE)  # the slow lane submits one at a time
    return row is not None


def put_back(conn: Connection, job_id: str, n: int, *, not_before: int, now: int) -> bool:
    """The image API certainly does not have it: it waits again, or ends if it was cancelled. False if it was not being submitted."""
    _lock(conn, job_id)
    if not _PUT_BACK.run(conn, {"of_job": job_id, "of_n": n, "at": not_before}):
        return False
    announce(conn, Topic.QUEUE)
    if conn.scalar(select(generations.c.cancel_requested).where(_is(job_id, n))):
        settle(conn, job_id, n, Outcome(state=GenerationState.CANCELLED), now)
    return True


def put_back_uncertain(conn: Connection, job_id: str, n: int, *, now: int) -> bool:
    """The answer to a submission was lost and no lookup is possible: submit it again, and count that. It may be paid for twice."""
    _lock(conn, job_id)
    counted = and_(_is(job_id, n), generations.c.state == GenerationState.SUBMITTING)
    conn.execute(update(generations).where(counted).values(uncertain=generations.c.uncertain + 1))
    return put_back(conn, job_id, n, not_before=now, now=now)


def send_inline(conn: Connection, job_id: str, n: int, *, now: int) -> bool:
    """The image API could not read a link to a reference image: the generation waits again, to be sent with the images themselves.

    False if that was done before or the job has no links; a link that is not used any more expires at once.
    """
    _lock(conn, job_id)
    sent_at = conn.scalar(select(generations.c.submitted_at).where(_is(job_id, n)))
    of_job = references.c.job_id == job_id
    linked = and_(of_job, or_(references.c.url.is_not(None), references.c.url_expires_at > (sent_at or now)))
    if not conn.scalar(select(exists().where(linked))):
        return False
    again = _to(GenerationState.WAITING, submitted_at=null(), provider_id=null(), not_before=now, owner=null())
    if conn.execute(again, {"of_job": job_id, "of_n": n}).rowcount != 1:
        return False
    conn.execute(update(references).where(of_job, references.c.url.is_not(None)).values(url=None, url_expires_at=now))
    announce(conn, Topic.QUEUE)
    if conn.scalar(select(generations.c.cancel_requested).where(_is(job_id, n))):
        settle(conn, job_id, n, Outcome(state=GenerationState.CANCELLED), now)
    return True


def reroute(conn: Connection, job_id: str, n: int, *, other: Fallback) -> bool:
    """Let another model make a generation, at the price that is held. False if it is not waiting."""
    waits = and_(_is(job_id, n), generations.c.state == GenerationState.WAITING)
    values = {**vars(other), "params": dict(other.params), "not_before": 0}
    if conn.execute(update(generations).where(waits).values(**values)).rowcount != 1:
        return False
    announce(conn, Topic.QUEUE)
    return True


def postpone_lookup(conn: Connection, job_id: str, n: int, *, lookups: int, not_before: int) -> None:
    """Record `lookups` failed lookups of a lost answer; the next one is at `not_before` (Unix ms), by any process."""
    lost = and_(_is(job_id, n), generations.c.state == GenerationState.SUBMITTING)
    if conn.execute(update(generations).where(lost).values(lookups=lookups, not_before=not_before, owner=None)).rowcount:
        announce(conn, Topic.LOST)


def settle(conn: Connection, job_id: str, n: int, outcome: Outcome, now: int) -> bool:
    """Record how a generation ended, and settle or release its hold. False, without a change, if it had ended before."""
    _lock(conn, job_id)  # the last two of a job may end simultaneously: the second transaction must see the first
    values = {"now": now, "link": outcome.result_url, "why": outcome.failure, "sentence": outcome.error}
    row = _SETTLE[outcome.state].one_or_none(conn, {"of_job": job_id, "of_n": n, **values})
    if row is None:
        return False
    end = ledger.settle if outcome.state is GenerationState.SUCCEEDED else ledger.release
    end(conn, charged(**{name: row[name] for name in _CHARGED}), job_id=job_id, n=n, now=now)
    usage.add_ended(conn, outcome.state, row)
    if outcome.content is not None:
        conn.execute(insert(images).values(job_id=job_id, n=n, content=outcome.content))
    announce(conn, Topic.QUEUE)
    for (answer_until,) in _CLOSE.rows(conn, {"of_job": job_id}):  # none if another generation is open
        outbox.deliver(conn, job_id, due_at=max(now, answer_until))  # the result must not be delivered before the first answer
    return True


def settle_waiting(conn: Connection, job_id: str, n: int, outcome: Outcome, now: int) -> bool:
    """As `settle`, if it still waits: another process may be sending it by now."""
    _lock(conn, job_id)
    waits = and_(_is(job_id, n), generations.c.state == GenerationState.WAITING)
    if conn.scalar(select(generations.c.n).where(waits).with_for_update()) is None:
        return False
    return settle(conn, job_id, n, outcome, now)


def reported(conn: Connection, provider: str, provider_id: str, outcome: Outcome | None, now: int) -> bool:
    """The image API reported this end; without an `outcome` the generation is to be read now. False if no generation has this id."""
    for job_id, n, state in _BY_PROVIDER_ID.rows(conn, {"at": provider, "id": provider_id}):
        if state == GenerationState.RUNNING and outcome is not None:
            settle(conn, job_id, n, outcome, now)
        elif state == GenerationState.RUNNING:
            read_now(conn, [(job_id, n)], now)
        return True
    return False


def read_now(conn: Connection, keys: Iterable[tuple[str, int]], now: int) -> None:
    """These running generations must be read now."""
    for job_id, n in keys:
        _READ_NOW.run(conn, {"of_job": job_id, "of_n": n, "now": now})
        announce(conn, Topic.RUNNING)


def read_ended(conn: Connection, provider: str, active: Collection[str] | None, now: int, *, later: int) -> None:
    """Read the running generations of this image API now, and those that are `active` there (None: not known) not before `later`."""
    here = and_(generations.c.provider == provider, text(RUNNING))
    ids = conn.scalars(select(generations.c.provider_id).where(here))
    goes_on = generations.c.provider_id.in_([each for each in ids if active is not None and each in active])
    conn.execute(update(generations).where(here, ~goes_on).values(not_before=now))
    conn.execute(update(generations).where(here, goes_on, generations.c.not_before < later).values(not_before=later))
    announce(conn, Topic.RUNNING)


def read_running_at(conn: Connection, provider: str, at: int) -> None:
    """Read the running generations of this image API at `at` (Unix ms) if they were due later: its event stream was lost."""
    later = and_(generations.c.provider == provider, text(RUNNING), generations.c.not_before > at)
    conn.execute(update(generations).where(later).values(not_before=at))
    announce(conn, Topic.RUNNING)


def spoil(conn: Connection, job_id: str, n: int, error: str, now: int, *, failure: Failure = Failure.UNUSABLE) -> bool:
    """Refund a settled image that is unusable or may not be shown (`Failure.CONTENT`), once.

    False if it was refunded before or there is no such image.
    """
    made = and_(_is(job_id, n), generations.c.state == GenerationState.SUCCEEDED)
    conn.execute(update(generations).where(made).values(failure=failure, error=error))
    return refund(conn, job_id, n, now)


def refund(conn: Connection, job_id: str, n: int, now: int, *, by_id: int | None = None, note: str | None = None) -> bool:
    """Refund the price of a finished image to the account that paid. False if it was refunded before or there is no such image.

    Budget and limit count on, because the image API was paid.
    """
    paid = and_(_is(job_id, n), generations.c.state == GenerationState.SUCCEEDED, generations.c.refunded_at.is_(None))
    known = [generations.c[name] for name in ("account", "price", *usage.COUNTED)]
    found = conn.execute(select(*known).where(paid).with_for_update()).mappings().one_or_none()
    if found is None:
        return False
    row = dict(found)
    conn.execute(update(generations).where(paid).values(refunded_at=now))
    usage.add(conn, row, refunded=row["price"])
    return ledger.refund(conn, account=row["account"], job_id=job_id, n=n, amount=row["price"], now=now, by_id=by_id, note=note)


def refresh_url(conn: Connection, job_id: str, n: int, url: str) -> None:
    """Store a new link to the same result."""
    conn.execute(update(generations).where(_is(job_id, n)).values(result_url=url))


def request_cancel(conn: Connection, job_id: str, now: int) -> Job | None:
    """Cancel a job's waiting generations, and mark the others to be cancelled at the image API. Returns the job, or None if unknown."""
    _lock(conn, job_id)
    job = next(iter(jobs_by_id(conn, [job_id])), None)
    if job is None or job.state is not JobState.OPEN:
        return job
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_requested_at=now))
    # Mark before reading: the update locks the rows, so none is submitted in between.
    conn.execute(update(generations).where(generations.c.job_id == job_id).values(cancel_requested=True))
    for waiting in read_generations(conn, and_(generations.c.job_id == job_id, generations.c.state == GenerationState.WAITING)):
        settle(conn, job_id, waiting.n, Outcome(state=GenerationState.CANCELLED), now)
    cancelled = next(iter(jobs_by_id(conn, [job_id])), None)
    running = [(job_id, g.n) for g in cancelled.open if g.state is GenerationState.RUNNING] if cancelled is not None else []
    if running:
        read_now(conn, running, now)  # cancels it at the image API first
    return cancelled


# --- parts -----------------------------------------------------------------------------------------------------------


def _is(job_id: str, n: int) -> ColumnElement[bool]:
    return and_(generations.c.job_id == job_id, generations.c.n == n)


def _lock(conn: Connection, job_id: str) -> None:
    """Lock a job until the transaction ends. SQLite has only one writer."""
    if conn.dialect.name == "postgresql":
        _LOCK.rows(conn, {"of_job": job_id})
