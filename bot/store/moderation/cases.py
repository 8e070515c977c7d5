"""Cases and the flags that led to them. Each operation is one transaction and writes a line to the audit log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, false, func, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from bot.domain.job import JobMessage, MessageRole
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import AGAINST, Case, CaseFile, CasePage, CaseState, Cause, Decision, FlagSummary
from bot.domain.moderation.flags import Flag
from bot.store import messages
from bot.store.moderation import audit_log
from bot.store.rows import read_jobs
from bot.store.tables import cases, job_messages, jobs, reports

# --- flags -----------------------------------------------------------------------------------------------------------


def flags_on(conn: Connection, message_id: int) -> list[Flag]:
    """The flags on a message that count and belong to no decided case, each with its member's record in that guild."""
    undecided = and_(reports.c.message_id == message_id, reports.c.counts, reports.c.outcome.is_(None))
    here = conn.execute(select(reports.c.guild_id, reports.c.user_id).where(undecided)).all()
    return [flag for row in here for flag in _records(conn, {row.user_id}, row.guild_id).values()]


def _summaries_by_case(conn: Connection, about: Sequence[Case], guild_id: int) -> dict[int, list[FlagSummary]]:
    """The same for several cases of a guild, by case id."""
    rows = conn.execute(select(reports).where(or_(false(), *map(_reports_of, about))).order_by(reports.c.at, reports.c.id)).all()
    records = _records(conn, {row.user_id for row in rows if row.counts}, guild_id)

    def summary(row: Row[Any]) -> FlagSummary:
        return FlagSummary(user_id=row.user_id, reason=row.reason, weight=records[row.user_id].weight if row.counts else 0)

    return {case.id: [summary(row) for row in rows if _is_report_of(row, case)] for case in about}


def _records(conn: Connection, user_ids: Collection[int], guild_id: int | None) -> dict[int, Flag]:
    """A flag of each of these members, with the outcomes of their earlier ones in that guild."""
    theirs = and_(reports.c.user_id.in_(user_ids), reports.c.guild_id == guild_id)
    counted = select(reports.c.user_id, reports.c.outcome, func.count().label("flags")).where(theirs)
    outcomes = {(row.user_id, row.outcome): row.flags for row in conn.execute(counted.group_by(reports.c.user_id, reports.c.outcome))}
    return {
        user_id: Flag(user_id=user_id, upheld=outcomes.get((user_id, "upheld"), 0), failed=outcomes.get((user_id, "failed"), 0))
        for user_id in user_ids
    }


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
    """Open a case. None if this message has an open case already."""
    row = {"guild_id": guild_id, "at": now, "cause": cause, "state": CaseState.OPEN, "author_id": author_id}
    row |= {"channel_id": channel_id, "message_id": message_id, "job_id": job_id, "reason": reason, "decision_reason": ""}
    try:
        with conn.begin_nested():
            new_id = conn.execute(insert(cases).values(**row).returning(cases.c.id)).scalar_one()
    except IntegrityError:
        return None
    if message_id is not None:
        undecided = and_(reports.c.message_id == message_id, reports.c.outcome.is_(None))
        conn.execute(update(reports).where(undecided).values(case_id=new_id, is_waiting=False))
    _note(conn, AuditAction.CASE_OPENED, get(conn, new_id), now, by_id, cause=cause, reason=reason)
    return get(conn, new_id)


def record_post(conn: Connection, about: Case, *, channel_id: int, message_id: int, now: int) -> bool:
    """Record the message that shows a case to the moderators. False if the job was erased: the caller must delete the message."""
    post = JobMessage(
        message_id=message_id,
        channel_id=channel_id,
        guild_id=about.guild_id,
        role=MessageRole.CASE,
        at=now,
        job_id=about.job_id,
        case_id=about.id,
    )
    return messages.record(conn, post)


def set_cause(conn: Connection, case_id: int, cause: Cause) -> None:
    """A waiting case has got another cause."""
    conn.execute(update(cases).where(cases.c.id == case_id).values(cause=cause))


def decide(conn: Connection, case_id: int, decision: Decision, *, by_id: int, now: int, reason: str = "") -> Case | None:
    """Decide a case, which makes the flags on its image upheld or failed. None if it was decided before."""
    waits = and_(cases.c.id == case_id, cases.c.state != CaseState.DECIDED)
    values = {"state": CaseState.DECIDED, "decision": decision, "decided_by": by_id, "decided_at": now, "decision_reason": reason}
    if conn.execute(update(cases).where(waits).values(**values)).rowcount != 1:
        return None
    outcome = "upheld" if decision in AGAINST else "failed"
    decided = get(conn, case_id)
    if decided is not None:
        conn.execute(update(reports).where(_reports_of(decided)).values(outcome=outcome, case_id=case_id))
    _note(conn, AuditAction.CASE_DECIDED, decided, now, by_id, decision=decision, reason=reason)
    return decided


