"""Folding: old lines of an account become one carry line for each kind of entry that is summed somewhere, and one for all others.

So an account still equals the sum of its lines, transfers still add up to 0, and `ledger.earned` stays. Lines of a job are folded all at
once, and only when the job was deleted: until then its images may be refunded, and the audit compares them with their lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Select, and_, case, delete, exists, func, literal, null, select

from bot.domain.money.ledger import Entry
from bot.store.engine.base import upsert
from bot.store.money.ledger import CARRIED, TRANSFERS, is_carried
from bot.store.tables import jobs, ledger

AT_ONCE = 50  # lines whose ids are read for one write, which takes some milliseconds

_SUMMED = (Entry.GRANT, Entry.REWARD, *TRANSFERS)
_REWARDED = "gallery:"  # the key of a reward ends with its job's id
_AMOUNTS = ("available", "held", "spent")


def last_id(conn: Connection) -> int:
    """The id of the newest line; 0 if there is none."""
    return conn.scalar(select(func.max(ledger.c.id))) or 0


def find(conn: Connection, after: int, before: int) -> list[int]:
    """The ids of lines to fold, if they were booked before `before` (Unix ms): of the `AT_ONCE` ids after `after`, and of the same jobs."""
    these = and_(ledger.c.id > after, ledger.c.id <= after + AT_ONCE, ledger.c.at < before)
    alone = select(ledger.c.id).where(these, ledger.c.job_id.is_(None), ~is_carried(), ~_may_repeat())
    deleted = conn.scalars(_deleted_jobs(these, before)).all()
    of_jobs = select(ledger.c.id).where(ledger.c.job_id.in_(deleted)) if deleted else None
    return sorted(id_ for query in (alone, of_jobs) if query is not None for id_ in conn.scalars(query))


def fold(conn: Connection, after: int, before: int) -> int:
    """Fold the lines that `find` returns. Returns how many. It may be repeated."""
    ids = find(conn, after, before)
    if ids:
        fold_lines(conn, ids)
    return len(ids)


def fold_lines(conn: Connection, ids: Sequence[int]) -> None:
    """Fold these lines."""
    _carry(conn, ids)
    conn.execute(delete(ledger).where(ledger.c.id.in_(ids)))


def _deleted_jobs(these: ColumnElement[bool], before: int) -> Select[tuple[str]]:
    """Of the jobs that these lines belong to, those that do not exist any more and whose money is not on hold."""
    lines = ledger.alias()
    named = select(ledger.c.job_id).where(these, ledger.c.job_id.is_not(None))
    gone = and_(lines.c.job_id.in_(named), ~exists().where(jobs.c.id == lines.c.job_id))
    return select(lines.c.job_id).where(gone).group_by(lines.c.job_id).having(func.max(lines.c.at) < before, func.sum(lines.c.held) == 0)


def _may_repeat() -> ColumnElement[bool]:
    """A reward's key must stay as long as its job, which could be rewarded again. Other actions are too old to be repeated."""
    return and_(ledger.c.entry == Entry.REWARD, exists().where(jobs.c.id == func.substr(ledger.c.key, len(_REWARDED) + 1)))


def _carry(conn: Connection, ids: Sequence[int]) -> None:
    """Add these lines to the carry lines of their accounts."""
    kind = case((ledger.c.entry.in_(_SUMMED), ledger.c.entry), else_=literal(Entry.CARRY.value)).label("kind")
    each = select(ledger.c.account, kind, ledger.c.at, *(ledger.c[name] for name in _AMOUNTS)).where(ledger.c.id.in_(ids)).subquery()
    values = {
        "account": each.c.account,
        "at": func.max(each.c.at),
        "entry": each.c.kind,
        **{name: func.sum(each.c[name]) for name in _AMOUNTS},
        **dict.fromkeys(("job_id", "n", "other", "by_id", "note"), null()),
        "key": literal(CARRIED) + each.c.kind,
    }
    rows = upsert(conn.dialect, ledger).from_select([*values], select(*values.values()).group_by(each.c.account, each.c.kind))
    sums = {name: ledger.c[name] + rows.excluded[name] for name in _AMOUNTS}
    conn.execute(rows.on_conflict_do_update(index_elements=["key", "account"], set_={**sums, "at": rows.excluded.at}))
