"""Lines of a guild's audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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
