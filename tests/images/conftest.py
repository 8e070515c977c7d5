"""A local image API on a free port, the faults that a test names, and the client that is tried on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from bot.images.oxen import Oxen
from sandbox import images
from sandbox.faults import Switchboard

KLEIN_4B = "black-forest-labs-flux-2-klein-4b"
KLEIN_9B = "black-forest-labs-flux-2-klein-9b"
DEV = "flux-2-dev"
SD_15 = "stable-diffusion-1.5"
SDXL = "sdxl_lightning_4step.safetensors"
SCHNELL = "flux.1-schnell"
OXLO_PRO = "oxlo-image-pro"

MakeOxen = Callable[..., Oxen]


@pytest.fixture
def switchboard(request: pytest.FixtureRequest) -> Switchboard:
    board = Switchboard()
    for mark in request.node.iter_markers("faults"):
        for name in mark.args:
            board.turn_on(name)
    return board


@pytest.fixture
def timing() -> images.Timing:
    return images.FAST


@pytest.fixture
async def server(switchboard: Switchboard, timing: images.Timing) -> AsyncIterator[images.Server]:
    async with images.serve(switchboard=switchboard, timing=timing) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def make_oxen(server: images.Server, session: aiohttp.ClientSession) -> MakeOxen:
    def make(**more: object) -> Oxen:
        keywords: dict[str, object] = {"session": session, "base_url": server.url, "api_key": server.key, "attempts": 2} | more
        return Oxen(**keywords)  # type: ignore[arg-type]  # a test names what it wants otherwise

    return make


@pytest.fixture
def oxen(make_oxen: MakeOxen) -> Oxen:
    return make_oxen()
