"""A local image API on a free port, a client that carries its key, and the faults that a test names."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from sandbox import images
from sandbox.faults import Switchboard
from tests.sandbox.wire import Client


@pytest.fixture
def switchboard(request: pytest.FixtureRequest) -> Switchboard:
    board = Switchboard()
    for mark in request.node.iter_markers("faults"):
        for name in mark.args:
            board.turn_on(name)
    return board


@pytest.fixture(autouse=True)
def no_errors_are_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does, it is no accident of the server."""
    yield
    records = caplog.get_records("call") + caplog.get_records("teardown")
    assert [record.getMessage() for record in records if record.levelno >= logging.ERROR] == []


@pytest.fixture
def timing() -> images.Timing:
    return images.FAST


@pytest.fixture
async def server(switchboard: Switchboard, timing: images.Timing) -> AsyncIterator[images.Server]:
    async with images.serve(switchboard=switchboard, timing=timing) as running:
        yield running


@pytest.fixture
async def client(server: images.Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {server.key}"}) as session:
        yield Client(session)
