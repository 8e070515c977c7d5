"""The audit log: every decision and every change of a setting, in the transaction that makes it. Lines are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, insert, select

from bot.store.tables import audit


class AuditAction(StrEnum):
    """What was done. Its past tense is what the log says."""

    BLOCKED = "blocked"  # a member, by a moderator or by strikes
    UNBLOCKED = "unblocked"
    STRUCK = "struck"  # a strike was given
    PARDONED = "pardoned"  # the strikes of a case were taken back
    CASE_OPENED = "case_opened"
    CASE_DECIDED = "case_decided"
    APPEALED = "appealed"  # by the author
    DELETED = "deleted"  # an image, by a moderator
    SPOILERED = "spoilered"
    REFUNDED = "refunded"
    PURGED = "purged"  # every image of a member
    WITHHELD = "withheld"  # a prompt was not made, or a result not shown, by a check
    SETTINGS = "settings"  # a server's rules were changed
    GRANTED = "granted"  # credits, by a manager
    GIFTED = "gifted"  # credits, between members
    SPONSORED = "sponsored"  # a thread was paid for
    REWARDED = "rewarded"  # by the gallery
    ERASED = "erased"  # a member took their data away


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """One thing that somebody did. `actor_id` None: Easel itself, by a rule."""

    action: AuditAction
    at: int  # Unix ms
    guild_id: int | None = None
    actor_id: int | None = None
    target_id: int | None = None  # the member it is about
    job_id: str | None = None
    case_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)  # JSON
    id: int | None = None


def note(conn: Connection, line: AuditLine) -> None:
    """Add a line."""
    values = {name: value for name, value in vars(line).items() if name != "id"}
    conn.execute(insert(audit).values(**{**values, "details": dict(line.details)}))


def latest(conn: Connection, guild_id: int, *, target_id: int | None = None, before: int | None = None, limit: int = 20) -> list[AuditLine]:
    """A server's lines, newest first; of one member alone, or those before a line's id."""
    wanted = [audit.c.guild_id == guild_id]
    wanted += [audit.c.target_id == target_id] if target_id is not None else []
    wanted += [audit.c.id < before] if before is not None else []
    rows = conn.execute(select(audit).where(and_(*wanted)).order_by(audit.c.id.desc()).limit(limit)).mappings()
    return [AuditLine(**{**row, "action": AuditAction(row["action"])}) for row in rows]
