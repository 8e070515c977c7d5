"""Cases, and the flags that lead to them. Each operation is one transaction, and leaves its line in the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.moderation.flags import Flag
from bot.store import audit
from bot.store.audit import Action, AuditLine
from bot.store.tables import cases, reports


class Cause(StrEnum):
    """Why moderators are asked."""

    FLAGS = "flags"  # enough members pointed at a picture
    PROMPT = "prompt"  # a prompt was flagged by a rule or a check, and its picture was made
    RESULT = "result"  # a result was flagged or withheld by a check
    REPORT = "report"  # a moderator's own report opens a case at once


class CaseState(StrEnum):
    OPEN = "open"  # waits for a decision
    APPEALED = "appealed"  # was decided, and its author asked for another look, once
    DECIDED = "decided"  # by a moderator


class Decision(StrEnum):
    """What a moderator decides; each is a button."""

    KEEP = "keep"  # the picture stays, a spoiler is taken away
    SPOILER = "spoiler"  # it stays behind a spoiler
    DELETE = "delete"  # it is taken away, with a strike
    BLOCK = "block"  # deleted, and its author may not ask for pictures for a day
    REFUND = "refund"  # deleted without a strike, and its price is given back


AGAINST = frozenset({Decision.SPOILER, Decision.DELETE, Decision.BLOCK})  # what proves its flaggers right


@dataclass(frozen=True, kw_only=True)
class Case:
    """A picture or a prompt that moderators are asked about."""

    id: int
    guild_id: int
    at: int  # Unix ms
    cause: Cause
    state: CaseState
    author_id: int
    channel_id: int
    message_id: int | None
    job_id: str | None
    reason: str
    decision: Decision | None = None
    decided_by: int | None = None
    decided_at: int | None = None
    appeal: str | None = None
    appealed_at: int | None = None
    post_channel_id: int | None = None
    post_message_id: int | None = None

    @property
    def may_be_appealed(self) -> bool:
        """One appeal, against a decision that takes something away."""
        return self.state is CaseState.DECIDED and self.decision in AGAINST and self.appealed_at is None


# --- flags -----------------------------------------------------------------------------------------------------------


def flags_on(conn: Connection, message_id: int) -> list[Flag]:
    """The flags on a picture that count, each with its member's record on that server."""
    here = select(reports.c.guild_id, reports.c.user_id).where(reports.c.message_id == message_id, reports.c.counts).subquery()
    upheld = func.coalesce(func.sum(case((reports.c.outcome == "upheld", 1), else_=0)), 0)
    failed = func.coalesce(func.sum(case((reports.c.outcome == "failed", 1), else_=0)), 0)
    record = (
        select(here.c.user_id, upheld.label("upheld"), failed.label("failed"))
        .join_from(here, reports, and_(reports.c.user_id == here.c.user_id, reports.c.guild_id == here.c.guild_id))
        .group_by(here.c.user_id)
    )
    return [Flag(user_id=row.user_id, upheld=int(row.upheld), failed=int(row.failed)) for row in conn.execute(record)]


# --- cases -----------------------------------------------------------------------------------------------------------


def open_case(
    conn: Connection,
    *,
    guild_id: int,
    cause: Cause,
    author_id: int,
    channel_id: int,
    message_id: int | None,
    job_id: str | None,
    reason: str,
    now: int,
    by_id: int | None = None,
) -> Case | None:
    """Ask the moderators. None where this message has an open case already."""
    row = {"guild_id": guild_id, "at": now, "cause": cause, "state": CaseState.OPEN, "author_id": author_id}
    row |= {"channel_id": channel_id, "message_id": message_id, "job_id": job_id, "reason": reason}
    try:
        with conn.begin_nested():
            new_id = conn.execute(insert(cases).values(**row).returning(cases.c.id)).scalar_one()
    except IntegrityError:
        return None
    if message_id is not None:
        conn.execute(update(reports).where(reports.c.message_id == message_id, reports.c.outcome.is_(None)).values(case_id=new_id))
    _note(conn, Action.CASE_OPENED, get(conn, new_id), now, by_id, cause=cause, reason=reason)
    return get(conn, new_id)


def posted(conn: Connection, case_id: int, *, channel_id: int, message_id: int) -> None:
    """Where the moderators see it."""
    conn.execute(update(cases).where(cases.c.id == case_id).values(post_channel_id=channel_id, post_message_id=message_id))


def decide(conn: Connection, case_id: int, decision: Decision, *, by_id: int, now: int) -> Case | None:
    """A moderator's word, once; flags on the picture are upheld or failed by it. None where it was decided before."""
    waits = and_(cases.c.id == case_id, cases.c.state != CaseState.DECIDED)
    values = {"state": CaseState.DECIDED, "decision": decision, "decided_by": by_id, "decided_at": now}
    if conn.execute(update(cases).where(waits).values(**values)).rowcount != 1:
        return None
    outcome = "upheld" if decision in AGAINST else "failed"
    decided = get(conn, case_id)
    if decided and decided.message_id is not None:
        conn.execute(update(reports).where(reports.c.message_id == decided.message_id).values(outcome=outcome))
    _note(conn, Action.CASE_DECIDED, decided, now, by_id, decision=decision)
    return decided


def appeal(conn: Connection, case_id: int, *, author_id: int, words: str, now: int) -> Case | None:
    """The author asks for another look, once. None where that is not open to them."""
    there = get(conn, case_id)
    if there is None or there.author_id != author_id or not there.may_be_appealed:
        return None
    values = {"state": CaseState.APPEALED, "appeal": words, "appealed_at": now}
    once = and_(cases.c.id == case_id, cases.c.appealed_at.is_(None), cases.c.state == CaseState.DECIDED)
    try:
        with conn.begin_nested():
            if conn.execute(update(cases).where(once).values(**values)).rowcount != 1:
                return None
    except IntegrityError:
        return None  # the same message has a new open case, which will decide
    _note(conn, Action.APPEALED, there, now, author_id)
    return get(conn, case_id)


def get(conn: Connection, case_id: int) -> Case | None:
    """One case."""
    return next(iter(_read(conn, cases.c.id == case_id, limit=1)), None)


def waiting(conn: Connection, guild_id: int, *, limit: int = 25) -> list[Case]:
    """A server's cases that wait for a decision, oldest first."""
    return _read(conn, and_(cases.c.guild_id == guild_id, cases.c.state != CaseState.DECIDED), limit=limit)


def of_author(conn: Connection, guild_id: int, author_id: int, *, limit: int = 25) -> list[Case]:
    """The cases about one member, oldest first."""
    return _read(conn, and_(cases.c.guild_id == guild_id, cases.c.author_id == author_id), limit=limit)


def _read(conn: Connection, where: ColumnElement[bool], *, limit: int) -> list[Case]:
    rows = conn.execute(select(cases).where(where).order_by(cases.c.id).limit(limit)).mappings()
    return [_case(dict(row)) for row in rows]


def _case(row: dict[str, Any]) -> Case:
    decision = None if row["decision"] is None else Decision(row["decision"])
    return Case(**{**row, "cause": Cause(row["cause"]), "state": CaseState(row["state"]), "decision": decision})


def _note(conn: Connection, action: Action, about: Case | None, now: int, actor_id: int | None, **details: Any) -> None:
    if about is not None:
        audit.note(
            conn,
            AuditLine(
                action=action,
                at=now,
                guild_id=about.guild_id,
                actor_id=actor_id,
                target_id=about.author_id,
                job_id=about.job_id,
                case_id=about.id,
                details=details,
            ),
        )
