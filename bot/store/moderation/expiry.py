"""Records of moderation that are past their time. What belongs to an undecided case stays, however old it is."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, null, or_, text, update

from bot.domain.moderation.cases import CaseState
from bot.store.sweeps import Expired
from bot.store.tables import audit, blocks, cases, job_messages, reports, strikes
from bot.store.tables.conduct import UNDECIDED


def old_reports(before: int) -> Expired:
    """Reports from before `before` (Unix ms)."""
    by_message = exists().where(cases.c.message_id == reports.c.message_id, text(UNDECIDED))
    return Expired(table=reports, until=reports.c.at < before, where=~or_(_is_undecided(reports.c.case_id), by_message))


def old_strikes(before: int) -> Expired:
    """Strikes from before `before` (Unix ms), however slowly they decay."""
    return Expired(table=strikes, until=strikes.c.at < before, where=~_is_undecided(strikes.c.case_id))


def old_blocks(before: int) -> Expired:
    """Blocks that ended or were lifted before `before` (Unix ms)."""
    over = or_(blocks.c.until < before, blocks.c.lifted_at < before)
    return Expired(table=blocks, until=blocks.c.at < before, where=and_(over, ~_is_undecided(blocks.c.case_id)))


def old_cases(before: int) -> Expired:
    """Cases that were decided before `before` (Unix ms), with the records of their posts."""
    is_over = and_(cases.c.state == CaseState.DECIDED, cases.c.decided_at < before)
    of_case: ColumnElement[int] = bindparam("of_id")
    unnamed = (update(table).where(table.c.case_id == of_case).values(case_id=null()) for table in (reports, strikes, blocks, audit))
    return Expired(
        table=cases,
        until=cases.c.at < before,
        where=is_over,
        follows=(delete(job_messages).where(job_messages.c.case_id == of_case), *unnamed),
    )


def old_lines(before: int) -> Expired:
    """Lines of the audit log from before `before` (Unix ms), except those of cases that are still there: an appeal may need them."""
    return Expired(table=audit, until=audit.c.at < before, where=~exists().where(cases.c.id == audit.c.case_id))


def _is_undecided(case_id: ColumnElement[int | None]) -> ColumnElement[bool]:
    return exists().where(cases.c.id == case_id, text(UNDECIDED))
