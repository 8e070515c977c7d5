"""The HTTP client of image APIs on the wire: headers, signs of life, answers of events, the proxy."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohappyeyeballs
import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bot import USER_AGENT
from bot.core.errors import AnswerLost, ContentRefused, ImageError, MachineTrouble, ProviderBusy, ProviderError, ProxyRefused
from bot.core.proxies import ProxyRules
from bot.domain.failures import UNAVAILABLE
from bot.media.addresses import AddressRules
from bot.media.fetch import Fetcher
from bot.providers.http import Api, open_session
from bot.providers.openai import OpenAi
from bot.providers.provider import CompletedImage, Submission
from tests.env.providers import refusal
from tests.env.scripted import Scripted, scripted

OX = Submission(model="sd", prompt="an ox in the rain")
IMAGE = b"any bytes"
INLINE = {"data": [{"b64_json": base64.b64encode(IMAGE).decode()}]}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


@pytest.fixture
async def wire() -> AsyncIterator[Scripted]:
    async with scripted() as server:
        server.says(INLINE)
        yield server


@pytest.fixture
def client(wire: Scripted, session: aiohttp.ClientSession) -> OpenAi:
    return OpenAi(name="local", session=session, base_url=f"{wire.url}/v1", timeout_s=0.2)


async def test_every_request_names_the_project_and_its_version(client: OpenAi, wire: Scripted, session: aiohttp.ClientSession) -> None:
    await client.submit(OX)
    await client.ping()
    api = Api(session=session, base_url=wire.url, api_key="")
    await api.ask("/models")
    with pytest.raises(ProviderError):
        async with api.stream("/events", silence_s=1):
            pytest.fail("it is no stream")
    assert {seen.headers["User-Agent"] for seen in wire.seen} == {USER_AGENT}
    assert USER_AGENT.startswith("Easel/")
    assert wire.seen[-1].headers["Accept-Encoding"] == "identity"


async def test_a_long_header_is_read(client: OpenAi, wire: Scripted) -> None:
    wire.says(INLINE, headers={"X-Policy": "x" * 60_000})
    assert await client.submit(OX) == CompletedImage(content=IMAGE)


def sending(*pieces: bytes, content_type: str = "application/json", pause_s: float = 0.0) -> Scripted:
    """Only for `answer`: an answer in these pieces, with a pause before each."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for piece in pieces:
            await asyncio.sleep(pause_s)
            await response.write(piece)
        return response

    return Scripted(url="", answer=answer)


async def test_a_byte_is_a_sign_of_life(client: OpenAi, wire: Scripted) -> None:
    wire.answer = sending(*[b"\n"] * 6, json.dumps(INLINE).encode(), pause_s=0.1).answer
    assert await client.submit(OX) == CompletedImage(content=IMAGE)


def event(kind: str, **values: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **values})}\n\n".encode()


DONE = event("image_generation.completed", **INLINE["data"][0])


@pytest.mark.parametrize(
    "pieces",
    [
        [DONE],
        [b": keep-alive\n\n", event("image_generation.partial_image", b64_json="AAAA"), DONE[:20], DONE[20:]],
        [b"data: " + json.dumps(INLINE).encode() + b"\n\ndata: [DONE]\n\n"],
        [event("image_edit.completed", **INLINE["data"][0])],
    ],
)
async def test_an_answer_may_come_as_events(client: OpenAi, wire: Scripted, pieces: list[bytes]) -> None:
    wire.answer = sending(*pieces, content_type="text/event-stream; charset=utf-8").answer
    assert await client.submit(OX) == CompletedImage(content=IMAGE)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([event("error", error={"message": "No.", "code": "moderation_blocked"})], ContentRefused),
        ([event("error", code="moderation_blocked", message="No.")], ContentRefused),
        ([event("image_generation.partial_image", b64_json="AAAA")], AnswerLost),
        ([DONE[:-20]], AnswerLost),
        ([b"data: [DONE]\n\n"], AnswerLost),
    ],
)
async def test_events_without_an_image_are_judged(client: OpenAi, wire: Scripted, pieces: list[bytes], kind: type[ProviderError]) -> None:
    wire.answer = sending(*pieces, content_type="text/event-stream").answer
    assert type(await refusal(client, OX)) is kind


async def test_a_generation_that_fails_for_the_account_is_told_to_the_operator_once(session: aiohttp.ClientSession) -> None:
    api = Api(session=session, base_url="http://127.0.0.1:1", api_key="", name="local")
    with capture_logs() as logs:
        sentences = {api.explain_failure("Insufficient credits") for _ in range(2)}
    assert sentences == {UNAVAILABLE}
    assert [entry["log_level"] for entry in logs] == ["critical"]


