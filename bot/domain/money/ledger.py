"""Lines of the ledger, and an account's statement. Amounts are microcredits, times Unix milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Entry(StrEnum):
    OPEN = "open"  # the account was opened with a full bucket
    REFILL = "refill"  # refill of the bucket since the last line
    HOLD = "hold"  # the price of an ordered image is reserved
    SETTLE = "settle"  # the held price was paid
    RELEASE = "release"  # the held price was returned, because there is no image
    REFUND = "refund"  # a paid price was returned: the image was unusable, or a moderator refunded it
    CORRECT = "correct"  # the image API charged more or less than was counted
    SIZE = "size"  # the limit was changed
    GRANT = "grant"  # new credits from a manager
    REWARD = "reward"  # new credits for an image in the gallery
    GIFT = "gift"  # from one member to another
    SPONSOR = "sponsor"  # from a host to a sponsorship
    RETURN = "return"  # the rest of a sponsorship, back to the host
    CARRY = "carry"  # the sum of old lines


@dataclass(frozen=True, kw_only=True)
class LedgerLine:
    """One line, with the change of each of the three amounts of the account."""

    at: int
    entry: Entry
    available: int
    held: int
    spent: int
    job_id: str | None
    n: int | None
    other: str | None = None  # the other account of a transfer
    by_id: int | None = None  # the user who caused it
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Statement:
    """An account at one moment, with its latest lines, newest first."""

    available: int
    held: int
    spent: int
    full_at: int | None  # Unix ms; not in the future if it is full now; None without a refill
    lines: tuple[LedgerLine, ...]
