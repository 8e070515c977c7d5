"""The guard with responses that the sandbox does not give."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from bot.core.errors import ContentRefused, ModelLocked, ProviderBusy, ProviderError, ProviderRefused
from bot.providers.guard import ProviderGuard
from bot.providers.openai import OpenAi
from bot.providers.provider import Submission
from tests.env.scripted import scripted
from tests.providers.guards import ManualClock, MemoryStates, fail, running

OX = Submission(model="sd", prompt="an ox in the rain")


def guard_at(url: str, session: aiohttp.ClientSession, *, provider: type[OpenAi] = OpenAi, **more: Any) -> ProviderGuard:
    return ProviderGuard(
        provider(name="local", session=session, base_url=url),
        **{"title": "Local", "rate_per_minute": 60, "max_running": 1, "clock": ManualClock(), "states": MemoryStates(), **more},
    )


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(400, "content_policy_violation", ContentRefused), (403, "tier", ModelLocked), (422, "bad", ProviderRefused)],
)
async def test_a_refusing_provider_is_available(session: aiohttp.ClientSession, status: int, code: str, kind: type[ProviderError]) -> None:
    async with scripted() as wire:
        guard = guard_at(wire.url, session)
        wire.says({"error": {"message": "Out of order"}}, status=500)
        await fail(guard, OX)
        assert guard.away_since is not None
        wire.says({"error": {"message": "No", "code": code}}, status=status)
        with pytest.raises(kind):
            await guard.submit(OX)
        assert guard.is_open


async def test_a_busy_api_without_a_time_fails_and_a_rate_limit_does_not(session: aiohttp.ClientSession) -> None:
    async with scripted() as wire:
        guard = guard_at(wire.url, session)
        wire.says({"error": {"message": "Later"}}, status=429, headers={"Retry-After": "0"})
        await fail(guard, OX, times=5)
        assert (guard.away_since, guard.is_open) == (None, False)
        wire.says({"error": {"message": "Later"}}, status=503, headers={"Retry-After": "0"})
        await fail(guard, OX)
        assert guard.away_since is not None


@pytest.mark.parametrize(
    ("status", "is_there"), [(200, True), (401, True), (404, True), (429, True), (500, True), (502, False), (504, False)]
)
async def test_a_gateway_s_response_to_a_ping_does_not_count(session: aiohttp.ClientSession, status: int, is_there: bool) -> None:
    async with scripted() as wire:
        wire.says("", status=status)
        guard = guard_at(wire.url, session)
        if is_there:
            await guard.provider.ping()
        else:
            with pytest.raises(ProviderBusy):
                await guard.provider.ping()
        assert [(seen.method, seen.path) for seen in wire.seen] == [("GET", "/models")]


async def test_pauses_between_pings_grow_to_the_maximum(session: aiohttp.ClientSession) -> None:
    pings = asyncio.Queue[float]()

    class Unavailable(OpenAi):
        async def ping(self) -> None:
            pings.put_nowait(asyncio.get_running_loop().time())
            raise ProviderBusy("No response.")

    guard = guard_at("http://127.0.0.1:1", session, provider=Unavailable, pause_min_s=0.01, pause_max_s=0.04)
    async with running(guard):
        await fail(guard, OX)
        times = [await pings.get() for _ in range(5)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap >= least - 0.001 for gap, least in zip(gaps, (0.02, 0.04, 0.04, 0.04), strict=True))
