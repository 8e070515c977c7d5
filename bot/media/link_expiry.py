"""Until when a presigned link works, as far as its query says.

Sources: AWS Signature Version 4 (`X-Amz-Date`, `X-Amz-Expires`), Google Cloud Storage's V4 signing (`X-Goog-...`), CloudFront and older
signatures of both (`Expires`, Unix seconds), Azure's shared access signatures (`se`, ISO 8601).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_SIGNERS: Final = ("x-amz", "x-goog")


def expiry_ms(url: str) -> int | None:
    """Unix ms. None if the link does not say it, or not in a form that is known here."""
    try:
        found = _expiry({name.lower(): value for name, value in parse_qsl(urlsplit(url).query)})
        return None if found is None else int(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _expiry(query: Mapping[str, str]) -> datetime | None:
    """Raises `ValueError` or `OverflowError` for values that are none."""
    for signer in _SIGNERS:
        if f"{signer}-date" in query:
            signed_at = datetime.strptime(query[f"{signer}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed_at + timedelta(seconds=int(query.get(f"{signer}-expires", "")))
    if "expires" in query:
        return datetime.fromtimestamp(float(query["expires"]), tz=UTC)
    if "se" in query and "sig" in query:
        found = datetime.fromisoformat(query["se"])
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