# --- the proxy -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def proxying(status: str) -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that refuses every connection: its address, and the first line of each request."""
    lines: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines.append(head.decode().partition("\r\n")[0])
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://user:pass@127.0.0.1:{server.sockets[0].getsockname()[1]}", lines


@pytest.mark.parametrize(("status", "kind"), [("407 Who", ProxyRefused), ("403 No", ProxyRefused), ("502 Later", ProviderBusy)])
async def test_what_a_proxy_refuses_was_never_sent(session: aiohttp.ClientSession, status: str, kind: type[ProviderError]) -> None:
    async with proxying(status) as (address, lines):
        client = OpenAi(name="local", session=session, base_url="https://images.invalid/v1", proxy=address)
        error = await refusal(client, OX)
    assert type(error) is kind
    assert "pass" not in f"{error.sentence} {error.detail}"
    assert lines == ["CONNECT images.invalid:443 HTTP/1.1"]


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_through"),
    [
        ("https://api.x.test/v1", (), True),
        ("http://api.x.test/v1", (), False),
        ("https://api.x.test/v1", ("x.test",), False),
        ("https://api.x.test/v1", (".x.test",), False),
        ("https://api.x.test/v1", ("*.X.test",), False),
        ("https://apix.test/v1", ("x.test",), True),
        ("https://api.x.test:8443/v1", ("x.test:443", "y.test"), True),
        ("https://api.x.test:8443/v1", ("x.test:8443",), False),
        ("https://10.1.2.3/v1", ("10.0.0.0/8",), False),
        ("https://[::1]/v1", ("::1",), False),
        ("https://10.1.2.3/v1", ("10.1.2.4", ""), True),
        ("https://api.x.test/v1", ("*",), False),
    ],
)
def test_no_proxy_names_hosts_addresses_and_networks(url: str, no_proxy: tuple[str, ...], is_through: bool) -> None:
    assert bool(ProxyRules(https_proxy="http://proxy:3128", no_proxy=no_proxy).proxy_for(url)) is is_through


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://images.invalid/a.png", 1),
        ("https://localhost/a.png", 0),
        ("https://10.0.0.1/a.png", 0),
        ("https://elsewhere.invalid/a.png", 0),
    ],
)
async def test_behind_a_proxy_the_rules_for_addresses_hold(url: str, asked: int) -> None:
    rules = AddressRules(public_hosts=("images.invalid", "localhost"))
    async with proxying("502 Later") as (address, lines), Fetcher(rules=rules, proxies=ProxyRules(https_proxy=address)) as fetcher:
        with pytest.raises((ImageError, ProviderBusy)):
            await fetcher.fetch_bytes(url, max_bytes=1000)
        assert len(lines) == asked


# --- shortages of this machine -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shortage", [OSError(errno.EMFILE, ""), OSError(errno.ENOBUFS, ""), MemoryError()], ids=repr)
async def test_a_machine_that_cannot_connect_is_not_an_image_api_that_is_down(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, shortage: BaseException
) -> None:
    """It was not sent, so it may be sent again."""

    async def fails(*_args: object, **_kwargs: object) -> None:
        raise shortage

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", fails)
    api = Api(session=session, base_url="http://127.0.0.1:9", api_key="key")
    with pytest.raises(MachineTrouble):
        await api.ask("/models")
    with pytest.raises(MachineTrouble):
        await api.probe("/models")
    with pytest.raises(MachineTrouble):
        async with api.stream("/events", silence_s=1):
            raise AssertionError("it has no stream")
    if isinstance(shortage, OSError):
        with pytest.raises(MachineTrouble):
            await api.send("/images", {}, timeout_s=1)


async def test_an_answer_is_parsed_again_until_there_is_memory(client: OpenAi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image in it was paid for."""
    real, failures = json.loads, iter([MemoryError(), MemoryError()])

    def loads(text: bytes, **options: Any) -> object:
        for failure in failures:
            raise failure
        return real(text, **options)

    monkeypatch.setattr("bot.providers.answers._PARSED_OFF_LOOP", 0)
    monkeypatch.setattr("bot.core.running.machine._PAUSE_MIN_S", 0.0)
    monkeypatch.setattr("bot.providers.answers.json.loads", loads)
    assert await client.submit(OX) == CompletedImage(content=IMAGE)
