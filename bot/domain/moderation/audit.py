"""Lines of a guild's audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class AuditAction(StrEnum):
    """What was done."""

    BLOCKED = "blocked"  # a member, by a moderator or for too many strikes
    UNBLOCKED = "unblocked"
    STRUCK = "struck"  # a strike was given
    PARDONED = "pardoned"  # the strikes of a case were removed
    CASE_OPENED = "case_opened"
    CASE_DECIDED = "case_decided"
    APPEALED = "appealed"  # by the author
    DELETED = "deleted"  # an image, by a moderator
    DELETED_OWN = "deleted_own"  # an image that others saw, by its author
    SPOILERED = "spoilered"
    SPOILERED_OWN = "spoilered_own"  # by its author
    UNCOVERED = "uncovered"  # a spoiler was removed
    CANCELLED = "cancelled"  # an image in progress, by a moderator
    REFUNDED = "refunded"
    PURGED = "purged"  # every image of a member
    TOO_SLOW = "too_slow"  # the prompt rules took too long for a prompt, which was refused
    WITHHELD = "withheld"  # a check stopped a prompt or a result
    SETTINGS = "settings"  # of the guild were changed
    SETTINGS_GONE = "settings_gone"  # they name channels or roles that were deleted
    GRANTED = "granted"  # credits, by a manager
    GIFTED = "gifted"  # credits, between members
    SPONSORED = "sponsored"  # a member pays for a channel or thread
    SPONSOR_STOPPED = "sponsor_stopped"  # by a moderator, or because the channel is gone
    REWARDED = "rewarded"  # credits for an image in the gallery
    ERASED = "erased"  # a member erased their data


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """One action. `actor_id` is None if Easel did it by a rule."""

    action: AuditAction
    at: int  # Unix ms
    guild_id: int | None = None
    actor_id: int | None = None
    target_id: int | None = None  # the member that the action is about
    job_id: str | None = None
    case_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)  # JSON
    id: int | None = None
