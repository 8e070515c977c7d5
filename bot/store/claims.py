"""Claims: the work that a worker does next. Each operation is one transaction.

A claim marks what it returns, so that no other claim returns it, or leaves out what its caller has in progress. It reads an index of what
is due, never everything that is open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, and_, bindparam, case, exists, func, literal, or_, select, text, update
from sqlalchemy.sql.expression import BindParameter

from bot.domain.catalog.shapes.edit_shape import SourceShape
from bot.domain.job import Generation, GenerationState, JobState, Lane, ReferenceRole
from bot.domain.money.quota import DAY_MS
from bot.domain.queueing.rate import Rate
from bot.domain.scheduling import Candidate, Caps, Queue, choose
from bot.store import steps, usage
from bot.store.cluster.rates import ApiTurns
from bot.store.engine.base import process_of
from bot.store.engine.statements import Prepared
from bot.store.rows import GENERATION, generation_of, read_generations, shape_of
from bot.store.tables import generations, jobs, ledger, outbox, provider_states, references
from bot.store.tables.work import ACTIVE, RUNNING, UNCHECKED, WAITING

PAST_USE_MS = 30 * DAY_MS  # the slow lane orders members by their use in this period
_STUCK = 200  # handled at a time
LONGEST_MS = 3_660_000  # no pause that is set is longer, apart from an image API's own, which asking once more does not hurt
_TOKEN_MS = 900_000  # how long an interaction's token lives
_LATEST = 100  # ledger lines
_CANDIDATES = 500  # the oldest due ones of each lane, among which the fairest are chosen

_BY_AGE = (generations.c.created_at, generations.c.job_id, generations.c.n)
_UNCHECKED_JOBS = select(jobs.c.id).where(text(UNCHECKED))
_NOW: BindParameter[int] = bindparam("now")
_SUBMITTING = and_(text(ACTIVE), generations.c.state == GenerationState.SUBMITTING)
# Built once, because building a statement takes longer than running it. Text in conditions names the partial indexes.
_WAITING = (
    select(*(generations.c[name] for name in Candidate._fields))
    .where(
        text(WAITING),
        generations.c.lane == bindparam("lane"),
        generations.c.not_before <= _NOW,
        generations.c.job_id.not_in(_UNCHECKED_JOBS),
    )
    .order_by(*_BY_AGE)
    .limit(bindparam("most"))
)
_DUE, _DUE_LOCKED = Prepared(_WAITING), Prepared(_WAITING.with_for_update(skip_locked=True))
_IN_PROGRESS = Prepared(
    select(generations.c.user_id, generations.c.guild_id, generations.c.provider, generations.c.lane, generations.c.state).where(
        text(ACTIVE)
    )
)
_WITH_REFERENCES = select(references.c.job_id).where(references.c.job_id.in_(bindparam("job_ids", expanding=True))).distinct()
_ROLES = select(references.c.job_id, references.c.role).where(references.c.job_id.in_(bindparam("job_ids", expanding=True)))
_DUE_CHECKS = (
    select(jobs.c.id)
    .where(
        text(UNCHECKED),
        jobs.c.owner.is_not_distinct_from(bindparam("by", type_=BigInteger)),
        exists().where(generations.c.job_id == jobs.c.id, generations.c.state == GenerationState.WAITING, generations.c.not_before <= _NOW),
    )
    .order_by(jobs.c.created_at)
    .limit(bindparam("most"))
)
_LOST = (
    select(generations.c.job_id, generations.c.n)
    .where(_SUBMITTING, generations.c.owner.is_(None), generations.c.not_before <= _NOW)
    .order_by(*_BY_AGE)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("lost")
)
_FIND = Prepared(
    update(generations)
    .where(generations.c.job_id == _LOST.c.job_id, generations.c.n == _LOST.c.n)
    .values(owner=bindparam("by", type_=BigInteger))
    .returning(*GENERATION)
)
_DUE_READS = (
    select(generations.c.job_id, generations.c.n)
    .where(text(RUNNING), generations.c.provider == bindparam("at"), generations.c.not_before <= _NOW)
    .order_by(generations.c.not_before)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_READ = Prepared(
    update(generations)
    .where(generations.c.job_id == _DUE_READS.c.job_id, generations.c.n == _DUE_READS.c.n)
    .values(
        not_before=case(
            (
                and_(generations.c.submitted_at < bindparam("new_since", type_=BigInteger), ~generations.c.cancel_requested),
                bindparam("later", type_=BigInteger),
            ),
            else_=bindparam("soon", type_=BigInteger),
        )
    )
    .returning(*GENERATION)
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """How much an image API takes now."""

    max_running: int
    rate: Rate  # of submissions
    queued: bool  # it is submitted to a queue; else in a call that returns the image


@dataclass(frozen=True, kw_only=True)
class ToSubmit:
    """A generation that is marked as being submitted."""

    generation: Generation
    has_references: bool


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """A generation that waits for an image API that is away, with what a fallback model has to take."""

    generation: Generation
    references: int  # without the mask
    has_mask: bool = False
    source_shape: SourceShape | None = None  # as its job's


def to_submit(conn: Connection, now: int, *, free: int, caps: Caps, places: Mapping[str, Place]) -> tuple[list[ToSubmit], int | None]:
    """Mark at most `free` waiting generations as being submitted, in fair order. `places`: the image APIs that are available.

    Also returns in how many ms a rate that is used up allows the next one; None if none is.
    """
    queue = queue_of(conn, now, lock=True)
    if not queue.waiting:
        return [], None
    turns = ApiTurns(conn, {name: place.rate for name, place in places.items()}, now)
    running = queue.running_by_provider
    provider_caps = {name: min(place.max_running, running.get(name, 0) + turns.of(name)) for name, place in places.items()}
    chosen = choose(queue, caps, provider_caps, most=free)
    started = [steps.start(conn, each.job_id, each.n, now, queued=places[each.provider].queued) for each in chosen]
    marked = [generation for generation in started if generation is not None]
    wait_ms = turns.use(Counter(generation.provider for generation in marked))
    with_references = set(conn.scalars(_WITH_REFERENCES, {"job_ids": list({g.job_id for g in marked})})) if marked else set()
    return [ToSubmit(generation=generation, has_references=generation.job_id in with_references) for generation in marked], wait_ms


def queue_of(conn: Connection, now: int, *, most: int = _CANDIDATES, lock: bool = False) -> Queue:
    """The generations that may be submitted at `now`, at most `most` of each lane, and how many are in progress."""
    query = _DUE_LOCKED if lock else _DUE
    # A limit for each lane, so that a long slow lane does not hide paid generations.
    paid, free = ([Candidate(*row) for row in query.rows(conn, {"lane": lane, "now": now, "most": most})] for lane in Lane)
    if not (paid or free):
        return Queue(waiting=(), running_by_user={}, running_by_guild={}, running_by_provider={})
    active = _IN_PROGRESS.mappings(conn, {})
    return Queue(
        waiting=tuple(each._replace(lane=Lane(each.lane)) for each in (*paid, *free)),
        past_use=usage.images_since(conn, {each.user_id for each in free}, now - PAST_USE_MS) if free else {},
        running_by_user=Counter(row["user_id"] for row in active),
        running_by_guild=Counter(row["guild_id"] for row in active),
        running_by_provider=Counter(row["provider"] for row in active),
        slow_turns=frozenset(row["provider"] for row in active if row["lane"] == Lane.FREE and row["state"] == GenerationState.SUBMITTING),
    )


def lost(conn: Connection, now: int, *, free: int) -> list[Generation]:
    """Claim at most `free` generations whose submission may or may not have arrived and must be looked up."""
    claimed = _FIND.mappings(conn, {"now": now, "most": free, "by": process_of(conn)})
    return [generation_of(row) for row in claimed]


def to_check(conn: Connection, now: int, *, owner: int | None, free: int, active: Collection[Hashable]) -> list[str]:
    """At most `free` of the owner's jobs whose prompt must be checked, oldest first, without the `active` ones."""
    due = conn.scalars(_DUE_CHECKS, {"now": now, "most": free + len(active), "by": owner})
    return [job_id for job_id in due if job_id not in active][:free]


