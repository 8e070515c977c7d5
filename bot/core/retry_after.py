"""The header Retry-After (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_MAX_RETRY_AFTER_S: Final = 3600.0


def read_retry_after(header: str | None) -> float | None:
    """Seconds to wait, from a number or a date; at most an hour. None if the header is missing or malformed."""
    if header is None:
        return None
    try:
        wait = float(header) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", header.strip()) else _seconds_until(header)
    except (ValueError, TypeError):
        return None
    return min(max(wait, 0.0), _MAX_RETRY_AFTER_S)


def _seconds_until(date: str) -> float:
    return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
