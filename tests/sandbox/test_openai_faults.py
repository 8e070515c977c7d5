"""Which calls of the OpenAI-compatible contract are paid for under each fault."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from sandbox import images
from sandbox.faults import Switchboard
from tests.sandbox.wire import Answer, Client, until

SLOW = images.ApiTiming(queue_s=0.0, image_min_s=60, image_max_s=60)


async def money(client: Client) -> list[tuple[int | None, int, bool]]:
    """Status, number of images paid for, and whether the response was complete, for every call."""
    return [(call["status"], call["paid"], call["answered"]) for call in await client.calls()]


def error(answer: Answer) -> tuple[int, str, str | None]:
    found = answer.json["error"]
    assert found.keys() == {"message", "type", "param", "code"}
    return answer.status, found["type"], found["code"]


# Before an image is made


@pytest.mark.faults("out-of-credit")
async def test_no_credit_is_a_429_without_retry_after(client: Client) -> None:
    answer = await client.draw()
    assert error(answer) == (429, "insufficient_quota", "insufficient_quota")
    assert "Retry-After" not in answer.headers


# While it is made


async def begun(client: Client, count: int) -> bool:
    """Whether this many calls have been accepted."""
    return len([call for call in await client.calls() if call["used_seed"] is not None]) == count


@pytest.mark.faults("enqueue-answer-lost")
async def test_a_lost_response_is_paid_for(client: Client) -> None:
    with pytest.raises(aiohttp.ClientError):
        await client.draw(n=3)
    assert await money(client) == [(None, 3, False)]


@pytest.mark.faults("generation-stuck")
async def test_a_client_that_disconnects_pays(client: Client, switchboard: Switchboard) -> None:
    drawing = asyncio.create_task(client.draw())
    await until(lambda: begun(client, 1))
    drawing.cancel()
    await asyncio.wait([drawing])
    switchboard.turn_off("generation-stuck")

    async def is_paid() -> bool:
        return [call["paid"] for call in await client.calls()] == [1]

    await until(is_paid)
    assert await money(client) == [(None, 1, False)]


# The answer


@pytest.mark.faults("result-cut")
async def test_a_truncated_response_is_paid_for(client: Client) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.draw()
    assert await money(client) == [(200, 1, False)]


# The whole contract


@pytest.mark.parametrize("timing", [SLOW])
async def test_an_api_that_goes_down_ends_running_calls_without_charge(client: Client, switchboard: Switchboard) -> None:
    drawing = [asyncio.create_task(client.draw()) for _ in range(3)]
    await until(lambda: begun(client, 3))
    switchboard.turn_on("oxlo-down")
    ends: list[Any] = await asyncio.gather(*drawing, return_exceptions=True)
    assert [isinstance(end, aiohttp.ClientError) for end in ends] == [True] * 3
    assert await money(client) == [(None, 0, False)] * 3
