"""Pure arithmetic of credits: buckets that refill continuously. Amounts are integers, in microcredits; times are Unix milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

MICRO = 1_000_000  # microcredits in a credit
DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """How much a member may hold, and how fast it flows back; both in microcredits."""

    size: int
    refill_per_day: int


def available_at(bucket: Bucket, *, available: int, held: int, as_of: int, now: int) -> int:
    """What can be spent at `now`, if `available` could be at `as_of` and nothing else happened since.

    What is held takes room in the bucket until it ends. A bucket that holds more than its size (after the setting was lowered)
    loses nothing and gains nothing; a clock that went backwards gives nothing.
    """
    flowed = bucket.refill_per_day * max(0, now - as_of) // DAY_MS
    room = max(0, bucket.size - held - available)
    return available + min(flowed, room)


def full_at(bucket: Bucket, *, available: int, held: int, as_of: int, now: int) -> int | None:
    """When the bucket is full beside what is held: `now` if it is already, None if nothing flows back."""
    return _reaches(bucket, bucket.size - held, available=available, as_of=as_of, now=now)


def affordable_at(bucket: Bucket, *, available: int, as_of: int, now: int, price: int) -> int | None:
    """When `price` can be spent at the earliest, supposing that what is held ends by then; None if it never can be."""
    if price > max(bucket.size, available):
        return None
    return _reaches(bucket, price, available=available, as_of=as_of, now=now)


def _reaches(bucket: Bucket, level: int, *, available: int, as_of: int, now: int) -> int | None:
    missing = level - available
    if missing <= 0:
        return now
    if bucket.refill_per_day <= 0:
        return None
    return max(now, as_of - (-missing * DAY_MS // bucket.refill_per_day))  # rounded up: never a moment too early


def microcredits(amount: float) -> int:
    """An amount of credits in microcredits, a fraction of one rounded up."""
    return int((Decimal(str(amount)) * MICRO).to_integral_value(ROUND_CEILING))


def in_credits(micro: int, *, up: bool = False) -> str:
    """An amount for people: "20", "1.4", "0.05"; at most two decimals.

    Rounded towards zero, so that nobody is promised more than is there; with `up` away from it, for prices.
    """
    hundredths, rest = divmod(abs(micro), MICRO // 100)
    hundredths += bool(rest) and up
    whole, part = divmod(hundredths, 100)
    sign = "-" if micro < 0 < hundredths else ""
    return f"{sign}{whole}.{part:02d}".rstrip("0").rstrip(".")
