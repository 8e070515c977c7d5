"""Members' reports about images. Each operation is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping, and_, delete, exists, select

from bot.domain.gestures import FLAGS, Reactors
from bot.domain.moderation.cases import REASON_MAX, Report
from bot.store.engine.base import upsert
from bot.store.tables import reactions, reports


def add(conn: Connection, report: Report) -> bool:
    """Store a report. False if this member reported this message before."""
    row = {**vars(report), "reason": report.reason[:REASON_MAX]}
    return conn.execute(upsert(conn.dialect, reports).values(**row).on_conflict_do_nothing()).rowcount == 1


def take_back(conn: Connection, message_id: int, user_id: int) -> bool:
    """Remove a member's undecided report by reaction, if none of their reactions flags the message any more.

    False if there is none; a report with a reason cannot be withdrawn.
    """
    mine = and_(reports.c.message_id == message_id, reports.c.user_id == user_id, reports.c.outcome.is_(None), reports.c.reason == "")
    flag = and_(reactions.c.message_id == message_id, reactions.c.user_id == user_id, reactions.c.emoji == FLAGS)
    flagging = exists().where(flag, reactions.c.taken_back_at.is_(None))
    return conn.execute(delete(reports).where(mine, ~flagging)).rowcount == 1


def keep_flags_of(conn: Connection, message_id: int, present: Reactors) -> int:
    """Remove the undecided reports by reaction of everyone else. Returns how many there were."""
    others = and_(reports.c.user_id.not_in(present.user_ids), reports.c.at <= present.at)
    undecided = and_(reports.c.message_id == message_id, reports.c.outcome.is_(None), reports.c.reason == "")
    return conn.execute(delete(reports).where(undecided, others)).rowcount


def about(conn: Connection, author_id: int, guild_id: int, *, limit: int = 5) -> list[Report]:
    """The undecided reports about a member's images in a guild, newest first."""
    those = and_(reports.c.author_id == author_id, reports.c.guild_id == guild_id, reports.c.outcome.is_(None))
    query = select(reports).where(those).order_by(reports.c.at.desc(), reports.c.id.desc()).limit(limit)
    return [read(row) for row in conn.execute(query).mappings()]


def read(row: RowMapping) -> Report:
    """The report in a row."""
    return Report(**{name: value for name, value in row.items() if name != "id"})
