"""When to try again: the header Retry-After (RFC 9110, section 10.2.3), and the other forms in which services say it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from bot.core.clock import steady

_MAX_RETRY_AFTER_S: Final = 3600.0
_MAX_LIMIT_S: Final = 31 * 86_400.0  # a limit may be that of a month
_NUMBER: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_AMOUNT: Final = r"[0-9]{1,9}(?:\.[0-9]{1,9})?\s*(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
_PARTS: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)", re.IGNORECASE)
_SPOKEN: Final = re.compile(
    rf"\b(?:again|retry|wait|available|resets?)\b[^0-9.;]{{0,40}}?({_AMOUNT}(?:[\s,]*(?:and\s+)?{_AMOUNT}){{0,3}})", re.IGNORECASE
)
_FIELDS: Final = {
    "retry_after": 1.0,
    "retryafter": 1.0,
    "retry_after_s": 1.0,
    "retry_after_seconds": 1.0,
    "retry_after_ms": 0.001,
    "retrydelay": 1.0,
}
_DEPTH: Final = 4
_RESETS: Final = ("x-ratelimit-reset-requests", "x-ratelimit-reset-images", "ratelimit-reset", "x-ratelimit-reset")
_FIRST_MOMENT_S: Final = 1e9  # of what is a moment and no duration


def read_retry_after(header: str | None) -> float | None:
    """Seconds to wait, from a number or a date; at most an hour. None if the header is missing or malformed."""
    wait = _from_header(header, _now())
    return None if wait is None else min(wait, _MAX_RETRY_AFTER_S)


def read_wait(headers: Mapping[str, str], body: object, text: str) -> float | None:
    """Seconds to wait, by an answer's headers, by fields of its body, or by its `text`; at most a month. None if it does not say.

    A date is compared with the service's own clock, its `Date`.
    """
    found = (
        _scaled(headers.get("retry-after-ms"), 0.001),
        _from_header(headers.get("Retry-After"), _date(headers.get("Date")) or _now()),
        next(_from_fields(body, _DEPTH), None),
        _from_text(text),
        next((wait for name in _RESETS if (wait := _from_reset(headers.get(name))) is not None), None),
    )
    wait = next((each for each in found if each is not None), None)
    return None if wait is None else min(wait, _MAX_LIMIT_S)


def _now() -> datetime:
    return datetime.fromtimestamp(steady() / 1000, UTC)


def _from_reset(header: str | None) -> float | None:
    """A duration, seconds, or a moment in Unix seconds."""
    wait = _scaled(header, 1.0)
    if wait is None:
        return _sum_of(header or "")
    return wait if wait < _FIRST_MOMENT_S else max(wait - steady() / 1000, 0.0)


def server_time(headers: Mapping[str, str]) -> float | None:
    """The service's clock by its header `Date`, in Unix seconds."""
    date = _date(headers.get("Date"))
    return None if date is None else date.timestamp()


def _from_header(header: str | None, now: datetime) -> float | None:
    if header is None:
        return None
    if _NUMBER.fullmatch(header.strip()):
        return float(header)
    date = _date(header)
    return None if date is None else max((date - now).total_seconds(), 0.0)


def _date(header: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(header or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _scaled(value: object, seconds: float) -> float | None:
    text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return float(text) * seconds if _NUMBER.fullmatch(text) else None


def _from_fields(body: object, depth: int) -> Iterator[float]:
    """`retry_after` and the like, and Google's `retryDelay`, at any of the first levels."""
    if not depth:
        return
    if isinstance(body, list):
        for each in body[:20]:
            yield from _from_fields(each, depth - 1)
    elif isinstance(body, Mapping):
        for name, value in list(body.items())[:50]:
            unit = _FIELDS.get(str(name).casefold().replace("-", "_"))
            wait = None if unit is None else _scaled(value, unit)
            if wait is None and unit is not None and isinstance(value, str):
                wait = _sum_of(value)
            if wait is not None:
                yield wait
            elif isinstance(value, Mapping | list):
                yield from _from_fields(value, depth - 1)


def _from_text(text: str) -> float | None:
    """ "Please try again in 12s.", "in 6m0s", "Retry after 30 seconds"."""
    spoken = _SPOKEN.search(text[:2000])
    return _sum_of(spoken[1]) if spoken else None


def _sum_of(text: str) -> float | None:
    if not re.match(_AMOUNT, text.strip(), re.IGNORECASE):
        return None
    return sum(float(number) * _unit(unit) for number, unit in _PARTS.findall(text))


def _unit(name: str) -> float:
    name = name.casefold()
    return _UNITS["ms"] if name.startswith(("ms", "milli")) else _UNITS[name[0]]
