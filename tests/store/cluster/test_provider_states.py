"""What the processes know of an image API together, on both databases."""

from __future__ import annotations

import asyncio

from bot.domain.queueing.provider_state import ProviderState
from bot.store.cluster import provider_states
from bot.store.engine.base import Store, Topic

NOW = 1_790_000_000_000  # does not fit into 32 bits


async def test_what_all_processes_learn_adds_up_and_each_hears_of_it(store: Store) -> None:
    heard = store.subscribe(Topic.PROVIDERS)
    learned = [lambda state: state.failed(NOW, limit=3), lambda state: state.paused(NOW + 9, is_rate_limit=True)]
    changes = await asyncio.gather(*(store.write(provider_states.change, "oxen", learned) for _ in range(4)))
    assert sorted(after.failures for _, after in changes) == [1, 2, 3, 4]
    assert sum(before.away_since is None and after.away_since == NOW for before, after in changes) == 1
    known = await store.read(provider_states.read, "oxen")
    assert known == ProviderState(failures=4, failing_since=NOW, away_since=NOW, retry_not_before=NOW + 9, is_rate_limited=True)
    assert await store.read(provider_states.read, "oxlo") == ProviderState()
    assert await heard.wait(timeout_s=5)


async def test_what_changes_nothing_wakes_nobody(store: Store) -> None:
    heard = store.subscribe(Topic.PROVIDERS)
    assert await store.write(provider_states.change, "oxen", [ProviderState.accepted]) == (ProviderState(), ProviderState())
    assert not await heard.wait(timeout_s=0.01)
