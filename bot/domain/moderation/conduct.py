"""What moderators may know of a member."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.job import Job
from bot.domain.moderation.cases import Case, Report

LATELY_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class BlockRow:
    """A member may not ask for images on a server."""

    id: int
    guild_id: int
    user_id: int
    at: int  # Unix ms
    until: int | None  # Unix ms; None: until it is lifted
    reason: str
    by_id: int | None  # None: strikes
    case_id: int | None
    lifted_at: int | None
    lifted_by: int | None


@dataclass(frozen=True, kw_only=True)
class MemberConduct:
    """What is held against a member of a server."""

    points: float  # of strikes, as they have faded by now
    strikes: int  # that were given and not taken back
    block: BlockRow | None
    cases: tuple[Case, ...]  # about them, oldest first


@dataclass(frozen=True, kw_only=True)
class UsageSum:
    """Images that were made, and what they cost in microcredits; what proved unusable is not among them."""

    images: int
    spent: int


@dataclass(frozen=True, kw_only=True)
class MemberRecord:
    """A member's use of this server."""

    lately: UsageSum
    ever: UsageSum
    latest: tuple[Job, ...]  # with an image that others may see, newest first
    reports: tuple[Report, ...]  # about the member's images, newest first
