"""When a service says to try again."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.retry_after import read_wait

NOON = {"Date": "Fri, 27 Nov 2026 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "body", "text", "wait_s"),
    [
        ({"Retry-After": "43200"}, None, "", 43_200),
        ({"Retry-After": "1.5"}, None, "", 1.5),
        ({"Retry-After": "Fri, 27 Nov 2026 12:00:30 GMT", **NOON}, None, "", 30),  # by the service's clock
        ({"Retry-After": "Fri, 27 Nov 2026 11:00:00 GMT", **NOON}, None, "", 0),
        ({"Retry-After": "soon", "retry-after-ms": "12000"}, None, "", 12),
        ({"Retry-After": "9" * 9}, None, "", 31 * 86_400),
        ({}, {"error": {"retry_after": 3}}, "", 3),
        ({}, {"error": {"details": [{"retryDelay": "12s"}]}}, "", 12),
        ({}, {"retry_after_ms": "250"}, "", 0.25),
        ({}, None, "Please try again in 12s.", 12),
        ({}, None, "Rate limit exceeded, try again in 2 s", 2),
        ({}, None, "Try again in 6m0s. Visit the limits page.", 360),
        ({}, None, "Please retry after 30 seconds.", 30),
        ({}, None, "Try again in 1 hour and 30 minutes", 5400),
        ({}, None, "Limit: 5 / min. Please try again in 500ms", 0.5),
        ({"x-ratelimit-reset-requests": "6m0s"}, None, "Slow down.", 360),
        ({"ratelimit-reset": "30"}, None, "", 30),
        ({"x-ratelimit-reset": "1000000000"}, None, "", 0),  # a moment that is over
        ({}, None, "Try again in 20 steps", None),
        ({}, None, "Try again later", None),
        ({}, {"retry_after": True, "error": {"retry_after": "never"}}, "", None),
        ({"Retry-After": ""}, None, "", None),
    ],
)
def test_a_wait_is_read_in_every_form(headers: dict[str, str], body: Any, text: str, wait_s: float | None) -> None:
    assert read_wait(headers, body, text) == wait_s
