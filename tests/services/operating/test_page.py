"""The HTTP page: what it answers, that it is gone after the stop, and that it never delays it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bot.core.clock import system
from bot.core.errors import DatabaseAway, StartError
from bot.core.running.lag import LoopLag
from bot.core.running.supervision import Supervisor
from bot.services.operating import page
from bot.services.operating.readiness import DatabaseCheck, Readiness
from tests.services.operating.pages import HOST, free_port, get


class FakeStore:
    """A database that answers, fails, or does neither."""

    away_since: int | None = None

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.reads = 0

    async def read(self, *_: object) -> None:
        self.reads += 1
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error


@asynccontextmanager
async def serving(store: FakeStore, within_s: float = 60) -> AsyncIterator[int]:
    database = DatabaseCheck(store=store, clock=system, within_s=within_s)  # type: ignore[arg-type]
    supervisor = Supervisor(backoff_s=lambda _: 0, healthy_s=60, clock=system)
    readiness = Readiness(database=database, gateway=lambda: None, supervisor=supervisor)
    port = free_port()
    async with page.served(port, HOST, lag=LoopLag(), readiness=readiness):
        yield port


async def test_every_path_has_its_answer_and_no_other_path() -> None:
    async with serving(FakeStore()) as port:
        answers = {path: (await get(port, path)) for path in ("/metrics", "/healthz", "/readyz", "/", "/metrics/", "/readyz/x")}
        posted = await get(port, "/healthz", method="POST")
    assert {path: answer.status for path, answer in answers.items()} == {
        **dict.fromkeys(("/metrics", "/healthz", "/readyz"), 200),
        **dict.fromkeys(("/", "/metrics/", "/readyz/x"), 404),
    }
    assert answers["/"].text == "This page has /metrics, /healthz and /readyz.\n"
    assert (posted.status, posted.text) == (405, "This page only answers GET.\n")
    assert "# TYPE easel_provider_up gauge" in answers["/metrics"].text
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(port, "/metrics")


async def test_healthz_says_how_late_the_loop_is_and_fails_once_it_does_not_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(FakeStore()) as port:
        well = await get(port, "/healthz")
        monkeypatch.setattr(page, "_TURNED_WITHIN_S", 0.0)
        stuck = await get(port, "/healthz")
    assert (well.status, stuck.status) == (200, 503)
    assert json.loads(well.text).keys() == {"healthy", "since_turn_s", "worst_lag_s"}


async def test_a_database_that_does_not_answer_is_asked_once_and_told_in_time() -> None:
    store = FakeStore()
    async with serving(store, within_s=0.01) as port:
        store.may_answer.clear()
        first, second = [await get(port, "/readyz") for _ in range(2)]
        assert (first.status, store.reads) == (503, 1)
        assert first.parts["database"] == second.parts["database"]
        assert first.parts["database"]["reason"] == "it doesn't answer"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", first.parts["database"]["since"])
        store.may_answer.set()
        await get(port, "/readyz")
        assert (await get(port, "/readyz")).status == 200


@pytest.mark.parametrize(
    ("error", "reason"), [(DatabaseAway("The database does not answer."), "The database does not answer."), (KeyError("id 42"), "KeyError")]
)
async def test_a_database_that_fails_is_told_without_what_an_unknown_error_says(error: Exception, reason: str) -> None:
    store = FakeStore()
    store.error = error
    async with serving(store) as port:
        assert (await get(port, "/readyz")).parts["database"]["reason"] == reason


async def test_a_store_that_knows_that_the_database_is_away_is_believed() -> None:
    store = FakeStore()
    store.away_since = 1_000
    async with serving(store) as port:
        assert (await get(port, "/readyz")).parts["database"]["since"] == "1970-01-01 00:00:01 UTC"


async def test_answers_under_way_do_not_delay_the_stop() -> None:
    store = FakeStore()
    store.may_answer.clear()
    async with serving(store) as port, asyncio.timeout(5):
        _, half = await asyncio.open_connection(HOST, port)
        half.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n")  # and no end
        waiting = asyncio.create_task(get(port, "/readyz"))
        while not store.reads:  # noqa: ASYNC110  nothing announces it
            await asyncio.sleep(0)
    with pytest.raises(aiohttp.ClientError):
        await waiting
    half.close()


async def test_a_port_in_use_is_a_start_error() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        context = page.served(port, HOST, lag=LoopLag(), readiness=None)  # type: ignore[arg-type]
        with pytest.raises(StartError, match=f"METRICS_PORT cannot be used: .* at {HOST}:{port}; choose another, or 0."):
            await context.__aenter__()


async def test_there_is_no_page_for_port_0() -> None:
    async with page.served(0, "an address that is no address", lag=LoopLag(), readiness=None):  # type: ignore[arg-type]
        pass
