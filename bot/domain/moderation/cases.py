"""Reports by members, and the cases that moderators decide."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.job import Job

REASON_MAX = 500  # characters


@dataclass(frozen=True, kw_only=True)
class Report:
    """One member's word about the images of one message."""

    at: int  # Unix ms
    channel_id: int
    message_id: int
    user_id: int  # who reports
    reason: str = ""  # in the member's words; empty where a reaction said it all
    guild_id: int | None = None
    job_id: str | None = None
    author_id: int | None = None  # whose image it is
    counts: bool = True  # towards the quorum: its member may flag
    outcome: str | None = None  # "upheld" or "failed", once a case was decided
    case_id: int | None = None


class Cause(StrEnum):
    """Why moderators are asked."""

    FLAGS = "flags"  # enough members pointed at an image
    PROMPT = "prompt"  # a prompt was flagged by a rule or a check, and its image was made
    RESULT = "result"  # a result was flagged or withheld by a check
    REPORT = "report"  # a moderator's own report opens a case at once


class CaseState(StrEnum):
    OPEN = "open"  # waits for a decision
    APPEALED = "appealed"  # was decided, and its author appealed, once
    DECIDED = "decided"  # by a moderator


class Decision(StrEnum):
    """What a moderator decides; each is a button."""

    KEEP = "keep"  # the image stays, a spoiler is taken away
    SPOILER = "spoiler"  # it stays behind a spoiler
    DELETE = "delete"  # it is taken away, with a strike
    BLOCK = "block"  # deleted, and its author may not ask for images for a day
    REFUND = "refund"  # deleted without a strike, and its price is given back


AGAINST = frozenset({Decision.SPOILER, Decision.DELETE, Decision.BLOCK})  # what proves its flaggers right


@dataclass(frozen=True, kw_only=True)
class Case:
    """An image or a prompt that moderators are asked about."""

    id: int
    guild_id: int
    at: int  # Unix ms
    cause: Cause
    state: CaseState
    author_id: int
    channel_id: int
    message_id: int | None
    job_id: str | None
    reason: str
    decision: Decision | None = None
    decided_by: int | None = None
    decided_at: int | None = None
    appeal: str | None = None
    appealed_at: int | None = None
    post_channel_id: int | None = None
    post_message_id: int | None = None

    @property
    def may_be_appealed(self) -> bool:
        """One appeal, against a decision that takes something away."""
        return self.state is CaseState.DECIDED and self.decision in AGAINST and self.appealed_at is None


@dataclass(frozen=True, kw_only=True)
class FlagSummary:
    """What one member told of an image."""

    user_id: int
    reason: str  # their words, if any
    weight: float  # of their flag; 0 where it does not count


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    """A case with what it is about."""

    case: Case
    job: Job | None  # None: it was not made here, or is not known any more
    told: tuple[FlagSummary, ...]  # what members told of the image


@dataclass(frozen=True, kw_only=True)
class CasePage:
    """Some of the cases that wait for a decision, oldest first."""

    files: tuple[CaseFile, ...]
    number: int  # from 0
    waiting: int  # cases on all pages, as far as they are counted
