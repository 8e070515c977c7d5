"""What tests of the store may ask for, beside the stores themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stamina.instrumentation import RetryDetails, set_on_retry_hooks


@pytest.fixture
def conflicts() -> Iterator[list[RetryDetails]]:
    """Operations that were repeated because of others: deadlocks above all. A test says that there are none."""
    seen: list[RetryDetails] = []

    def note(details: RetryDetails) -> None:
        seen.append(details)

    set_on_retry_hooks([note])
    yield seen
    set_on_retry_hooks(None)
