"""What tests of guards share: a clock, failures on demand, a guard at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bot.core.errors import ProviderError
from bot.providers.guard import ProviderGuard
from bot.providers.provider import Submission


class HandClock:
    """Stands until it is turned."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000  # Unix ms

    def __call__(self) -> int:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


async def fail(guard: ProviderGuard, submission: Submission, times: int = 3) -> None:
    for _ in range(times):
        with pytest.raises(ProviderError):
            await guard.submit(submission)


@asynccontextmanager
async def at_work(guard: ProviderGuard) -> AsyncIterator[None]:
    running = asyncio.create_task(guard.run(), name="guard")
    try:
        async with asyncio.timeout(5):
            yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
