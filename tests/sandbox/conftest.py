"""A client that carries the local image API's key."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from sandbox import images
from tests.sandbox.wire import Client


@pytest.fixture(autouse=True)
def no_errors_are_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No request of a client may cause a logged error."""
    yield
    records = caplog.get_records("call") + caplog.get_records("teardown")
    assert [record.getMessage() for record in records if record.levelno >= logging.ERROR] == []


@pytest.fixture
async def client(server: images.ImageServer) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {server.key}"}) as session:
        yield Client(session)
