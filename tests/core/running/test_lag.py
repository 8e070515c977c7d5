"""The lag of the event loop."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from bot.core.running import lag
from bot.core.running.lag import LoopLag


async def test_the_worst_lag_of_the_last_minute_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    held_s = 0.0

    async def pause(seconds: float) -> None:
        nonlocal now, held_s
        now, held_s = now + seconds + held_s, 0.0
        await asyncio.sleep(0)

    monkeypatch.setattr(lag, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(lag, "pause", pause)
    measured = LoopLag()
    held_s = 3.0
    running = asyncio.create_task(measured.run())
    await asyncio.sleep(0)
    assert measured.worst_s == pytest.approx(3.0)
    for _ in range(121):
        await asyncio.sleep(0)
    assert measured.worst_s == 0.0
    now += 12.0  # and the loop does not turn
    assert measured.worst_s >= 12.0
    assert measured.since_turn_s >= 12.0
    running.cancel()
