"""What moderators may know of a member."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.job import Job
from bot.domain.moderation.cases import Case, Report

LATELY_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class BlockRow:
    """A block: the member may not order images in this guild."""

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

    def may_be_appealed(self, now: int) -> bool:
        """Once, while it is in force. One that follows from a case is appealed with that case."""
        return self.case_id is None and self.lifted_at is None and (self.until is None or self.until > now)


@dataclass(frozen=True, kw_only=True)
class MemberConduct:
    """A member's moderation status in a guild."""

    points: float  # of strikes, after decay
    strikes: int  # given and not removed
    block: BlockRow | None
    cases: tuple[Case, ...]  # about them, oldest first


@dataclass(frozen=True, kw_only=True)
class UsageSum:
    """Images that were made and usable, and their price in microcredits."""

    images: int
    spent: int


@dataclass(frozen=True, kw_only=True)
class MemberRecord:
    """A member's usage of a guild, and reports about them."""

    lately: UsageSum
    ever: UsageSum
    latest: tuple[Job, ...]  # with a public image, newest first
    reports: tuple[Report, ...]  # about the member's images, newest first