def appeal(conn: Connection, case_id: int, *, words: str, now: int) -> Case | None:
    """Record the author's appeal, once. None if the case cannot be appealed."""
    there = get(conn, case_id)
    if there is None or not there.may_be_appealed:
        return None
    values = {"state": CaseState.APPEALED, "appeal": words, "appealed_at": now}
    once = and_(cases.c.id == case_id, cases.c.appealed_at.is_(None), cases.c.state == CaseState.DECIDED)
    try:
        with conn.begin_nested():
            if conn.execute(update(cases).where(once).values(**values)).rowcount != 1:
                return None
    except IntegrityError:
        return None  # the same message has a new open case
    _note(conn, AuditAction.APPEALED, there, now, there.author_id)
    return get(conn, case_id)


def get(conn: Connection, case_id: int) -> Case | None:
    """A case, or None."""
    return next(iter(_read(conn, cases.c.id == case_id, limit=1)), None)


def waiting(conn: Connection, guild_id: int, *, limit: int = 25) -> list[Case]:
    """A guild's undecided cases, oldest first."""
    return _read(conn, and_(cases.c.guild_id == guild_id, cases.c.state != CaseState.DECIDED), limit=limit)


def page(conn: Connection, guild_id: int, number: int, *, size: int, counted: int) -> CasePage:
    """A page of a guild's undecided cases, among the first `counted`; the last page if `number` is beyond it."""
    there = waiting(conn, guild_id, limit=counted)
    number = max(0, min(number, (len(there) - 1) // size))
    return CasePage(files=_files(conn, there[number * size : (number + 1) * size], guild_id), number=number, waiting=len(there))


def file_of(conn: Connection, about: Case) -> CaseFile:
    """A case with its job and flags."""
    (file,) = _files(conn, [about], about.guild_id)
    return file


def _files(conn: Connection, about: Sequence[Case], guild_id: int) -> tuple[CaseFile, ...]:
    known = {job.id: job for job in read_jobs(conn, jobs.c.id.in_({case.job_id for case in about if case.job_id is not None}))}
    flags = _summaries_by_case(conn, about, guild_id)
    sent = select(job_messages.c.message_id).where(job_messages.c.message_id.in_({case.message_id for case in about if case.message_id}))
    direct = set(conn.scalars(sent.where(job_messages.c.role == MessageRole.DM)))
    return tuple(
        CaseFile(case=case, job=known.get(case.job_id or ""), flags=tuple(flags[case.id]), direct=case.message_id in direct)
        for case in about
    )


def waiting_on(conn: Connection, message_id: int) -> Case | None:
    """The undecided case about this message; there is at most one."""
    return next(iter(_read(conn, and_(cases.c.message_id == message_id, cases.c.state != CaseState.DECIDED), limit=1)), None)


def of_job(conn: Connection, job_id: str, *, guild_id: int | None = None, limit: int = 5) -> list[Case]:
    """The cases about a job, newest first; of one guild if `guild_id` is given."""
    here = true() if guild_id is None else cases.c.guild_id == guild_id
    return _read(conn, and_(cases.c.job_id == job_id, here), limit=limit, newest=True)


def latest_about(conn: Connection, job_id: str, guild_id: int | None) -> Case | None:
    """A guild's latest case about a job."""
    return next(iter(of_job(conn, job_id, guild_id=guild_id, limit=1)), None)


def of_author(conn: Connection, guild_id: int, author_id: int, *, limit: int = 25) -> list[Case]:
    """The cases about a member, oldest first."""
    return _read(conn, and_(cases.c.guild_id == guild_id, cases.c.author_id == author_id), limit=limit)


def _reports_of(about: Case) -> ColumnElement[bool]:
    """The reports of a case, and those about its message that belong to no decided case."""
    own = reports.c.case_id == about.id
    return own if about.message_id is None else or_(own, and_(reports.c.message_id == about.message_id, reports.c.outcome.is_(None)))


def _is_report_of(row: Row[Any], about: Case) -> bool:
    """The same condition for a row."""
    return row.case_id == about.id or (about.message_id is not None and row.message_id == about.message_id and row.outcome is None)


def _read(conn: Connection, where: ColumnElement[bool], *, limit: int, newest: bool = False) -> list[Case]:
    """Cases, each with its latest post; after an appeal only a post since then counts."""
    of_case = and_(job_messages.c.case_id == cases.c.id, job_messages.c.role == MessageRole.CASE)
    since_appeal = job_messages.c.at > func.coalesce(cases.c.appealed_at, -1)
    latest = select(job_messages.c.message_id).where(of_case, since_appeal).order_by(job_messages.c.at.desc()).limit(1)
    post = job_messages.alias("post")
    shown = cases.outerjoin(post, post.c.message_id == latest.scalar_subquery())
    columns = (cases, post.c.channel_id.label("post_channel_id"), post.c.message_id.label("post_message_id"))
    order = cases.c.id.desc() if newest else cases.c.id
    rows = conn.execute(select(*columns).select_from(shown).where(where).order_by(order).limit(limit)).mappings()
    return [_case(dict(row)) for row in rows]


def _case(row: dict[str, Any]) -> Case:
    decision = None if row["decision"] is None else Decision(row["decision"])
    return Case(**{**row, "cause": Cause(row["cause"]), "state": CaseState(row["state"]), "decision": decision})


def _note(conn: Connection, action: AuditAction, about: Case | None, now: int, actor_id: int | None, **details: Any) -> None:
    if about is not None:
        audit_log.note(
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
