"""Arithmetic of credits: buckets that refill continuously, limits that do not, months, and conversion to US dollars.

Amounts are integers, in microcredits; times are Unix milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bot.core.i18n import ngettext
from bot.core.numbers import number

MICRO = 1_000_000  # microcredits in a credit
DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A token bucket's size and refill, in microcredits."""

    size: int
    refill_per_day: int


EMPTY = Bucket(size=0, refill_per_day=0)  # has no refill: contains only what others paid in


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A fixed amount in microcredits. Everything held and spent counts against it; it does not refill."""

    size: int

    def left(self, *, held: int, spent: int) -> int:
        """What can still be spent. Never negative, even if more was spent before the size was lowered."""
        return max(0, self.size - held - spent)


def available_at(bucket: Bucket, *, available: int, held: int, as_of: int, now: int) -> int:
    """The amount available at `now`, given `available` at `as_of` and no bookings since.

    Holds count towards the size. A bucket above its size (after the setting was lowered) neither gains nor loses; a clock that went
    backwards adds nothing.
    """
    flowed = bucket.refill_per_day * max(0, now - as_of) // DAY_MS
    space = max(0, bucket.size - held - available)
    return available + min(flowed, space)


def full_at(bucket: Bucket, *, available: int, held: int, as_of: int, now: int) -> int | None:
    """When the bucket is full, counting holds: `now` if it is already, None if it never refills."""
    return _reaches(bucket, bucket.size - held, available=available, as_of=as_of, now=now)


def affordable_at(bucket: Bucket, *, available: int, as_of: int, now: int, price: int) -> int | None:
    """The earliest time when `price` is available, assuming that holds have ended by then; None if never."""
    if price > max(bucket.size, available):
        return None
    return _reaches(bucket, price, available=available, as_of=as_of, now=now)


def _reaches(bucket: Bucket, level: int, *, available: int, as_of: int, now: int) -> int | None:
    missing = level - available
    if missing <= 0:
        return now
    if bucket.refill_per_day <= 0:
        return None
    return max(now, as_of - (-missing * DAY_MS // bucket.refill_per_day))  # rounded up, so never too early


def microcredits(amount: float) -> int:
    """Credits in microcredits, rounded up."""
    return int((Decimal(str(amount)) * MICRO).to_integral_value(ROUND_CEILING))


def from_usd(dollars: float | Decimal, credit_usd: float) -> int:
    """US dollars in microcredits, rounded down so that rounding never exceeds a budget."""
    return int((Decimal(str(dollars)) / Decimal(str(credit_usd)) * MICRO).to_integral_value(ROUND_FLOOR))


def in_usd(micro: int, credit_usd: float) -> Decimal:
    """Microcredits in US dollars, exact."""
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
    year, month = divmod(12 * day.year + day.month, 12)  # `day.month` counts from 1, so this is the next month counted from 0
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * 1000


def _utc(now: int) -> datetime:
    return datetime.fromtimestamp(now / 1000, tz=UTC)


def in_credits(micro: int, *, up: bool = False) -> str:
    """Microcredits as credits for people, in the current language: "20", "1.4", "0.05".

    At most two decimals. Balances are rounded towards zero; prices, with `up`, away from zero.
    """
    hundredths, rest = divmod(abs(micro), MICRO // 100)
    hundredths += bool(rest) and up
    return number(Decimal(-hundredths if micro < 0 else hundredths) / 100)


def with_unit(micro: int, *, up: bool = False) -> str:
    """Like `in_credits`, with the unit: "1 credit", "1.4 credits"."""
    amount = in_credits(micro, up=up)
    return ngettext("{amount} credit", "{amount} credits", plural_count(amount)).format(amount=amount)


def plural_count(amount: str) -> int:
    """The count that picks the plural form for an amount, which may be a fraction."""
    return 1 if amount == "1" else 2
