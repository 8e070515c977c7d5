"""Preferences of members, and their cache."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.preferences import Preferences
from bot.services.members import Members
from bot.store import documents
from bot.store.engine.base import Store
from tests.services.conftest import Pipeline

ADA, BEN = 7, 8


@pytest.fixture
def cache(store: Store) -> Members:
    return Members(store=store, clock=lambda: 1000)


def changed(**changes: Any) -> Callable[[Preferences], Preferences]:
    return lambda chosen: chosen.model_copy(update=changes)


async def test_preferences_are_read_once_and_changes_are_known_at_once(cache: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    await cache.preferences(ADA)
    await cache.change(BEN, changed(spoiler=True))
    monkeypatch.setattr(type(cache.store), "read", None)  # from now on a read fails
    await cache.change(ADA, changed(aspect_ratio="3:2"))
    assert [(await cache.preferences(each)).aspect_ratio for each in (ADA, BEN)] == ["3:2", None]
    assert (await cache.preferences(BEN)).spoiler


async def test_concurrent_changes_are_cached_in_the_order_of_their_writes(cache: Members) -> None:
    def added(style: str) -> Callable[[Preferences], Preferences]:
        return lambda chosen: chosen.model_copy(update={"default_model": f"{chosen.default_model or ''}{style}"})

    await asyncio.gather(*(cache.change(ADA, added(letter)) for letter in "abcdef"), cache.preferences(ADA))
    assert await cache.preferences(ADA) == await cache.store.read(documents.preferences, ADA)
    assert len((await cache.preferences(ADA)).default_model or "") == 6


async def test_who_chose_private_answers_is_known_after_a_restart_and_after_changes(cache: Members) -> None:
    await cache.change(ADA, changed(private=True))
    await cache.change(BEN, changed(private=False, spoiler=True))
    restarted = Members(store=cache.store, clock=cache.clock)
    await restarted.load()
    assert [restarted.chose_private(each) for each in (ADA, BEN)] == [True, False]
    await restarted.change(ADA, changed(private=False))
    await restarted.change(BEN, changed(private=True))
    assert [restarted.chose_private(each) for each in (ADA, BEN)] == [False, True]


async def test_the_cache_is_bounded_but_who_chose_private_answers_stays_known(cache: Members) -> None:
    cache._known._most = 2
    for member in range(1, 6):
        await cache.change(member, changed(private=True))
    assert list(cache._known._values) == [4, 5]
    assert all(cache.chose_private(member) for member in range(1, 6))


async def test_erasure_clears_the_cache(pipeline: Pipeline) -> None:
    await pipeline.members.change(ADA, changed(private=True, spoiler=True))
    await pipeline.app.services.privacy.erase(ADA)
    assert await pipeline.members.preferences(ADA) == Preferences()
    assert not pipeline.members.chose_private(ADA)
