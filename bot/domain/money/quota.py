"""Pure arithmetic of credits: buckets that refill continuously, limits that do not, months, and what credits are in money.

Amounts are integers, in microcredits; times are Unix milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

MICRO = 1_000_000  # microcredits in a credit
DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """How much a member may hold, and how fast it flows back; both in microcredits."""

    size: int
    refill_per_day: int


EMPTY = Bucket(size=0, refill_per_day=0)  # holds what others put in, and nothing else


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A fixed amount that all that is held and spent counts against; nothing flows back."""

    size: int

    def left(self, *, held: int, spent: int) -> int:
        """What can still be spent; nothing where more than the size is spent already, because it was larger once."""
        return max(0, self.size - held - spent)


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


def from_usd(dollars: float | Decimal, credit_usd: float) -> int:
    """How many microcredits a sum in US dollars pays for, rounded down: a budget is never exceeded by a rounding."""
    return int((Decimal(str(dollars)) / Decimal(str(credit_usd)) * MICRO).to_integral_value(ROUND_FLOOR))


def in_usd(micro: int, credit_usd: float) -> Decimal:
    """An amount of microcredits in US dollars, exactly."""
    return Decimal(micro) * Decimal(str(credit_usd)) / MICRO


def month_of(now: int) -> str:
    """The month in UTC, as "2026-11"."""
    return f"{_utc(now):%Y-%m}"


def this_month(now: int) -> int:
    """When the month began in UTC, in Unix ms."""
    day = _utc(now)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * 1000


def next_month(now: int) -> int:
    """When the next month begins in UTC, in Unix ms."""
    day = _utc(now)
    year, month = divmod(12 * day.year + day.month, 12)  # months are counted from 1: this is the next one's, from 0
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * 1000


def _utc(now: int) -> datetime:
    return datetime.fromtimestamp(now / 1000, tz=UTC)


def in_credits(micro: int, *, up: bool = False) -> str:
    """An amount for people: "20", "1.4", "0.05"; at most two decimals.

    Rounded towards zero, so that nobody is promised more than is there; with `up` away from it, for prices.
    """
    hundredths, rest = divmod(abs(micro), MICRO // 100)
    hundredths += bool(rest) and up
    whole, part = divmod(hundredths, 100)
    sign = "-" if micro < 0 < hundredths else ""
    return f"{sign}{whole}.{part:02d}".rstrip("0").rstrip(".")
