"""Helpers for the tests of guards: a clock, failing submissions, a running guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bot.core.errors import ProviderError
from bot.providers.guard import ProviderGuard
from bot.providers.provider import Submission


class ManualClock:
    """Advances only when told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000  # Unix ms

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


async def fail(guard: ProviderGuard, submission: Submission, times: int = 3) -> None:
    for _ in range(times):
        with pytest.raises(ProviderError):
            await guard.submit(submission)


@asynccontextmanager
async def running(guard: ProviderGuard) -> AsyncIterator[None]:
    task = asyncio.create_task(guard.run(), name="guard")
    try:
        async with asyncio.timeout(5):
            yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
