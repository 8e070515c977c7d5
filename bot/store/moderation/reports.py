"""What members told the moderators about an image. Each operation is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping, and_, delete, select

from bot.domain.moderation.cases import REASON_MAX, Report
from bot.store.engine.base import upsert
from bot.store.tables import reports


def add(conn: Connection, report: Report) -> bool:
    """Keep a report. False, and nothing done, where this member has reported this message before."""
    row = {**vars(report), "reason": report.reason[:REASON_MAX]}
    return conn.execute(upsert(conn, reports).values(**row).on_conflict_do_nothing()).rowcount == 1


def take_back(conn: Connection, message_id: int, user_id: int) -> bool:
    """A member takes a reaction's report back that no case was decided by. False where there is none: words stay said."""
    mine = and_(reports.c.message_id == message_id, reports.c.user_id == user_id, reports.c.outcome.is_(None), reports.c.reason == "")
    return conn.execute(delete(reports).where(mine)).rowcount == 1


def about(conn: Connection, author_id: int, guild_id: int, *, limit: int = 5) -> list[Report]:
    """What was reported about a member's images in a server and is not decided, newest first."""
    those = and_(reports.c.author_id == author_id, reports.c.guild_id == guild_id, reports.c.outcome.is_(None))
    query = select(reports).where(those).order_by(reports.c.at.desc(), reports.c.id.desc()).limit(limit)
    return [read(row) for row in conn.execute(query).mappings()]


def read(row: RowMapping) -> Report:
    """A row of the table as a value."""
    return Report(**{name: value for name, value in row.items() if name != "id"})
