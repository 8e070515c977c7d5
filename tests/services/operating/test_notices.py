"""Notices: what the log calls critical is told once an hour, and names nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import structlog
from aiohttp import web

from bot.core import log as logs
from bot.core.errors import RouteClosed, TryLater
from bot.core.log import Redactor
from bot.core.proxies import NO_PROXIES
from bot.services.operating import notices as module
from bot.services.operating.notices import Notices
from bot.services.operating.webhook import Webhook
from tests.core.running.test_loops import until
from tests.env.scripted import Scripted, scripted

HOUR_MS = 3_600_000
SECRET = "the-secret-address"


@pytest.fixture(autouse=True)
def real_logging() -> None:
    logs.set_up(level="INFO", form="json", known_secrets=[])
    structlog.configure(cache_logger_on_first_use=False)  # loggers of modules outlive the test


class FakeChannel:
    """Fails as a test says, then takes texts."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.texts, self.tries = list(failures), list[str](), 0

    async def send(self, text: str) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        self.texts.append(text)


class Told:
    """Notices with a clock that a test moves."""

    def __init__(self, *channels: FakeChannel) -> None:
        self.now = 0
        self.channels = channels or (FakeChannel(),)
        named = {f"channel {n}": channel.send for n, channel in enumerate(self.channels)}
        self.notices = Notices(channels=named, redact=Redactor([SECRET]), clock=lambda: self.now, backoff_s=lambda _: 0)
        self.log = structlog.get_logger("bot.tests")

    @property
    def texts(self) -> list[str]:
        return self.channels[0].texts

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Told]:
        with self.notices.listening():
            task = asyncio.create_task(self.notices.run())
            yield self
            task.cancel()
            await asyncio.wait({task})

    async def settle(self) -> None:
        """Until everything that is due was told."""
        self.notices._awake.set()
        for _ in range(20):
            await asyncio.sleep(0)


async def test_a_critical_record_is_told_with_when_why_and_what_to_do() -> None:
    async with Told().running() as told:
        told.log.critical("database away", reason="no connection.", do="See whether it runs.", provider="oxen", job="abc")
        await told.settle()
    assert told.texts == ["Easel: database away (oxen), since 1970-01-01 00:00:00 UTC: no connection. See whether it runs."]


async def test_it_is_told_once_an_hour_with_a_count_and_its_end_once() -> None:
    async with Told().running() as told:
        for _ in range(4):
            told.log.critical("disk full", do="Make room.")
            await told.settle()
        assert len(told.texts) == 1
        told.now += HOUR_MS
        await told.settle()
        assert told.texts[1:] == ["Easel: disk full, since 1970-01-01 00:00:00 UTC. (3 more since the last notice.) Make room."]
        for _ in range(2):
            told.log.warning("disk full is over")
            await told.settle()
        assert told.texts[2:] == ["Easel: disk full is over."]


async def test_what_comes_back_within_the_hour_is_told_once_the_hour_is_over_unless_it_ended() -> None:
    async with Told().running() as told:
        for _ in range(3):
            told.log.critical("disk full")
            await told.settle()
            told.log.warning("disk full is over")
            await told.settle()
        assert len(told.texts) == 2
        told.now += HOUR_MS
        await told.settle()
        assert len(told.texts) == 2
        told.log.critical("disk full")
        await told.settle()
        assert len(told.texts) == 3


async def test_events_about_different_things_are_told_apart() -> None:
    async with Told().running() as told:
        for provider in ("oxen", "oxlo", "oxen"):
            told.log.critical("image API down", provider=provider)
        await told.settle()
    assert [text.partition(",")[0] for text in told.texts] == ["Easel: image API down (oxen)", "Easel: image API down (oxlo)"]


