"""Members' flags. Enough of them open a case and add a spoiler, but never delete. Each operation is one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, exists, or_, select, text, true

from bot.domain.gestures import Reactors
from bot.domain.guild.sections import Flags
from bot.domain.job import Job, JobState
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import REPORTS_MAX, Case, Cause, Decision, HiddenBy, Report
from bot.domain.moderation.flags import quorum_reached
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import kv, messages, outbox
from bot.store.moderation import audit_log, cases, reports
from bot.store.tables import audit as lines
from bot.store.tables import cases as case_rows
from bot.store.tables import jobs as job_rows
from bot.store.tables import reports as rows
from bot.store.tables.conduct import UNDECIDED

_SHOWN_AT_ONCE = 50  # cases
_TOLD = "no cases channel:"  # and the guild's id: its managers were told that reports wait


@dataclass(frozen=True, kw_only=True)
class FlagResult:
    """The result of a flag."""

    is_new: bool  # False: this member flagged this message before
    opened: Case | None = None  # the case that this flag opened
    is_too_many: bool = False  # not stored: too many of this member's reports wait for a decision
    is_gone: bool = False  # not stored: the image was deleted meanwhile


def flag(
    conn: Connection,
    report: Report,
    *,
    guild_id: int,
    opens_case: bool,
    now: int,
    has_channel: bool = True,
    follows: OutboxItem | None = None,
) -> FlagResult:
    """Store a flag or a report. `opens_case`: it opens a case by itself; otherwise `weigh` applies its effects.

    One in words that opens no case waits for `open_waiting`, unless there is a case to which it is added. `has_channel`: the guild has one
    for cases. `follows` is added also for a repeated flag (is_new).
    """
    if conn.scalar(select(job_rows.c.state).where(job_rows.c.id == report.job_id)) == JobState.DELETED:
        return FlagResult(is_new=False, is_gone=True)
    if report.reason and reports.open_of(conn, report.user_id, guild_id) >= REPORTS_MAX:
        return FlagResult(is_new=False, is_too_many=True)
    waiting = cases.waiting_on(conn, report.message_id)
    waits = bool(report.reason) and waiting is None and not opens_case
    is_new = reports.add(conn, replace(report, is_waiting=waits))
    if follows is not None:
        outbox.add(conn, replace(follows, data={**follows.data, "is_new": is_new}))
    if not is_new:
        return FlagResult(is_new=False)
    if waiting is None and opens_case:
        return FlagResult(is_new=True, opened=_open(conn, report, guild_id=guild_id, now=now, has_channel=has_channel))
    if waiting is not None:
        if report.reason:
            reports.join(conn, report, waiting.id)
        show(conn, waiting, now)
    return FlagResult(is_new=True)


def open_waiting(conn: Connection, guild_id: int, now: int, *, has_channel: bool) -> list[Case]:
    """Flags were unlocked: open the cases of the reports that were kept meanwhile, one for each message."""
    opened = []
    for report in reports.waiting(conn, guild_id):
        there = cases.waiting_on(conn, report.message_id)
        if there is not None:
            reports.join(conn, report, there.id)
        else:
            opened += [_open(conn, report, guild_id=guild_id, now=now, has_channel=has_channel)]
    return [case for case in opened if case is not None]


def withdraw(conn: Connection, message_id: int, user_id: int, now: int) -> bool:
    """A member withdraws a flag that no decision was made by. False if there is none."""
    if not reports.withdraw(conn, message_id, user_id):
        return False
    waiting = cases.waiting_on(conn, message_id)
    if waiting is not None:
        show(conn, waiting, now)
    return True


def enough(conn: Connection, guild_id: int, rules: Flags, *, message_id: int | None = None) -> list[Report]:
    """The first flag on each message (or on this one) whose flags would open a case now, unless some of them were removed."""
    if not rules.on or rules.locked:
        return []
    hidden = exists().where(case_rows.c.message_id == rows.c.message_id, text(UNDECIDED), case_rows.c.cause != Cause.REPORT)
    pending = select(rows).where(rows.c.guild_id == guild_id, rows.c.counts, rows.c.outcome.is_(None), ~hidden)
    pending = pending.where(rows.c.author_id.is_not(None), true() if message_id is None else rows.c.message_id == message_id)
    first: dict[int, Report] = {}
    for row in conn.execute(pending.order_by(rows.c.id)).mappings():
        first.setdefault(row["message_id"], reports.read(row))
    return [report for report in first.values() if quorum_reached(cases.flags_on(conn, report.message_id), rules)]


def weigh(conn: Connection, report: Report, guild_id: int, rules: Flags, now: int, *, present: Reactors | None) -> Case | None:
    """If there are enough flags on the message of this one, open a case and hide the image until it is decided.

    A case that waits because of a report becomes one of flags.

    `present` is who flags it on Discord: flags by reaction of others were removed unnoticed. None: Discord no longer says.
    """
    if present is not None:
        reports.keep_flags_of(conn, report.message_id, present)
    if not quorum_reached(cases.flags_on(conn, report.message_id), rules):
        return None
    reported = cases.waiting_on(conn, report.message_id)
    if reported is not None and reported.cause is Cause.REPORT:
        cases.set_cause(conn, reported.id, Cause.FLAGS)
    opened = _ask(conn, report, guild_id=guild_id, cause=Cause.FLAGS, now=now) if reported is None else None
    about = opened or reported
    if about is not None:
        if cover(conn, about, by_id=None, now=now):
            outbox.add(conn, OutboxItem(kind=ItemKind.TELL_HIDDEN, due_at=now, user_id=about.author_id, data={"case_id": about.id}))
        show(conn, about, now)
    return opened


def guilds_with_flags(conn: Connection) -> list[int]:
    """Guilds with undecided flags, and reports that wait."""
    pending = select(rows.c.guild_id).where(or_(rows.c.counts, rows.c.is_waiting), rows.c.outcome.is_(None), rows.c.guild_id.is_not(None))
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
    """Put a case's images behind spoilers, by the outbox. False if they already are, or were not made here.

    If they are, the line that says who hid them changes.
    """
    if not _set_spoiler(conn, case, True, now):
        for shown in messages.of_job(conn, case.job_id, guild_id=case.guild_id) if case.job_id is not None else ():
            messages.ask_to_cover(conn, case.job_id or "", shown.channel_id, shown.message_id, now)
        return False
    _note(conn, AuditAction.SPOILERED, case, by_id=by_id, now=now)
    return True


def uncover(conn: Connection, case: Case, *, by_id: int, now: int) -> bool:
    """Remove the spoiler that this case or an earlier one about the image added. False if there is none, or it is its author's."""
    if not _is_covered(conn, case) or not _set_spoiler(conn, case, False, now):
        return False
    _note(conn, AuditAction.UNCOVERED, case, by_id=by_id, now=now)
    return True


