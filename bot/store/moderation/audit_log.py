"""The audit log: every decision and every change of settings, written in the same transaction. Append-only."""

from __future__ import annotations

from sqlalchemy import Connection, and_, insert, select

from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.store.tables import audit, jobs


def note(conn: Connection, line: AuditLine) -> None:
    """Add a line."""
    values = {name: value for name, value in vars(line).items() if name != "id"}
    conn.execute(insert(audit).values(**{**values, "details": dict(line.details)}))


def note_own(conn: Connection, action: AuditAction, job_id: str, now: int) -> None:
    """Add a line about what an author does to an image of theirs, if it is shown in public in a guild."""
    public = and_(jobs.c.id == job_id, jobs.c.guild_id.is_not(None), jobs.c.private.is_(False))
    own = select(jobs.c.guild_id, jobs.c.user_id).where(public)
    for row in conn.execute(own):
        note(conn, AuditLine(action=action, at=now, guild_id=row.guild_id, actor_id=row.user_id, target_id=row.user_id, job_id=job_id))


def latest(
    conn: Connection,
    guild_id: int,
    *,
    action: AuditAction | None = None,
    target_id: int | None = None,
    before: int | None = None,
    limit: int = 20,
) -> list[AuditLine]:
    """A guild's lines, newest first; only those of `action`, about `target_id`, or with an id below `before`, if given."""
    wanted = [audit.c.guild_id == guild_id]
    wanted += [audit.c.action == action] if action is not None else []
    wanted += [audit.c.target_id == target_id] if target_id is not None else []
    wanted += [audit.c.id < before] if before is not None else []
    rows = conn.execute(select(audit).where(and_(*wanted)).order_by(audit.c.id.desc()).limit(limit)).mappings()
    return [AuditLine(**{**row, "action": AuditAction(row["action"])}) for row in rows]
