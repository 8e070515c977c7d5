"""Numbers as the current language writes them: 1,234.5 in English, 1.234,5 in German."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from bot.core import i18n

_COMMA: Final = re.compile(r"[+-]?[0-9]+,[0-9]+")
_THOUSANDS: Final = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")


def number(value: float | Decimal, *, decimals: int = 2, fixed: bool = False, grouped: bool = True) -> str:
    """Rounded to at most `decimals` decimals, or shown with exactly that many if `fixed`; thousands are separated if `grouped`."""
    from babel.numbers import format_decimal  # imported and its data read by `i18n.load`, in a thread

    pattern = ("#,##0" if grouped else "0") + (f".{('0' if fixed else '#') * decimals}" if decimals else "")
    return format_decimal(value, format=pattern, locale=i18n.language()).replace("\u202f", "\xa0")  # the chart's font has no narrow blank


def with_point(typed: str) -> str:
    """A typed number with a decimal point in place of a comma. "1,000" stays as it is, because it may also be a thousand."""
    is_decimal = _COMMA.fullmatch(typed) and not _THOUSANDS.fullmatch(typed)
    return typed.replace(",", ".") if is_decimal else typed
