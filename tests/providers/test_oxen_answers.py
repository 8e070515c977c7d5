"""Oxen's client with malformed, wrong and too large responses from a scripted server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import web

from bot.core.errors import AnswerLost, ProviderAccount, ProviderBusy, ProviderRefused
from bot.core.retry_after import read_retry_after
from bot.domain.catalog.reading import LIST_BYTES, MODELS_MAX
from bot.providers.answers import _load
from bot.providers.oxen import Oxen
from bot.providers.oxen_wire import WireGeneration
from bot.providers.provider import ReportState, Submission
from tests.env.providers import KLEIN_4B

OX = Submission(model=KLEIN_4B, prompt="an ox in the rain", seed=7)


@asynccontextmanager
async def answering(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Oxen]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession() as session:
            port = runner.addresses[0][1]
            yield Oxen(session=session, base_url=f"http://127.0.0.1:{port}", api_key="k3y", attempts=1, max_result_bytes=1000)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def answering_json(status: int, body: object, headers: dict[str, str] | None = None) -> AsyncIterator[Oxen]:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    async with answering(handler) as oxen:
        yield oxen


@pytest.mark.parametrize("status", [502, 504, 520])
async def test_a_gateway_s_response_to_a_post_is_a_lost_response(status: int) -> None:
    async with answering_json(status, "bad gateway") as oxen:
        with pytest.raises(AnswerLost):
            await oxen.submit(OX)


@pytest.mark.parametrize(
    "body", ["text", [], {"generations": [{"no": "id"}]}, {"generations": "x"}, {}, {"generations": [{"generation_id": "../../x"}]}]
)
async def test_an_unreadable_success_is_a_lost_response(body: object) -> None:
    async with answering_json(200, body) as oxen:
        with pytest.raises(AnswerLost):
            await oxen.submit(OX)


@pytest.mark.parametrize(
    ("status", "body", "error", "sentence"),
    [
        (402, {}, ProviderAccount, "operator has been told"),
        (400, {"error": {"message": "Insufficient credits"}}, ProviderAccount, "operator has been told"),
        (200, {"generations": [], "error": {"message": "Insufficient credits"}}, ProviderAccount, "operator has been told"),
        (400, {"error": {"type": "invalid_params", "title": "Bad", "detail": "worse"}, "status": "error"}, ProviderRefused, "Bad: worse"),
        (404, {"status": "error", "status_message": "resource_not_found"}, ProviderAccount, "operator has been told"),
        (
            422,
            {"error": {"message": "403 Client Error: Forbidden for url: https://x.test/?sig=s3cret"}},
            ProviderRefused,
            "reference image",
        ),
        (422, {"error": {"message": "see https://x.test/?sig=s3cret\nor k3y"}}, ProviderRefused, r"see \(link\) or \(key\)\."),
        (301, {}, ProviderAccount, "operator has been told"),
        (503, {}, ProviderBusy, "busy"),
    ],
)
async def test_error_bodies_become_sentences(status: int, body: object, error: type[Exception], sentence: str) -> None:
    async with answering_json(status, body) as oxen:
        with pytest.raises(error, match=sentence) as caught:
            await oxen.submit(OX)
    assert "s3cret" not in str(caught.value)
    assert "k3y" not in str(caught.value)


async def test_retry_after_of_a_rate_limit_is_passed_on() -> None:
    async with answering_json(429, {}, {"Retry-After": "17"}) as oxen:
        with pytest.raises(ProviderBusy) as caught:
            await oxen.submit(OX)
    assert caught.value.retry_after_s == 17


def test_retry_after_may_be_a_date_and_is_limited() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < (read_retry_after(soon) or 0) <= 60
    assert [read_retry_after(order_of) for order_of in ("0", "999999", "soon", "", None)] == [0, 3600, None, None, None]


async def test_the_key_is_sent_to_no_other_host() -> None:
    keys = []

    async def handler(request: web.Request) -> web.Response:
        keys.append((request.path, request.headers.get("Authorization")))
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with answering(handler) as oxen:
        with pytest.raises(ProviderAccount):
            await oxen.read("x")
    assert keys == [("/api/ai/queue/x", "Bearer k3y")]


@pytest.mark.parametrize(
    "image", [{"b64_json": "%%%"}, {"b64_json": ""}, {"b64_json": "AAAA" * 400}, {}, {"url": "data:,"}, {"b64_json": 5}]
)
async def test_an_unreadable_image_is_refused(image: object) -> None:
    async with answering_json(200, {"images": [image]}) as oxen:
        oxen.queues = False
        with pytest.raises(ProviderRefused):
            await oxen.submit(OX)


async def test_an_endless_response_is_cut() -> None:
    async with answering_json(200, {"images": [{"b64_json": "A" * 200_000}]}) as oxen:
        with pytest.raises(AnswerLost):
            await oxen.make(OX)


@pytest.mark.parametrize("body", [[], "x", {"generations": [1, None, {"generation_id": 5}]}, None])
async def test_malformed_lists_are_empty(body: object) -> None:
    async with answering_json(200, body if body is not None else {}) as oxen:
        assert await oxen.list_generations() == []


async def test_a_malformed_list_of_models_is_an_error() -> None:
    async with answering_json(200, {"data": None}) as oxen:
        with pytest.raises(ProviderBusy):
            await oxen.models()


async def test_models_without_a_schema_are_read_one_by_one() -> None:
    listed = {"id": "a/b", "capabilities": {"output": ["image"]}}

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(
            {"data": [listed]} if request.path.endswith("/models") else listed | {"request_schema": {"properties": {}}}
        )

    async with answering(handler) as oxen:
        assert [model.get("request_schema") for model in await oxen.models()] == [{"properties": {}}]


@pytest.mark.parametrize(
    ("row", "state", "enqueued_at"),
    [
        ({"status": "succeeded", "enqueued_at": 1_775_090_372}, ReportState.SUCCEEDED, 1_775_090_372_000),
        ({"status": "dreaming", "enqueued_at": None}, ReportState.PROCESSING, None),
        ({"status": None, "enqueued_at": "2026-04-02T00:39:32Z"}, ReportState.PROCESSING, 1_775_090_372_000),
        ({"enqueued_at": {"odd": 1}}, ReportState.PROCESSING, None),
    ],
)
def test_rows_are_read_tolerantly(row: dict[str, object], state: ReportState, enqueued_at: int | None) -> None:
    generation = WireGeneration.model_validate({"generation_id": "x", **row})
    assert (generation.state, generation.enqueued_at_ms) == (state, enqueued_at)


@pytest.mark.parametrize(("seed", "expected"), [(7, 7), ("7", 7), (7.0, 7), (None, None), (True, None), ("x", None), (float("inf"), None)])
def test_an_echoed_seed_is_read_in_any_type(seed: object, expected: int | None) -> None:
    assert WireGeneration.model_validate({"generation_id": "x", "seed": seed}).echoed_int("seed") == expected


# --- answers that take long to read ----------------------------------------------------------------------------------


async def longest_hold_s(work: Awaitable[object]) -> float:
    """The longest time for which the event loop does nothing else during `work`, whose failure does not matter."""
    task, longest, last = asyncio.ensure_future(work), 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(0)
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
    await asyncio.gather(task, return_exceptions=True)
    return longest


@pytest.mark.parametrize(
    "body",
    [b'{"generations": [' + b"[]," * 5_000_000 + b"[]]}", json.dumps({"generations": [{"generation_id": "g"}] * 200_000}).encode()],
    ids=["values", "rows"],
)
async def test_an_answer_with_very_many_values_does_not_hold_the_loop(body: bytes) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with answering(handler) as oxen:
        assert await longest_hold_s(oxen.list_generations()) < 0.5


async def test_a_list_of_models_beyond_its_limit_is_not_read() -> None:
    async with answering_json(200, {"data": [{"id": "a", "description": ["x" * 1000] * (LIST_BYTES // 1000)}]}) as oxen:
        with pytest.raises(ProviderBusy):
            await oxen.models()


async def test_only_so_many_models_are_asked_for_their_schemas() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"data": [{"id": f"m{n}", "endpoint": "/images/x"} for n in range(5000)]} if len(asked) == 1 else {})

    async with answering(handler) as oxen:
        await oxen.models()
    assert len(asked) == 1 + MODELS_MAX


async def test_a_large_event_is_dropped() -> None:
    async def handler(_: web.Request) -> web.Response:
        sizes = {"large": 200_000, "small": 10}
        events = [json.dumps({"generation_id": name, "x": "x" * size}) for name, size in sizes.items()]
        text = "".join(f"event: media_generation_completed\ndata: {each}\n\n" for each in events)
        return web.Response(text=text, content_type="text/event-stream")

    async with answering(handler) as oxen, oxen.listen() as events:
        assert (await anext(events)).provider_id == "small"


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"status": "canceled"}, ReportState.CANCELLED),
        ({"status": "Completed", "result_url": "https://x.test/a.png"}, ReportState.SUCCEEDED),
        ({"status": "timed-out"}, ReportState.FAILED),
        ({"status": "in_progress"}, ReportState.PROCESSING),
        ({"status": "moderated"}, ReportState.PROCESSING),
        ({"status": "moderated", "completed_at": 1_790_000_000}, ReportState.FAILED),
        ({"status": "moderated", "error_message": "no"}, ReportState.FAILED),
        ({"result_url": "https://x.test/a.png"}, ReportState.SUCCEEDED),
        ({"status": "processing", "completed_at": None, "error_message": None}, ReportState.PROCESSING),
    ],
)
async def test_an_end_is_recognised_in_every_spelling(row: dict[str, object], state: ReportState) -> None:
    async with answering_json(200, {"generation_id": "g", **row}) as oxen:
        report = await oxen.read("g")
    assert report is not None
    assert report.state is state


async def test_a_relative_result_link_belongs_to_the_image_api() -> None:
    async with answering_json(200, {"generation_id": "g", "status": "succeeded", "result_url": "/api/repos/a.png"}) as oxen:
        report = await oxen.read("g")
    assert report is not None
    assert (report.result_url or "").endswith("/api/repos/a.png")
    assert (report.result_url or "").startswith("http://127.0.0.1:")


@pytest.mark.parametrize("body", [{}, {"status": "success"}, {"generations": None}, {"data": "x"}])
async def test_a_lookup_whose_lists_are_none_says_nothing(body: object) -> None:
    """An image that was made must not count as one that was never requested."""
    async with answering_json(200, body) as oxen:
        with pytest.raises(ProviderBusy):
            await oxen.find(OX, since=0)


def test_what_is_no_json_and_no_text_is_left_out_of_an_answer() -> None:
    answer = rb'[NaN, -Infinity, 1e999, 1.5, "a\u0000b", {"\ud800": "\ud83e\udd8a"}]'
    assert _load(answer) == [None, None, None, 1.5, "ab", {"\ufffd": "🦊"}]
