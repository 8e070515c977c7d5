"""The local image API for tests. tests/conftest.py lists this module in `pytest_plugins`.

switchboard         its faults; a test turns some on with @pytest.mark.faults("result-cut", times=1)
timing              how long its generations take
server              the running server, on a free port
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox import images
from sandbox.faults import Switchboard


@pytest.fixture
def switchboard(request: pytest.FixtureRequest) -> Switchboard:
    board = Switchboard()
    for mark in request.node.iter_markers("faults"):
        for name in mark.args:
            board.turn_on(name, **mark.kwargs)
    return board


@pytest.fixture
def timing() -> images.ApiTiming:
    return images.FAST


@pytest.fixture
async def server(switchboard: Switchboard, timing: images.ApiTiming) -> AsyncIterator[images.ImageServer]:
    async with images.serve(switchboard=switchboard, timing=timing, draft=True) as running:
        yield running
