"""Clients of the local image API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from bot.core.errors import ProviderError
from bot.providers.oxen import Oxen
from bot.providers.provider import Provider, Submission
from sandbox import images

KLEIN_4B = "black-forest-labs-flux-2-klein-4b"
KLEIN_9B = "black-forest-labs-flux-2-klein-9b"
DEV = "flux-2-dev"
SD_15 = "stable-diffusion-1.5"
SDXL = "sdxl_lightning_4step.safetensors"
SCHNELL = "flux.1-schnell"
OXLO_PRO = "oxlo-image-pro"

MakeOxen = Callable[..., Oxen]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def refusal(provider: Provider, submission: Submission) -> ProviderError:
    """The error that this submission raises."""
    with pytest.raises(ProviderError) as caught:
        await provider.submit(submission)
    return caught.value


@pytest.fixture
def make_oxen(server: images.ImageServer, session: aiohttp.ClientSession) -> MakeOxen:
    def make(**more: object) -> Oxen:
        keywords: dict[str, object] = {"session": session, "base_url": server.url, "api_key": server.key, "attempts": 2} | more
        return Oxen(**keywords)  # type: ignore[arg-type]  # a test names what it wants otherwise

    return make


@pytest.fixture
def oxen(make_oxen: MakeOxen) -> Oxen:
    return make_oxen()
