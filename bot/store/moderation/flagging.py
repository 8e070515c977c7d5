"""What members flag, and what follows once there are enough: a spoiler and a case, never a deletion. Each operation is one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from bot.domain.guild.sections import Flags
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Case, Cause, Report
from bot.domain.moderation.flags import quorum_reached
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import messages, outbox
from bot.store.engine.base import take_turn
from bot.store.moderation import audit_log, cases, reports
from bot.store.tables import audit as lines
from bot.store.tables import reports as rows

_SHOWN_AT_ONCE = 50  # cases


@dataclass(frozen=True, kw_only=True)
class FlagResult:
    """What became of a flag."""

    is_new: bool  # False: this member has flagged this message before
    opened: Case | None = None  # by this very flag


def flag(conn: Connection, report: Report, *, guild_id: int, rules: Flags, opens_case: bool, now: int) -> FlagResult:
    """Keep a flag, and do what follows from it. `opens_case`: its member is a moderator, whose word alone is enough."""
    take_turn(conn, report.message_id)  # of flags that come together, each sees those before it
    if not reports.add(conn, report):
        return FlagResult(is_new=False)
    opened = (
        _ask(conn, report, guild_id=guild_id, cause=Cause.REPORT, now=now) if opens_case else _weigh(conn, report, guild_id, rules, now)
    )
    waiting = opened or cases.waiting_on(conn, report.message_id)
    if waiting is not None:
        show(conn, waiting, now)
    return FlagResult(is_new=True, opened=opened)


def recount(conn: Connection, guild_id: int, rules: Flags, now: int) -> int:
    """Do what follows from flags that were kept without effect; how many cases that opens."""
    pending = select(rows).where(rows.c.guild_id == guild_id, rows.c.counts, rows.c.outcome.is_(None), rows.c.case_id.is_(None))
    first: dict[int, Report] = {}
    for row in conn.execute(pending.order_by(rows.c.id)).mappings():
        first.setdefault(row["message_id"], reports.read(row))
    opened = [case for report in first.values() if (case := _weigh(conn, report, guild_id, rules, now))]
    for case in opened:
        show(conn, case, now)
    return len(opened)


def servers_with_flags(conn: Connection) -> list[int]:
    """Where flags wait for their effect."""
    pending = select(rows.c.guild_id).where(rows.c.counts, rows.c.outcome.is_(None), rows.c.case_id.is_(None), rows.c.guild_id.is_not(None))
    return list(conn.scalars(pending.distinct()))


def show(conn: Connection, case: Case, now: int, *, reply_to: int | None = None) -> None:
    """The moderators are to see the case as it is now."""
    data = {"case_id": case.id} | ({} if reply_to is None else {"reply_to": reply_to})
    outbox.add(conn, OutboxItem(kind=ItemKind.CASE, due_at=now, data=data))


def show_waiting(conn: Connection, guild_id: int, now: int) -> None:
    """Show the moderators every case that waits and that they do not see yet."""
    for case in cases.waiting(conn, guild_id, limit=_SHOWN_AT_ONCE):
        if case.post_message_id is None:
            show(conn, case, now)


# --- spoilers --------------------------------------------------------------------------------------------------------


def cover(conn: Connection, case: Case, *, by_id: int | None, now: int) -> bool:
    """Put the images of a case behind spoilers, by the outbox. False where they are, or where they are none of ours."""
    if not _set_spoiler(conn, case, True, now):
        return False
    line = AuditLine(
        action=AuditAction.SPOILERED, at=now, guild_id=case.guild_id, actor_id=by_id, target_id=case.author_id, job_id=case.job_id
    )
    audit_log.note(conn, AuditLine(**{**vars(line), "case_id": case.id}))
    return True


def uncover(conn: Connection, case: Case, *, now: int) -> bool:
    """Take the spoiler away that this case brought. False where it brought none: others are not its own to take away."""
    covered = lines.c.action == AuditAction.SPOILERED, lines.c.case_id == case.id, lines.c.guild_id == case.guild_id
    if conn.execute(select(lines.c.id).where(*covered).limit(1)).first() is None:
        return False
    return _set_spoiler(conn, case, False, now)


def _set_spoiler(conn: Connection, case: Case, spoiler: bool, now: int) -> bool:
    if case.job_id is None or not messages.set_spoiler(conn, case.job_id, spoiler, now, guild_id=case.guild_id):
        return False
    if case.message_id is not None and messages.get(conn, case.message_id) is None:
        messages.ask_to_cover(conn, case.job_id, case.channel_id, case.message_id, now)
    return True


def _weigh(conn: Connection, report: Report, guild_id: int, rules: Flags, now: int) -> Case | None:
    """Open a case where there are enough flags, and cover the image until it is decided."""
    if not quorum_reached(cases.flags_on(conn, report.message_id), rules):
        return None
    opened = _ask(conn, report, guild_id=guild_id, cause=Cause.FLAGS, now=now)
    if opened is not None:
        cover(conn, opened, by_id=None, now=now)
    return opened


def _ask(conn: Connection, report: Report, *, guild_id: int, cause: Cause, now: int) -> Case | None:
    if report.author_id is None:
        return None  # its author took everything away
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
