"""What a guild used: rows told apart by member, model or day, and the table for spreadsheets. Amounts are microcredits."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum

from bot.domain.money import quota


class GroupBy(StrEnum):
    """What rows are told apart by."""

    MEMBER = "user_id"
    MODEL = "model"
    DAY = "day"


@dataclass(frozen=True, kw_only=True)
class UsageRow:
    """What belongs together; None in what it is not told apart by."""

    user_id: int | None = None
    model: str | None = None
    day: date | None = None
    images: int
    failed: int
    cost: int  # of the images, as it was paid to the image API
    refunded: int  # of that, what was given back to those who paid

    def usd(self, credit_usd: float) -> str:
        """What the images cost in US dollars, to four decimals."""
        return f"{quota.in_usd(self.cost, credit_usd):.4f}"


def as_csv(found: Sequence[UsageRow], *, credit_usd: float) -> str:
    """A table for spreadsheets with a heading; ids are text there, for they have more digits than a spreadsheet's numbers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerows(_table(found, credit_usd))
    return out.getvalue()


def _table(found: Sequence[UsageRow], credit_usd: float) -> Iterator[list[str]]:
    names = [each.name.replace("images", "pictures") for each in fields(UsageRow) if each.name not in ("cost", "refunded")]
    yield [*names, "credits", "credits_refunded", "usd"]
    for each in found:
        keys = [f"'{each.user_id}" if each.user_id else "", _harmless(each.model or ""), each.day.isoformat() if each.day else ""]
        amounts = [str(each.cost / quota.MICRO), str(each.refunded / quota.MICRO), each.usd(credit_usd)]
        yield [*keys, str(each.images), str(each.failed), *amounts]


def _harmless(text: str) -> str:
    """A spreadsheet would take what begins like this for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
