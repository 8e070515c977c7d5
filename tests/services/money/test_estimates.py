"""Estimates of what a request costs: exact where they answer, bounded in time, asked rarely."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, cast

import pytest

from bot.core.clock import Clock
from bot.core.errors import ProviderBusy
from bot.domain.catalog.costs import cost_microcredits
from bot.providers.provider import Provider
from bot.services.money import estimates
from bot.services.money.estimates import Estimates
from tests.domain.catalog.test_costs import PRICING, QUALITY
from tests.env.models import model_of

UNCERTAIN = model_of(pricing=PRICING, quality=QUALITY)  # at most 147 credits
BY_TIME = model_of(pricing={"method": "time"}, steps={"type": "integer"})


class Estimating:
    """The part of a provider that is used here: every estimate is answered as `answer` does."""

    def __init__(self, answer: Callable[[], Awaitable[Decimal | None]]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Mapping[str, Any], int]] = []

    async def estimate(self, model: str, params: Mapping[str, Any], *, prompt_bytes: int) -> Decimal | None:
        self.asked.append((model, params, prompt_bytes))
        return await self.answer()


async def five_credits() -> Decimal | None:
    return Decimal("0.05")


async def unknown() -> Decimal | None:
    return None


async def busy() -> Decimal | None:
    raise ProviderBusy("busy")


async def silence() -> Decimal | None:
    await asyncio.Event().wait()
    return None


def estimates_of(provider: Estimating, clock: Clock = lambda: 0) -> Estimates:
    return Estimates(providers={"oxen": cast("Provider", provider)}, credit_usd=0.01, clock=clock)


async def test_a_cost_that_is_not_certain_is_asked_for() -> None:
    service = estimates_of(Estimating(five_credits))
    costs = [cost_microcredits(await service.complete(model, "a fox", {}), {}) for model in (UNCERTAIN, BY_TIME)]
    assert costs == [5_000_000, 5_000_000]


async def test_a_cost_that_is_certain_is_not() -> None:
    provider, model = Estimating(five_credits), model_of(pricing={"method": "per_image", "cost_per_image": 0.01})
    assert await estimates_of(provider).complete(model, "a fox", {}) is model
    assert provider.asked == []


@pytest.mark.parametrize("answer", [unknown, busy, silence])
async def test_without_an_estimate_the_highest_cost_counts(
    answer: Callable[[], Awaitable[Decimal | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "_TIMEOUT_S", 0.02)
    service = estimates_of(Estimating(answer))
    costs = [cost_microcredits(await service.complete(model, "a fox", {}), {}) for model in (UNCERTAIN, BY_TIME)]
    assert costs == [147_000_000, None]


async def test_the_same_request_is_asked_for_once_a_minute() -> None:
    provider, now = Estimating(five_credits), [0]
    service = estimates_of(provider, lambda: now[0])
    for at, prompt in ((0, "a fox"), (59_999, "an ox"), (60_000, "a cat"), (60_000, "a" * 300)):
        now[0] = at
        await service.complete(BY_TIME, prompt, {"steps": 5})
    assert provider.asked == [("one", {"steps": 5}, size) for size in (256, 256, 512)]
