"""Usage of a guild, grouped by member, model or day, also as CSV. Amounts are microcredits."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum

from bot.domain.money import quota


class GroupBy(StrEnum):
    """A key of usage rows. The values are field names of `UsageRow`."""

    MEMBER = "user_id"
    MODEL = "model"
    DAY = "day"


@dataclass(frozen=True, kw_only=True)
class UsageRow:
    """Totals of one group. Keys that rows are not grouped by are None."""

    user_id: int | None = None
    model: str | None = None
    day: date | None = None
    images: int
    failed: int
    price: int  # what members paid
    refunded: int  # the part of `price` that was refunded
    cost: int  # what the image APIs charged; for images whose charge is not known, at most
    corrected: int = 0  # how much of `cost` is above what was counted before the charges were known; may be negative

    def usd(self, credit_usd: float) -> str:
        """The cost in US dollars, with four decimals."""
        return f"{quota.in_usd(self.cost, credit_usd):.4f}"


def total(rows: Sequence[UsageRow]) -> UsageRow:
    """The sum of these rows, without keys."""
    sums = {name: sum(getattr(row, name) for row in rows) for name in ("images", "failed", "price", "refunded", "cost", "corrected")}
    return UsageRow(**sums)


def as_csv(found: Sequence[UsageRow], *, credit_usd: float) -> str:
    """CSV with a header row. Ids are written as text, because they have more digits than a number in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerows(_table(found, credit_usd))
    return out.getvalue()


def _table(found: Sequence[UsageRow], credit_usd: float) -> Iterator[list[str]]:
    names = [
        each.name.replace("images", "pictures") for each in fields(UsageRow) if each.name not in ("price", "refunded", "cost", "corrected")
    ]
    yield [*names, "credits", "credits_refunded", "usd"]
    for each in found:
        keys = [f"'{each.user_id}" if each.user_id else "", _harmless(each.model or ""), each.day.isoformat() if each.day else ""]
        amounts = [str(each.price / quota.MICRO), str(each.refunded / quota.MICRO), each.usd(credit_usd)]
        yield [*keys, str(each.images), str(each.failed), *amounts]


def _harmless(text: str) -> str:
    """Quote text that a spreadsheet would run as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
