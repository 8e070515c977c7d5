"""The client of moderations endpoints: requests, responses, errors."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from bot.core.errors import ProviderAccount, ProviderBusy, ProviderError, ProviderRefused
from bot.providers.moderations import Moderations
from sandbox import images
from sandbox.faults import Switchboard

Make = Callable[..., Moderations]


def red() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def make(server: images.ImageServer, session: aiohttp.ClientSession) -> Make:
    def made(**more: Any) -> Moderations:
        keywords: dict[str, Any] = {"session": session, "base_url": server.moderation_url, "api_key": server.key} | more
        return Moderations(**keywords)

    return made


@asynccontextmanager
async def answering(*answers: web.Response) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that gives these responses in turn, and the request bodies that it received."""
    left, seen = list(answers), []

    async def answer(request: web.Request) -> web.Response:
        seen.append(await request.text())
        return left.pop(0)

    app = web.Application()
    app.router.add_post("/moderations", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


async def test_a_text_gets_scores(make: Make, server: images.ImageServer) -> None:
    scores = await make(model="omni-moderation-latest").check_text("a battle with gore")
    assert (scores.category, scores.score) == ("violence/graphic", 0.97)
    assert server.requests[-1].json == {"model": "omni-moderation-latest", "input": "a battle with gore"}


async def test_an_image_goes_with_the_request(make: Make, server: images.ImageServer) -> None:
    scores = await make().check_image(red(), "image/png")
    assert (scores.category, scores.score) == ("violence", 1.0)
    assert server.requests[-1].json["input"][0]["image_url"]["url"].startswith("data:image/png;base64,")


async def test_a_refused_key_is_an_account_error(make: Make) -> None:
    with pytest.raises(ProviderAccount, match="account"):
        await make(api_key="wrong").check_text("a fox")


async def test_an_unknown_model_or_address_raises_provider_account(make: Make, server: images.ImageServer) -> None:
    for wrong in ({"model": "nobody's"}, {"base_url": f"{server.url}/nowhere"}):
        with pytest.raises(ProviderAccount, match="address"):
            await make(**wrong).check_text("a fox")


async def test_an_invalid_image_is_refused(make: Make) -> None:
    with pytest.raises(ProviderRefused):
        await make().check_image(b"no image", "image/png")


@pytest.mark.parametrize("fault", ["moderation-down", "moderation-error", "moderation-garbage"])
async def test_it_retries_once_and_then_is_busy(make: Make, switchboard: Switchboard, fault: str) -> None:
    switchboard.turn_on(fault, times=1)
    assert (await make().check_text("gore")).score == 0.97
    switchboard.turn_on(fault)
    with pytest.raises(ProviderBusy):
        await make().check_text("gore")


@pytest.mark.faults("moderation-slow")
async def test_a_timeout_raises_provider_busy(make: Make, switchboard: Switchboard) -> None:
    with pytest.raises(ProviderBusy, match="down"):
        await make(timeout_s=0.1).check_text("a fox")
    switchboard.turn_off("moderation-slow")


async def test_a_refused_connection_raises_provider_busy(make: Make) -> None:
    with pytest.raises(ProviderBusy):
        await make(base_url="http://127.0.0.1:1").check_text("a fox")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, {"error": {"code": "insufficient_quota"}}, ProviderAccount),
        (402, {}, ProviderAccount),
        (301, {}, ProviderAccount),
        (200, {"error": {"message": "No such key.", "code": "invalid_api_key"}}, ProviderAccount),
        (404, {"error": {"message": "The model `x` does not exist."}}, ProviderAccount),
        (200, {"error": {"message": "Slow down.", "code": 429, "retry_after": 60}}, ProviderBusy),
        (400, {"error": "no"}, ProviderRefused),
        (413, [], ProviderRefused),
    ],
)
async def test_a_refusal_is_not_retried(make: Make, status: int, body: Any, expected: type[ProviderError]) -> None:
    async with answering(web.json_response(body, status=status, headers={"Location": "/elsewhere"})) as (url, seen):
        with pytest.raises(expected):
            await make(base_url=url).check_text("a fox")
    assert len(seen) == 1


async def test_retry_after_is_passed_on(make: Make) -> None:
    async with answering(web.json_response({}, status=429, headers={"Retry-After": "30"})) as (url, _seen):
        with pytest.raises(ProviderBusy) as caught:
            await make(base_url=url).check_text("a fox")
    assert caught.value.retry_after_s == 30.0


async def test_an_empty_key_or_model_is_not_sent(make: Make) -> None:
    async with answering(web.json_response({"results": [{"category_scores": {"a": 0.5}}]})) as (url, seen):
        await make(base_url=f"{url}/", api_key="").check_text("a fox")
    assert seen == ['{"input": "a fox"}']


async def test_an_endless_response_is_cut(make: Make) -> None:
    async with answering(*(web.Response(body=b" " * 2**20) for _ in range(2))) as (url, _seen):
        with pytest.raises(ProviderBusy, match="cannot be read"):
            await make(base_url=url).check_text("a fox")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"results": [{"category_scores": {"a": 0.2, "b": null}}, {"category_scores": {"a": 0.4}}]}', {"a": 0.4}),
        (b'{"results": [{"flagged": true, "categories": {"a": true, "b": false}}]}', {"a": 1.0, "b": 0.0}),
        (b'{"results": [{"category_scores": {"a": 1.0000001}}]}', {"a": 1.0}),
        (b'{"results": [{"category_scores": {"a": 0.5}, "filtered": true}], "error": null}', {"a": 0.5}),
    ],
)
async def test_scores_are_read_from_every_form_of_response(make: Make, content: bytes, expected: dict[str, float]) -> None:
    async with answering(web.Response(body=content)) as (url, _seen):
        assert (await make(base_url=url).check_text("a fox")).by_category == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"results": []}',
        b'{"results": 3}',
        b'{"results": [3]}',
        b'{"results": [{"category_scores": {"a": NaN}}]}',
        b'{"results": [{"category_scores": {"a": -1}}]}',
        b'{"results": [{"category_scores": {"a": "0.5"}}]}',
        b"[" * 100_000,
    ],
)
async def test_an_invalid_response_raises_provider_busy(make: Make, content: bytes) -> None:
    async with answering(web.Response(body=content)) as (url, _seen):
        with pytest.raises(ProviderBusy, match="cannot be read"):
            await make(base_url=url, attempts=1).check_text("a fox")
