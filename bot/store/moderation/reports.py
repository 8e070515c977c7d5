"""Members' reports about images. Each operation is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping, and_, delete, select

from bot.domain.moderation.cases import REASON_MAX, Report
from bot.store.engine.base import upsert
from bot.store.tables import reports


def add(conn: Connection, report: Report) -> bool:
    """Store a report. False if this member reported this message before."""
    row = {**vars(report), "reason": report.reason[:REASON_MAX]}
    return conn.execute(upsert(conn.dialect, reports).values(**row).on_conflict_do_nothing()).rowcount == 1


def take_back(conn: Connection, message_id: int, user_id: int) -> bool:
    """Remove a member's undecided report by reaction. False if there is none; a report with a reason cannot be withdrawn."""
    mine = and_(reports.c.message_id == message_id, reports.c.user_id == user_id, reports.c.outcome.is_(None), reports.c.reason == "")
    return conn.execute(delete(reports).where(mine)).rowcount == 1


def about(conn: Connection, author_id: int, guild_id: int, *, limit: int = 5) -> list[Report]:
    """The undecided reports about a member's images in a guild, newest first."""
    those = and_(reports.c.author_id == author_id, reports.c.guild_id == guild_id, reports.c.outcome.is_(None))
    query = select(reports).where(those).order_by(reports.c.at.desc(), reports.c.id.desc()).limit(limit)
    return [read(row) for row in conn.execute(query).mappings()]


def read(row: RowMapping) -> Report:
    """The report in a row."""
    return Report(**{name: value for name, value in row.items() if name != "id"})
