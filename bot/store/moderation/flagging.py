"""Members' flags. Enough of them open a case and add a spoiler, but never delete. Each operation is one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, select, true

from bot.domain.gestures import Reactors
from bot.domain.guild.sections import Flags
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Case, Cause, Report
from bot.domain.moderation.flags import quorum_reached
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import messages, outbox
from bot.store.moderation import audit_log, cases, reports
from bot.store.tables import audit as lines
from bot.store.tables import reports as rows

_SHOWN_AT_ONCE = 50  # cases


@dataclass(frozen=True, kw_only=True)
class FlagResult:
    """The result of a flag."""

    is_new: bool  # False: this member flagged this message before
    opened: Case | None = None  # the case that this flag opened


def flag(conn: Connection, report: Report, *, guild_id: int, opens_case: bool, now: int) -> FlagResult:
    """Store a flag. `opens_case`: it comes from a moderator and opens a case by itself; otherwise `weigh` applies its effects."""
    if not reports.add(conn, report):
        return FlagResult(is_new=False)
    opened = _ask(conn, report, guild_id=guild_id, cause=Cause.REPORT, now=now) if opens_case else None
    waiting = opened or cases.waiting_on(conn, report.message_id)
    if waiting is not None:
        show(conn, waiting, now)
    return FlagResult(is_new=True, opened=opened)


def enough(conn: Connection, guild_id: int, rules: Flags, *, message_id: int | None = None) -> list[Report]:
    """The first flag on each message (or on this one) whose flags would open a case now, unless some of them were removed."""
    if not rules.on or rules.locked:
        return []
    pending = select(rows).where(rows.c.guild_id == guild_id, rows.c.counts, rows.c.outcome.is_(None), rows.c.case_id.is_(None))
    pending = pending.where(rows.c.author_id.is_not(None), true() if message_id is None else rows.c.message_id == message_id)
    first: dict[int, Report] = {}
    for row in conn.execute(pending.order_by(rows.c.id)).mappings():
        first.setdefault(row["message_id"], reports.read(row))
    reached = [report for report in first.values() if quorum_reached(cases.flags_on(conn, report.message_id), rules)]
    return [report for report in reached if cases.waiting_on(conn, report.message_id) is None]


def weigh(conn: Connection, report: Report, guild_id: int, rules: Flags, now: int, *, present: Reactors | None) -> Case | None:
    """If there are enough flags on the message of this one, open a case and hide the image until it is decided.

    `present` is who flags it on Discord: flags by reaction of others were removed unnoticed. None: Discord no longer says.
    """
    if present is not None:
        reports.keep_flags_of(conn, report.message_id, present)
    if not quorum_reached(cases.flags_on(conn, report.message_id), rules):
        return None
    opened = _ask(conn, report, guild_id=guild_id, cause=Cause.FLAGS, now=now)
    if opened is not None:
        cover(conn, opened, by_id=None, now=now)
        show(conn, opened, now)
    return opened


def guilds_with_flags(conn: Connection) -> list[int]:
    """Guilds with flags that had no effect yet."""
    pending = select(rows.c.guild_id).where(rows.c.counts, rows.c.outcome.is_(None), rows.c.case_id.is_(None), rows.c.guild_id.is_not(None))
    return list(conn.scalars(pending.distinct()))


def show(conn: Connection, case: Case, now: int, *, reply_to: int | None = None) -> None:
    """Add the outbox item that posts or updates a case for the moderators."""
    data = {"case_id": case.id} | ({} if reply_to is None else {"reply_to": reply_to})
    outbox.add(conn, OutboxItem(kind=ItemKind.CASE, due_at=now, data=data))


def show_waiting(conn: Connection, guild_id: int, now: int) -> None:
    """Post the undecided cases that have no post yet."""
    for case in cases.waiting(conn, guild_id, limit=_SHOWN_AT_ONCE):
        if case.post_message_id is None:
            show(conn, case, now)


# --- spoilers --------------------------------------------------------------------------------------------------------


def cover(conn: Connection, case: Case, *, by_id: int | None, now: int) -> bool:
    """Put a case's images behind spoilers, by the outbox. False if they already are, or were not made here."""
    if not _set_spoiler(conn, case, True, now):
        return False
    _note(conn, AuditAction.SPOILERED, case, by_id=by_id, now=now)
    return True


def uncover(conn: Connection, case: Case, *, by_id: int, now: int) -> bool:
    """Remove the spoiler that this case added. False if it added none."""
    covered = lines.c.action == AuditAction.SPOILERED, lines.c.case_id == case.id, lines.c.guild_id == case.guild_id
    if conn.execute(select(lines.c.id).where(*covered).limit(1)).first() is None:
        return False
    if not _set_spoiler(conn, case, False, now):
        return False
    _note(conn, AuditAction.UNCOVERED, case, by_id=by_id, now=now)
    return True


def _note(conn: Connection, action: AuditAction, case: Case, *, by_id: int | None, now: int) -> None:
    line = AuditLine(action=action, at=now, guild_id=case.guild_id, actor_id=by_id, target_id=case.author_id)
    audit_log.note(conn, replace(line, job_id=case.job_id, case_id=case.id))


def _set_spoiler(conn: Connection, case: Case, spoiler: bool, now: int) -> bool:
    if case.job_id is None or not messages.set_spoiler(conn, case.job_id, spoiler, now, guild_id=case.guild_id):
        return False
    if case.message_id is not None and messages.get(conn, case.message_id) is None:
        messages.ask_to_cover(conn, case.job_id, case.channel_id, case.message_id, now)
    return True


def _ask(conn: Connection, report: Report, *, guild_id: int, cause: Cause, now: int) -> Case | None:
    if report.author_id is None:
        return None  # the author erased their data
    return cases.open_case(
        conn,
        guild_id=guild_id,
        cause=cause,
        author_id=report.author_id,
        channel_id=report.channel_id,
        message_id=report.message_id,
        job_id=report.job_id,
        reason=report.reason if cause is Cause.REPORT else "",
        now=now,
        by_id=report.user_id if cause is Cause.REPORT else None,
    )