def hidden_by(conn: Connection, job: Job, guild_id: int | None) -> HiddenBy | None:
    """Who hid an image that a guild shows behind a spoiler. None if its prompt or a check did."""
    latest = None if guild_id is None else cases.latest_about(conn, job.id, guild_id)
    if latest is not None and latest.decision is Decision.SPOILER:
        return HiddenBy.MODERATOR
    if latest is not None and latest.decision is None and _has_covered(conn, latest):
        return HiddenBy.REPORTS
    return HiddenBy.AUTHOR if job.spoiler and not job.flagged else None


def _is_covered(conn: Connection, case: Case) -> bool:
    """Whether the image's latest spoiler was added by flags or a moderator."""
    changes = (AuditAction.SPOILERED, AuditAction.SPOILERED_OWN, AuditAction.UNCOVERED)
    about = lines.c.action.in_(changes), lines.c.job_id == case.job_id, lines.c.guild_id == case.guild_id
    return conn.scalar(select(lines.c.action).where(*about).order_by(lines.c.id.desc()).limit(1)) == AuditAction.SPOILERED


def _has_covered(conn: Connection, case: Case) -> bool:
    covered = lines.c.action == AuditAction.SPOILERED, lines.c.case_id == case.id, lines.c.guild_id == case.guild_id
    return conn.execute(select(lines.c.id).where(*covered).limit(1)).first() is not None


def _note(conn: Connection, action: AuditAction, case: Case, *, by_id: int | None, now: int) -> None:
    line = AuditLine(action=action, at=now, guild_id=case.guild_id, actor_id=by_id, target_id=case.author_id)
    audit_log.note(conn, replace(line, job_id=case.job_id, case_id=case.id))


def _set_spoiler(conn: Connection, case: Case, spoiler: bool, now: int) -> bool:
    if case.job_id is None or not messages.set_spoiler(conn, case.job_id, spoiler, now, guild_id=case.guild_id):
        return False
    if case.message_id is not None and messages.get(conn, case.message_id) is None:
        messages.ask_to_cover(conn, case.job_id, case.channel_id, case.message_id, now)
    return True


def _open(conn: Connection, report: Report, *, guild_id: int, now: int, has_channel: bool) -> Case | None:
    """Open a case for a report, and show it; without a channel for it, tell the managers once that it waits."""
    opened = _ask(conn, report, guild_id=guild_id, cause=Cause.REPORT, now=now)
    if opened is not None:
        show(conn, opened, now)
        if not has_channel and kv.get(conn, f"{_TOLD}{guild_id}") is None:
            kv.put(conn, f"{_TOLD}{guild_id}", True, now)
            outbox.add(conn, OutboxItem(kind=ItemKind.NO_CHANNEL, due_at=now, data={"guild_id": guild_id}))
    return opened


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
        reason="",  # the words stay in the report, so that its member can erase them
        now=now,
        by_id=report.user_id if cause is Cause.REPORT else None,
    )
