"""The processes that work on one database, and what each of them has claimed.

A process's id is the owner of its claims, and its fencing token: the id is never given again, and the store writes nothing for a process
whose row is gone. One lease covers all that it claimed. Times of leases are by the database's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, cast, delete, func, insert, or_, select, text, true, update

from bot.domain.job import GenerationState
from bot.domain.outbox import ItemKind, Pool
from bot.store.engine import schema
from bot.store.engine.base import Topic, announce
from bot.store.tables import generations, jobs, outbox, processes
from bot.store.tables.work import OPEN

_CLOCK = {
    "postgresql": cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger),
    "sqlite": cast((func.julianday("now") - 2440587.5) * 86_400_000, BigInteger),
}


@dataclass(frozen=True, kw_only=True)
class Newcomer:
    """A process that begins to work."""

    name: str  # for people: the machine, and the process id there
    home: str  # the folder of its files, which it has locked
    release: str
    lease_ms: int


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What a process finds when it begins."""

    id: int
    others: int  # processes that work too
    clock_ms: int  # the database's time (Unix ms)


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """The state of things after a lease was renewed."""

    had_lapsed: bool
    living: int  # processes whose leases are valid, this one included
    gone: Sequence[str] = ()  # the names of those whose work was taken over


def join(conn: Connection, newcomer: Newcomer, now: int, *, gone_homes: Collection[str], is_alone: bool) -> Arrival:
    """Add a process, and take over the work of those that are certainly gone: of these homes, or with `is_alone` of all."""
    clock_ms = clock(conn)
    row = {"name": newcomer.name, "home": newcomer.home, "release": newcomer.release}
    added = conn.execute(insert(processes).values(**row, started_at=clock_ms, lease_until=clock_ms + newcomer.lease_ms, commits=0))
    assert added.inserted_primary_key is not None, "an insert of one row has one"  # noqa: S101
    new_id = int(added.inserted_primary_key[0])
    is_gone = processes.c.id != new_id if is_alone else processes.c.home.in_(gone_homes)
    _take_over(conn, and_(is_gone, processes.c.id != new_id), heir=new_id, now=now)
    _adopt(conn, new_id)
    others = conn.scalar(select(func.count()).where(processes.c.id != new_id, processes.c.lease_until > clock_ms))
    return Arrival(id=new_id, others=others or 0, clock_ms=clock_ms)


def renew(conn: Connection, process_id: int, now: int, *, lease_ms: int, may_judge: bool) -> Renewal:
    """Renew a process's lease. If it had not lapsed, take over with `may_judge` from those whose leases have.

    Raises `StartError` if the database was upgraded meanwhile and this process is too old for it.
    """
    schema.check_version(conn)
    clock_ms = clock(conn)
    renewed = update(processes).where(processes.c.id == process_id, processes.c.lease_until > clock_ms)
    had_lapsed = conn.execute(renewed.values(lease_until=clock_ms + lease_ms)).rowcount == 0
    if had_lapsed:  # nobody has taken over its work, else its row would be gone
        conn.execute(update(processes).where(processes.c.id == process_id).values(lease_until=clock_ms + lease_ms))
    gone: Sequence[str] = ()
    if may_judge and not had_lapsed:
        gone = _take_over(conn, processes.c.lease_until <= clock_ms, heir=process_id, now=now)
    _adopt(conn, process_id)
    living = conn.scalar(select(func.count()).where(processes.c.lease_until > clock_ms)) or 1
    return Renewal(had_lapsed=had_lapsed, living=living, gone=gone)


def leave(conn: Connection, process_id: int, now: int) -> None:
    """Remove a process that ends, and free what it has claimed."""
    _take_over(conn, processes.c.id == process_id, heir=None, now=now)


def remove_all(conn: Connection, now: int) -> None:
    """Of a database that nobody works on: remove the processes that ended without leaving, and free what they have claimed."""
    _take_over(conn, true(), heir=None, now=now)


def clock(conn: Connection) -> int:
    """The database's time (Unix ms)."""
    return int(conn.execute(select(_CLOCK[conn.dialect.name])).scalar_one())


# --- taking over -----------------------------------------------------------------------------------------------------


def _take_over(conn: Connection, whom: ColumnElement[bool], *, heir: int | None, now: int) -> list[str]:
    """Remove these processes and free their claims. Their jobs go to the heir, if there is one. Returns their names."""
    gone = conn.execute(select(processes.c.id, processes.c.name).where(whom)).all()
    if not gone:
        return []
    ids = [row.id for row in gone]
    _free_submissions(conn, ids, now)
    _free_items(conn, ids, now)
    conn.execute(
        update(jobs).where(text(OPEN), jobs.c.owner.in_(ids)).values(owner=heir, answer_until=0)  # their first answers will not come
    )
    conn.execute(delete(processes).where(processes.c.id.in_(ids)))
    for topic in (Topic.ADOPTED, Topic.QUEUE, Topic.CHECKS, Topic.LOST, *(Topic(pool) for pool in Pool)):
        announce(conn, topic)
    return [row.name for row in gone]


def _free_submissions(conn: Connection, ids: Sequence[int], now: int) -> None:
    """What they were submitting is lost: it may have arrived, and is searched for."""
    theirs = and_(generations.c.owner.is_not(None), generations.c.owner.in_(ids))
    submitting = and_(theirs, generations.c.state == GenerationState.SUBMITTING)
    conn.execute(update(generations).where(submitting).values(owner=None, not_before=now))
    conn.execute(update(generations).where(theirs).values(owner=None))


def _free_items(conn: Connection, ids: Sequence[int], now: int) -> None:
    """What they were doing is done again. What waited for an answer of theirs is due now, as are answers to reactions, not all acted on."""
    conn.execute(update(outbox).where(outbox.c.owner.is_not(None), outbox.c.owner.in_(ids)).values(owner=None))
    theirs = select(jobs.c.id).where(jobs.c.id == outbox.c.job_id, jobs.c.owner.in_(ids)).exists()
    waits = or_(and_(outbox.c.kind == ItemKind.DELIVER, theirs), outbox.c.kind == ItemKind.REACTIONS)
    conn.execute(update(outbox).where(waits, outbox.c.attempts == 0, outbox.c.due_at > now).values(due_at=now))


def _adopt(conn: Connection, process_id: int) -> None:
    """Take care of the open jobs that nobody takes care of."""
    free = and_(text(OPEN), jobs.c.owner.is_(None))
    if conn.execute(update(jobs).where(free).values(owner=process_id, answer_until=0)).rowcount:
        announce(conn, Topic.ADOPTED)
        announce(conn, Topic.CHECKS)
