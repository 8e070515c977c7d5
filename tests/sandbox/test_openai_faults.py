"""The named misbehaviours in the OpenAI-compatible contract: what the caller sees, and what was paid for."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

import aiohttp
import pytest

from sandbox import images
from sandbox.faults import Switchboard
from tests.sandbox.wire import SD, SDXL, Answer, Client, until

SLOW = images.ApiTiming(queue_s=0.0, image_min_s=60, image_max_s=60)


async def money(client: Client) -> list[tuple[int | None, int, bool]]:
    """Status, pictures paid for, and whether the answer got through; of every call."""
    return [(call["status"], call["paid"], call["answered"]) for call in await client.calls()]


def error(answer: Answer) -> tuple[int, str, str | None]:
    found = answer.json["error"]
    assert found.keys() == {"message", "type", "param", "code"}
    return answer.status, found["type"], found["code"]


async def test_the_ledger_tells_what_was_asked_and_paid(client: Client) -> None:
    await client.draw(prompt="a fox", n=2, seed=5)
    await client.draw(key="free-key", model=SDXL)
    paid, refused = await client.calls()
    shown = {name: paid[name] for name in ("number", "call", "encoding", "model", "prompt", "seed", "used_seed", "n", "images")}
    assert shown == {
        "number": 1,
        "call": "generations",
        "encoding": "json",
        "model": SD,
        "prompt": "a fox",
        "seed": 5,
        "used_seed": 5,
        "n": 2,
        "images": 0,
    }
    assert (refused["key"], refused["model"], refused["seed"]) == ("free-key", SDXL, None)
    assert await money(client) == [(200, 2, True), (403, 0, True)]
    assert (await client.get("/sandbox/openai/calls")).json["paid"] == 2


# Before a picture is made


@pytest.mark.parametrize("timing", [images.ApiTiming(retry_after_s=3)])
@pytest.mark.faults("images-rate-limited")
async def test_a_rate_limit_says_when_to_come_back(client: Client) -> None:
    answer = await client.draw()
    assert error(answer) == (429, "requests", "rate_limit_exceeded")
    assert answer.headers["Retry-After"] == "3"
    assert await money(client) == [(429, 0, True)]


@pytest.mark.faults("out-of-credit")
async def test_no_credit_is_a_429_without_a_time_to_come_back(client: Client) -> None:
    answer = await client.draw()
    assert error(answer) == (429, "insufficient_quota", "insufficient_quota")
    assert "Retry-After" not in answer.headers


@pytest.mark.faults("images-error")
async def test_an_error_strikes_pictures_and_not_models(client: Client) -> None:
    assert [error(await client.draw()), (await client.get("/v1/models")).status] == [(500, "server_error", None), 200]


@pytest.mark.faults("models-down")
async def test_the_models_are_down_while_pictures_are_made(client: Client) -> None:
    assert [(await client.get("/v1/models")).status, (await client.draw()).status] == [500, 200]


@pytest.mark.faults("key-refused")
async def test_a_refused_key_is_answered_as_openai_does(client: Client) -> None:
    assert [error(await client.draw()), error(await client.get("/v1/models"))] == [(401, "invalid_request_error", "invalid_api_key")] * 2


@pytest.mark.faults("enqueue-cut")
async def test_a_cut_call_makes_nothing(client: Client) -> None:
    with pytest.raises(aiohttp.ClientError):
        await client.draw()
    assert await money(client) == [(None, 0, False)]


# While it is made


@pytest.mark.faults("generation-fails")
async def test_a_picture_that_fails_is_not_paid(client: Client) -> None:
    answer = await client.draw()
    assert (error(answer), answer.json["error"]["message"]) == ((500, "server_error", None), "The model ran out of memory.")
    assert await money(client) == [(500, 0, True)]


@pytest.mark.faults("generation-stuck")
async def test_a_stuck_call_goes_on_when_the_fault_is_turned_off(client: Client, switchboard: Switchboard) -> None:
    drawing = asyncio.create_task(client.draw())
    await until(lambda: begun(client, 1))
    assert await money(client) == [(None, 0, False)]
    switchboard.turn_off("generation-stuck")
    assert (await drawing).status == 200


async def begun(client: Client, count: int) -> bool:
    """True once so many calls have been accepted."""
    return len([call for call in await client.calls() if call["used_seed"] is not None]) == count


@pytest.mark.faults("enqueue-answer-lost")
async def test_a_lost_answer_is_paid_for(client: Client) -> None:
    with pytest.raises(aiohttp.ClientError):
        await client.draw(n=3)
    assert await money(client) == [(None, 3, False)]


@pytest.mark.faults("generation-stuck")
async def test_who_leaves_before_the_end_pays_all_the_same(client: Client, switchboard: Switchboard) -> None:
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


@pytest.mark.faults("result-not-image")
async def test_a_web_page_in_base64(client: Client) -> None:
    (image,) = (await client.draw()).json["data"]
    assert base64.b64decode(image["b64_json"]).startswith(b"<!doctype html>")


@pytest.mark.faults("result-bomb")
async def test_a_bomb_in_base64(client: Client) -> None:
    (image,) = (await client.draw()).json["data"]
    data = base64.b64decode(image["b64_json"])
    width, height = struct.unpack(">II", data[16:24])
    assert (width * height, len(data) < 2**17) == (400_000_000, True)


@pytest.mark.faults("result-cut")
async def test_half_an_answer_is_paid_for(client: Client) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.draw()
    assert await money(client) == [(200, 1, False)]


@pytest.mark.faults("result-huge")
async def test_a_huge_answer_goes_on_and_on_without_a_length(client: Client) -> None:
    async with client.session.post("/v1/images/generations", json={"model": SD, "prompt": "a fox"}) as response:
        assert (response.status, response.content_length) == (200, None)
        assert (await response.content.readexactly(32 * 2**20)).startswith(b'{"created"')
    assert await money(client) == [(200, 1, False)]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("result-not-image", (200, "text/html; charset=utf-8")),
        ("result-bomb", (200, "image/png")),
        ("result-elsewhere", (302, "text/plain; charset=utf-8")),
        ("result-expired", (403, "text/plain; charset=utf-8")),
    ],
)
async def test_a_link_can_disappoint_as_well(client: Client, switchboard: Switchboard, fault: str, expected: tuple[int, str]) -> None:
    switchboard.turn_on(fault)
    (image,) = (await client.draw(response_format="url")).json["data"]
    answer = await client.get(image["url"], allow_redirects=False)
    assert (answer.status, answer.headers["Content-Type"]) == expected
    assert await money(client) == [(200, 1, True)]


# The whole side


@pytest.mark.parametrize("timing", [SLOW])
async def test_shutting_the_door_ends_what_is_under_way_without_pay(client: Client, switchboard: Switchboard) -> None:
    drawing = [asyncio.create_task(client.draw()) for _ in range(3)]
    await until(lambda: begun(client, 3))
    switchboard.turn_on("oxlo-down")
    ends: list[Any] = await asyncio.gather(*drawing, return_exceptions=True)
    assert [isinstance(end, aiohttp.ClientError) for end in ends] == [True] * 3
    assert await money(client) == [(None, 0, False)] * 3


@pytest.mark.faults("oxlo-down")
async def test_behind_a_shut_door_nothing_is_heard(client: Client, switchboard: Switchboard) -> None:
    for call in (client.draw(), client.get("/v1/models")):
        with pytest.raises(aiohttp.ClientError):
            await call
    switchboard.turn_off("oxlo-down")
    assert (await client.draw()).status == 200
    assert len(await client.calls()) == 1


@pytest.mark.parametrize("timing", [SLOW])
async def test_everything_under_way_ends_at_once_when_the_server_stops(timing: images.ApiTiming) -> None:
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as session:
        async with images.serve(timing=timing) as server:
            client = Client(session)
            drawing = asyncio.create_task(client.call("POST", f"{server.openai_url}/images/generations", {"model": SD, "prompt": "x"}))

            async def has_arrived() -> bool:
                return bool(server.received("POST", "/v1/images"))

            await until(has_arrived)
            stopping_at = loop.time()
        assert loop.time() - stopping_at < 0.5
        with pytest.raises(aiohttp.ClientError):
            await drawing