def to_read(conn: Connection, provider: str, now: int, *, free: int, new_since: int, soon: int, later: int) -> list[Generation]:
    """At most `free` running generations of this image API that must be read, the longest due first.

    Each is due again at `soon`, or at `later` if it was submitted before `new_since` (all Unix ms).
    """
    due = {"at": provider, "now": now, "most": free}
    return [generation_of(row) for row in _READ.mappings(conn, {**due, "new_since": new_since, "soon": soon, "later": later})]


def stuck(conn: Connection, away: Collection[str], *, routes: Collection[str], before: int) -> list[Stuck]:
    """Waiting generations of image APIs that are `away`: those with a fallback model in `routes`, or ordered `before` (Unix ms)."""
    late_or_routed = or_(generations.c.created_at < before, generations.c.model.in_(routes))
    found = read_generations(conn, and_(text(WAITING), generations.c.provider.in_(away), late_or_routed), limit=_STUCK)
    job_ids = {each.job_id for each in found}
    counts = Counter((row.job_id, row.role) for row in conn.execute(_ROLES, {"job_ids": list(job_ids)}))
    shaped = conn.execute(select(jobs.c.id, jobs.c.source_shape).where(jobs.c.id.in_(job_ids), jobs.c.source_shape.is_not(None)))
    shapes = {row.id: shape_of(row.source_shape) for row in shaped}
    return [
        Stuck(
            generation=each,
            references=counts[each.job_id, ReferenceRole.REFERENCE],
            has_mask=bool(counts[each.job_id, ReferenceRole.MASK]),
            source_shape=shapes.get(each.job_id),
        )
        for each in found
    ]


