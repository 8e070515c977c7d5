"""Lines of the ledger, and an account's statement. Amounts are microcredits, times Unix milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Entry(StrEnum):
    OPEN = "open"  # the account began, with a full bucket
    REFILL = "refill"  # what flowed back since the last one
    HOLD = "hold"  # set aside for an image that was ordered
    SETTLE = "settle"  # the held price was paid
    RELEASE = "release"  # the held price went back: no image
    REFUND = "refund"  # a paid price went back: the image proved unusable, or a moderator was kind
    SIZE = "size"  # a limit was given another size
    GRANT = "grant"  # a manager gave it, from nothing
    REWARD = "reward"  # the server gave it, from nothing, for an image that many liked
    GIFT = "gift"  # between two members
    SPONSOR = "sponsor"  # a host put it in for everyone in a thread
    RETURN = "return"  # what was left of that went back to the host


@dataclass(frozen=True, kw_only=True)
class LedgerLine:
    """One line: what it added to each of the account's three amounts."""

    at: int
    entry: Entry
    available: int
    held: int
    spent: int
    job_id: str | None
    n: int | None
    other: str | None = None  # the account at the other end
    by_id: int | None = None  # the person who did it
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Statement:
    """An account as it is at one moment, with its latest lines, newest first."""

    available: int
    held: int
    spent: int
    full_at: int | None  # Unix ms, not after the moment of asking where it is full now; None where nothing flows back
    lines: tuple[LedgerLine, ...]