async def test_a_notice_has_no_ids_secrets_or_fields_that_nobody_named() -> None:
    async with Told().running() as told:
        told.log.critical("odd", reason=f"at {SECRET} for 123456789012345678", do="Look.", prompt="a red fox", user=123456789012345678)
        told.log.critical("x" * 20, reason="y" * 5000)
        await told.settle()
    assert told.texts[0] == "Easel: odd, since 1970-01-01 00:00:00 UTC: at [secret] for [id]. Look."
    assert len(told.texts[1]) < 2000


async def test_other_records_are_not_told() -> None:
    async with Told().running() as told:
        told.log.error("failed")
        told.log.warning("nothing told before is over")
        logging.getLogger("asyncio").critical("of a library")
        logging.getLogger("bot.x").critical("plain %s", "text")
        await told.settle()
    assert told.texts == ["Easel: plain text, since 1970-01-01 00:00:00 UTC."]


async def test_a_record_of_another_thread_is_told() -> None:
    async with Told().running() as told:
        await asyncio.to_thread(told.log.critical, "from a thread")
        await told.settle()
    assert len(told.texts) == 1


async def test_a_flood_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KNOWN_MAX", 5)
    async with Told().running() as told:
        for n in range(500):
            told.log.critical("flood", model=str(n))
        await told.settle()
        assert len(told.notices._events) == 5
    assert len(told.texts) == 5


async def test_a_channel_that_fails_is_tried_a_few_times_and_keeps_no_other_from_being_told(capsys: pytest.CaptureFixture[str]) -> None:
    down, closed, broken, works = (
        FakeChannel(*[TryLater("status 500")] * 9),
        FakeChannel(RouteClosed("status 404")),
        FakeChannel(KeyError()),
        FakeChannel(TryLater("status 429", retry_after_s=0)),
    )
    async with Told(down, closed, broken, works).running() as told:
        told.log.critical("disk full")
        await until(lambda: len(works.texts) == 1 and down.tries == 3)
        await told.settle()
        assert [channel.tries for channel in told.channels] == [3, 1, 1, 2]
    assert '"level": "critical"' not in capsys.readouterr().err.partition("disk full")[2].partition("\n")[2]


async def test_what_is_not_told_yet_is_told_at_the_stop() -> None:
    told = Told()
    with told.notices.listening():
        told.log.critical("database damaged")
        await asyncio.sleep(0)
        await told.notices.finish()
    assert told.texts == ["Easel: database damaged, since 1970-01-01 00:00:00 UTC."]


# --- the webhook -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def webhook() -> AsyncIterator[tuple[Scripted, Webhook]]:
    async with scripted() as server, aiohttp.ClientSession() as session:
        yield server, Webhook(url=f"{server.url}/api/webhooks/1/{SECRET}", session=session, proxies=NO_PROXIES)


async def test_a_webhook_gets_json_with_the_text_and_pings_nobody() -> None:
    async with webhook() as (server, hook):
        await hook.send("Easel: disk full. @everyone")
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", f"/api/webhooks/1/{SECRET}")
    assert seen.json == {"content": "Easel: disk full. @everyone", "allowed_mentions": {"parse": []}}


@pytest.mark.parametrize(
    ("status", "headers", "error", "retry_after_s"),
    [
        (500, {}, TryLater, None),
        (429, {"Retry-After": "7"}, TryLater, 7.0),
        (404, {}, RouteClosed, None),
        (302, {"Location": "http://127.0.0.1:1/"}, RouteClosed, None),
    ],
)
async def test_what_a_webhook_answers_decides_over_another_try(
    status: int, headers: dict[str, str], error: type[Exception], retry_after_s: float | None
) -> None:
    async with webhook() as (server, hook):
        server.says({}, status=status, headers=headers)
        with pytest.raises(error) as raised:
            await hook.send("x")
    assert (getattr(raised.value, "retry_after_s", None), SECRET in str(raised.value)) == (retry_after_s, False)


async def test_a_webhook_that_cuts_the_connection_is_tried_again() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with webhook() as (server, hook):
        server.answer = cut
        with pytest.raises(TryLater, match="no answer"):
            await hook.send("x")
