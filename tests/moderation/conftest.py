"""A local moderations endpoint on a free port, and the faults that a test names."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from sandbox import images
from sandbox.faults import Switchboard


@pytest.fixture
def switchboard(request: pytest.FixtureRequest) -> Switchboard:
    board = Switchboard()
    for mark in request.node.iter_markers("faults"):
        for name in mark.args:
            board.turn_on(name)
    return board


@pytest.fixture
async def server(switchboard: Switchboard) -> AsyncIterator[images.Server]:
    async with images.serve(switchboard=switchboard, timing=images.FAST) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
