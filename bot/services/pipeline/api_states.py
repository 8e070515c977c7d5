"""Shares what each process learns of the image APIs with all others."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.core.running.supervision import apart, resting
from bot.domain.queueing.provider_state import ProviderState, Transition
from bot.providers.guard import ProviderGuard
from bot.store.cluster import provider_states
from bot.store.engine.base import Store, Topic


class ApiStates:
    """The guards' port to the store, and the loop that uses it: an answer of an image API never waits for the database."""

    def __init__(self, *, store: Store, every_s: float) -> None:
        """Besides when something changes, the states are read `every_s`: a wake-up may be lost."""
        self._store = store
        self._every_s = every_s
        self._wakeups = store.subscribe(Topic.PROVIDERS)

    async def read(self, provider: str) -> ProviderState:
        return await self._store.read(provider_states.read, provider)

    async def change(self, provider: str, transitions: Sequence[Transition]) -> tuple[ProviderState, ProviderState]:
        return await self._store.write(provider_states.change, provider, transitions)

    async def run(self, guards: Collection[ProviderGuard]) -> None:
        """Run until cancelled, in every process."""
        while True:
            with apart() as attempt:
                for guard in guards:
                    with attempt():
                        await guard.share()
            with resting():
                await self._wakeups.wait(timeout_s=self._every_s)
