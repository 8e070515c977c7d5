"""Turns of a limited rate on both databases: never more than allowed, and none is lost."""

from __future__ import annotations

import asyncio

import pytest

from bot.store.cluster import rates
from bot.store.engine.base import Store

SECOND_US = 1_000_000
NOW_US = 1_790_000_000 * SECOND_US  # does not fit into 32 bits


@pytest.mark.parametrize("burst", [1, 5])
async def test_takers_who_come_again_when_told_use_every_turn_and_no_more(store: Store, burst: int) -> None:
    now, taken = NOW_US, list[int]()
    while len(taken) < 30:
        wait_us = await store.write(rates.take, "identify:0", now, SECOND_US, burst)
        if wait_us == 0:
            taken.append(now)
        else:
            assert await store.write(rates.take, "identify:0", now + wait_us - 1, SECOND_US, burst) > 0
        now += wait_us
    assert taken == [NOW_US] * burst + [NOW_US + (n + 1) * SECOND_US for n in range(30 - burst)]
    now += 100 * SECOND_US  # a pause saves up no more than the burst
    assert [await store.write(rates.take, "identify:0", now, SECOND_US, burst) == 0 for _ in range(burst + 1)] == [True] * burst + [False]


async def test_of_takers_at_the_same_time_one_gets_the_turn(store: Store) -> None:
    waits = await asyncio.gather(*(store.write(rates.take, "a", NOW_US, SECOND_US) for _ in range(20)))
    assert sorted(waits) == [0] + [SECOND_US] * 19
    assert await store.write(rates.take, "b", NOW_US, SECOND_US) == 0, "another name has turns of its own"


async def test_a_clock_that_was_ahead_delays_by_one_interval_at_most(store: Store) -> None:
    await store.write(rates.take, "a", NOW_US + 3600 * SECOND_US, SECOND_US)
    assert await store.write(rates.take, "a", NOW_US, SECOND_US) == SECOND_US
    assert await store.write(rates.take, "a", NOW_US + SECOND_US, SECOND_US) == 0