def of_others(conn: Connection, providers: Collection[str]) -> list[Generation]:
    """The open generations of all image APIs but these."""
    return read_generations(conn, and_(or_(text(WAITING), text(ACTIVE)), generations.c.provider.not_in(providers)))


# --- after a clock that was ahead -------------------------------------------------------------------------------------


def behind_ms(conn: Connection, now: int) -> int:
    """How far `now` (Unix ms) is behind the newest booking; 0 if it is not."""
    latest = select(ledger.c.at).order_by(ledger.c.id.desc()).limit(_LATEST).subquery()
    return max(0, (conn.scalar(select(func.max(latest.c.at))) or 0) - now)


def pull_in(conn: Connection, now: int) -> None:
    """At a start: what is due later than any pause lasts is due now, and no open work is of a time after `now` (Unix ms).

    Balances keep their `as_of`: what was refilled by the clock that was ahead is not refilled again.
    """
    open_ = or_(text(WAITING), text(ACTIVE))
    _set(conn, generations, generations.c.not_before, open_, above=now + LONGEST_MS, to=now)
    _set(conn, generations, generations.c.created_at, open_, above=now, to=now)
    # What may have arrived is searched for since a time that is certainly before it was sent: it must not be missed and sent again.
    sent_at = case((generations.c.state == GenerationState.SUBMITTING, _literal(now - DAY_MS)), else_=_literal(now))
    _set(conn, generations, generations.c.submitted_at, open_, above=now, to=sent_at)
    unfinished = jobs.c.state.in_([JobState.OPEN, JobState.DELIVERABLE, JobState.STRANDED])
    _set(conn, jobs, jobs.c.created_at, unfinished, above=now, to=now)
    _set(conn, jobs, jobs.c.cancel_requested_at, unfinished, above=now, to=now)
    _set(conn, jobs, jobs.c.token_expires_at, unfinished, above=now + _TOKEN_MS, to=now + _TOKEN_MS)
    _set(conn, jobs, jobs.c.posting_since, unfinished, above=now, to=now - DAY_MS)  # the same for a message
    _set(conn, outbox, outbox.c.due_at, above=now + LONGEST_MS, to=now)
    _set(conn, provider_states, provider_states.c.retry_not_before, above=now + LONGEST_MS, to=now)
    for since in (provider_states.c.failing_since, provider_states.c.away_since):
        _set(conn, provider_states, since, above=now, to=now)


def _set(
    conn: Connection, table: Table, column: ColumnElement[int], *where: ColumnElement[bool], above: int, to: int | ColumnElement[int]
) -> None:
    conn.execute(update(table).where(*where, column > above).values({column: to}))


def _literal(at: int) -> ColumnElement[int]:
    return literal(at, BigInteger)
