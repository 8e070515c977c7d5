"""The metrics page: served within the context, gone afterwards, off by default."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from bot.core import config, metrics
from bot.core.errors import StartError

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        return int(taken.getsockname()[1])


async def page(port: int) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{port}/metrics") as response:
        return await response.text()


def test_the_page_is_served_on_loopback_and_gone_afterwards() -> None:
    port = free_port()
    metrics.OUTBOX.labels("deliver", "done").inc()
    with metrics.serve(port, HOST):
        text = asyncio.run(page(port))
    assert 'easel_outbox_total{kind="deliver",outcome="done"}' in text
    assert {"# TYPE easel_provider_up gauge", "# TYPE easel_submissions_total counter"} <= set(text.splitlines())
    with pytest.raises(aiohttp.ClientConnectorError):
        asyncio.run(page(port))


def test_there_is_no_page_by_default() -> None:
    settings = config.load({"DISCORD_TOKEN": "a", "OXEN_API_KEY": "b"}, env_file=None)
    assert (settings.metrics_port, settings.metrics_host) == (0, HOST)
    with metrics.serve(settings.metrics_port, "an address that is no address"):
        pass


def test_a_port_in_use_is_a_start_error() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"METRICS_PORT cannot be used: .* at {HOST}:{port}"), metrics.serve(port, HOST):
            pass


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_an_invalid_port_is_refused(port: str) -> None:
    with pytest.raises(StartError, match="METRICS_PORT must be a whole number from 0 to 65535"):
        config.load({"DISCORD_TOKEN": "a", "OXEN_API_KEY": "b", "METRICS_PORT": port}, env_file=None)
