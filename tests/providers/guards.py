"""Helpers for the tests of guards: a clock, failing submissions, a running guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from bot.core.errors import ProviderError
from bot.domain.queueing.provider_state import ProviderState, Transition
from bot.providers.guard import ProviderGuard
from bot.providers.provider import Submission


class MemoryStates:
    """What the processes know together, without a database."""

    def __init__(self) -> None:
        self.states: dict[str, ProviderState] = {}
        self.writes = 0

    async def read(self, provider: str) -> ProviderState:
        return self.states.get(provider, ProviderState())

    async def change(self, provider: str, transitions: Sequence[Transition]) -> tuple[ProviderState, ProviderState]:
        before = after = await self.read(provider)
        for transition in transitions:
            after = transition(after)
        self.states[provider], self.writes = after, self.writes + 1
        return before, after


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
    await guard.share()


@asynccontextmanager
async def running(guard: ProviderGuard) -> AsyncIterator[None]:
    """Ping it while it is away, as one of the processes does."""
    task = asyncio.create_task(guard.run(), name="guard")
    try:
        async with asyncio.timeout(5):
            yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
