"""Until when links work, by the forms of the common storages."""

from __future__ import annotations

import pytest

from bot.services.pipeline.delivery.links import expiry_ms

NOON = 1_767_268_800_000  # 2026-01-01 12:00 UTC
KNOWN = [
    "https://s3.test/a.png?X-Amz-Date=20260101T110000Z&X-Amz-Expires=3600&X-Amz-Signature=a",
    "https://storage.test/a.png?X-Goog-Date=20260101T110000Z&X-Goog-Expires=3600",
    "https://cdn.test/a.png?Expires=1767268800&Signature=a&Key-Pair-Id=b",
    "https://local.test/a.png?expires=1767268800.0&signature=a",
    "https://blob.test/a.png?se=2026-01-01T12%3A00%3A00Z&sig=a",
]
UNKNOWN = [
    "",
    "https://a.test/a.png",
    "https://a.test/?expires=soon",
    "https://a.test/?X-Amz-Date=1",
    "https://a.test/?expires=1e99",
    "http://[",
]


@pytest.mark.parametrize("url", KNOWN)
def test_known_forms(url: str) -> None:
    assert expiry_ms(url) == NOON


@pytest.mark.parametrize("url", UNKNOWN)
def test_other_links_say_nothing(url: str) -> None:
    assert expiry_ms(url) is None
