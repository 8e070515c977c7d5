"""Reports by members, and the cases that moderators decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import Final

from bot.domain.job import Job, JobState

REASON_MAX = 500  # characters
REPORTS_MAX = 5  # of one member in one guild that wait for a decision; flags do not count


@dataclass(frozen=True, kw_only=True)
class Report:
    """One member's report or flag on a message with images."""

    at: int  # Unix ms
    channel_id: int
    message_id: int
    user_id: int  # who reports
    reason: str = ""  # the member's own text; empty for a reaction
    guild_id: int | None = None
    job_id: str | None = None
    author_id: int | None = None  # whose image it is
    counts: bool = True  # counts toward the quorum
    reaction_stays: bool = False  # it lasts as long as its reaction, which Easel may not take away
    is_waiting: bool = False  # its case opens once flags are unlocked
    outcome: str | None = None  # "upheld" or "failed" once its case is decided
    case_id: int | None = None


class Cause(StrEnum):
    """Why the case was opened."""

    FLAGS = "flags"  # enough members flagged the image
    PROMPT = "prompt"  # a rule or a check flagged the prompt, and the image was made
    RESULT = "result"  # a check flagged or withheld the result
    REPORT = "report"  # a report in words, or a moderator's flag, opens a case at once
    BLOCK = "block"  # a blocked member has appealed; the case is about the block, not about an image


class CaseState(StrEnum):
    OPEN = "open"  # waiting for a decision
    APPEALED = "appealed"  # decided, and its author has appealed (once)
    DECIDED = "decided"  # by a moderator


class Decision(StrEnum):
    """What a moderator decides; each is a button."""

    KEEP = "keep"  # the image stays, without a spoiler
    SPOILER = "spoiler"  # the image stays behind a spoiler
    DELETE = "delete"  # the image is deleted, with a strike
    REFUND = "refund"  # deleted without a strike, and the price is refunded
    BLOCK = "block"  # deleted, with a strike, and its author is blocked for a day
    LIFT = "lift"  # of a case about a block: the block ends; KEEP keeps it


AGAINST = frozenset({Decision.SPOILER, Decision.DELETE, Decision.REFUND, Decision.BLOCK})  # the image went, or is hidden: flags are upheld
FINAL = AGAINST - {Decision.SPOILER}  # the image is deleted, which cannot be undone
# What an appeal can still change: a spoiler, a strike, a block. After a refund without a strike there is nothing to take back.
_APPEALABLE = AGAINST - {Decision.REFUND}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An image or a prompt that moderators decide about."""

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
    decision_reason: str = ""  # the moderator's own text
    appeal: str | None = None
    appealed_at: int | None = None
    post_channel_id: int | None = None
    post_message_id: int | None = None

    @property
    def may_be_appealed(self) -> bool:
        """One appeal, against a decision that takes something away."""
        return self.state is CaseState.DECIDED and self.decision in _APPEALABLE and self.appealed_at is None


class HiddenBy(StrEnum):
    """Who put an image behind a spoiler after it was shown."""

    REPORTS = "reports"  # enough members flagged it, and no moderator has decided yet
    MODERATOR = "moderator"
    AUTHOR = "author"


@dataclass(frozen=True, kw_only=True)
class FlagSummary:
    """One member's flag or report on an image."""

    user_id: int
    reason: str  # their own text, or empty
    weight: float  # current weight of the flag; 0 if it does not count


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    """A case with its job and flags."""

    case: Case
    job: Job | None  # None: not made by Easel, or erased
    flags: tuple[FlagSummary, ...]
    direct: bool = False  # the image is in direct messages

    @property
    def withheld(self) -> tuple[int, ...]:
        """The numbers of the images that a check withheld, and that can still be shown to moderators."""
        job = self.job
        return () if job is None or job.state is JobState.DELETED else tuple(g.n for g in job.withheld)

    @property
    def subject(self) -> CaseSubject:
        """What the case is about."""
        if self.case.cause is Cause.BLOCK:
            return CaseSubject.BLOCK
        if self.job is None:
            return CaseSubject.UNKNOWN if self.case.job_id is None else CaseSubject.IMAGE
        return CaseSubject.of(self.job)


class CaseSubject(Enum):
    """What moderators decide about."""

    IMAGE = auto()
    WITHHELD = auto()  # nobody has seen it, and it was refunded
    UNKNOWN = auto()  # Easel did not make it, and cannot hide or refund it
    BLOCK = auto()  # no image: the appeal of a blocked member

    @classmethod
    def of(cls, job: Job) -> CaseSubject:
        """Of an image that Easel made."""
        return cls.WITHHELD if job.is_withheld else cls.IMAGE


DECISIONS: Final[Mapping[CaseSubject, tuple[Decision, ...]]] = MappingProxyType(
    {
        CaseSubject.IMAGE: (Decision.KEEP, Decision.SPOILER, Decision.DELETE, Decision.REFUND, Decision.BLOCK),
        CaseSubject.WITHHELD: (Decision.KEEP, Decision.DELETE, Decision.BLOCK),
        CaseSubject.UNKNOWN: (Decision.KEEP, Decision.DELETE, Decision.BLOCK),
        CaseSubject.BLOCK: (Decision.KEEP, Decision.LIFT),
    }
)


@dataclass(frozen=True, kw_only=True)
class CasePage:
    """A page of undecided cases, oldest first."""

    files: tuple[CaseFile, ...]
    number: int  # from 0
    waiting: int  # number of undecided cases, up to the limit that was counted
