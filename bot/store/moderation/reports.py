"""Members' reports about images. Each operation is one transaction."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, exists, func, or_, select, update

from bot.domain.gestures import FLAGS, Reactors
from bot.domain.moderation.cases import REASON_MAX, Report
from bot.store.engine.base import upsert
from bot.store.tables import reactions, reports


def add(conn: Connection, report: Report) -> bool:
    """Store a report; words are added to a member's own flag. False if this member reported this message before."""
    row = {**vars(report), "reason": report.reason[:REASON_MAX]}
    if conn.execute(upsert(conn.dialect, reports).values(**row).on_conflict_do_nothing()).rowcount:
        return True
    if not report.reason:
        return False
    worded = {"reason": row["reason"], "is_waiting": report.is_waiting, "reaction_stays": False}
    return conn.execute(update(reports).where(_flag_of(report.message_id, report.user_id)).values(**worded)).rowcount == 1


def open_of(conn: Connection, user_id: int, guild_id: int) -> int:
    """How many of a member's reports in words the guild's moderators have not decided about."""
    theirs = and_(reports.c.user_id == user_id, reports.c.guild_id == guild_id, reports.c.outcome.is_(None), reports.c.reason != "")
    is_open = or_(reports.c.is_waiting, reports.c.case_id.is_not(None))
    return conn.scalar(select(func.count()).where(theirs, is_open)) or 0


def waiting(conn: Connection, guild_id: int) -> list[Report]:
    """The reports that were kept while flags were locked, oldest first."""
    undecided = and_(reports.c.guild_id == guild_id, reports.c.outcome.is_(None), reports.c.is_waiting)
    return [read(row) for row in conn.execute(select(reports).where(undecided).order_by(reports.c.id)).mappings()]


def join(conn: Connection, report: Report, case_id: int) -> None:
    """Add a report to the waiting case about its message."""
    theirs = and_(reports.c.message_id == report.message_id, reports.c.user_id == report.user_id)
    conn.execute(update(reports).where(theirs).values(case_id=case_id, is_waiting=False))


def take_back(conn: Connection, message_id: int, user_id: int) -> bool:
    """A member removed a reaction: remove their undecided flag, if none of their reactions flags the message any more.

    False if there is none. A report with a reason cannot be withdrawn, nor a flag whose reaction Easel has taken away.
    """
    flag = and_(reactions.c.message_id == message_id, reactions.c.user_id == user_id, reactions.c.emoji == FLAGS)
    flagging = exists().where(flag, reactions.c.taken_back_at.is_(None))
    return conn.execute(delete(reports).where(_flag_of(message_id, user_id), reports.c.reaction_stays, ~flagging)).rowcount == 1


def withdraw(conn: Connection, message_id: int, user_id: int) -> bool:
    """Remove a member's undecided flag. False if there is none."""
    return conn.execute(delete(reports).where(_flag_of(message_id, user_id))).rowcount == 1


def keep_reaction(conn: Connection, message_id: int, user_id: int) -> None:
    """Easel may not take a flag's reaction away: the flag lasts as long as its reaction."""
    conn.execute(update(reports).where(_flag_of(message_id, user_id)).values(reaction_stays=True))


def has_reactions(conn: Connection, message_id: int) -> bool:
    """Whether some of the undecided flags on a message last only as long as their reaction."""
    return bool(conn.scalar(select(exists().where(_on(message_id), reports.c.reaction_stays))))


def keep_flags_of(conn: Connection, message_id: int, present: Reactors) -> int:
    """Of the undecided flags that last as long as their reaction, remove everyone else's. Returns how many there were."""
    others = and_(reports.c.user_id.not_in(present.user_ids), reports.c.at <= present.at)
    return conn.execute(delete(reports).where(_on(message_id), reports.c.reaction_stays, others)).rowcount


def about(conn: Connection, author_id: int, guild_id: int, *, limit: int = 5) -> list[Report]:
    """The undecided reports about a member's images in a guild, newest first."""
    those = and_(reports.c.author_id == author_id, reports.c.guild_id == guild_id, reports.c.outcome.is_(None))
    query = select(reports).where(those).order_by(reports.c.at.desc(), reports.c.id.desc()).limit(limit)
    return [read(row) for row in conn.execute(query).mappings()]


def read(row: RowMapping) -> Report:
    """The report in a row."""
    return Report(**{name: value for name, value in row.items() if name != "id"})


def _on(message_id: int) -> ColumnElement[bool]:
    """The undecided flags on a message."""
    return and_(reports.c.message_id == message_id, reports.c.outcome.is_(None), reports.c.reason == "")


def _flag_of(message_id: int, user_id: int) -> ColumnElement[bool]:
    return and_(_on(message_id), reports.c.user_id == user_id)
