"""The retention sweep, without a bot: its pauses, and how it gives way."""

from __future__ import annotations

import asyncio
from itertools import count
from types import SimpleNamespace

import pytest

from bot.domain.money.quota import DAY_MS, EMPTY
from bot.domain.retention import KeepDays
from bot.services import housekeeping
from bot.store import kv, sweeps
from bot.store.engine.base import Store

FORMS = 20


@pytest.fixture(autouse=True)
async def _forms(store: Store) -> None:
    for n in range(FORMS):
        await store.write(kv.put, f"form:{n:02}", 1, 0)


async def test_it_pauses_longer_than_each_step_took(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, ticks = list[float](), count()

    async def pause(seconds: float, **_options: bool) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(sweeps, "WRITE_MAX", FORMS // 2)
    monkeypatch.setattr(sweeps, "WRITE_S", 60)
    monkeypatch.setattr(housekeeping, "pause", pause)
    monkeypatch.setattr(housekeeping, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    assert await housekeeping.remove(store, kv.old("form:", DAY_MS)) == FORMS
    assert pauses == [3, 3, 3]  # after a read and two writes of one second each


async def test_a_member_s_write_does_not_wait_for_a_whole_sweep(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "WRITE_MAX", 1)
    sweep = asyncio.create_task(housekeeping.remove(store, kv.old("form:", DAY_MS)))
    while await store.read(kv.get, "form:00") is not None:
        pass
    await store.write(kv.put, "member", 1, 0)
    assert not sweep.done()
    assert await sweep == FORMS


async def test_young_forms_and_other_entries_stay(store: Store) -> None:
    await store.write(kv.put, "form:young", 1, 2 * DAY_MS)
    await store.write(kv.put, "registered", 1, 0)
    assert await housekeeping.sweeps_of(KeepDays(), EMPTY)["forms"](store, 2 * DAY_MS + 1) == FORMS
    assert [await store.read(kv.get, name) for name in ("form:young", "registered")] == [1, 1]
