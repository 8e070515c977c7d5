"""Oxlo's models through the OpenAI-compatible client, against the local image API."""

from __future__ import annotations

import aiohttp
import pytest

from bot.core.errors import AnswerLost, ContentRefused, ModelLocked
from bot.core.settings.endpoints import Endpoint
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import Catalog
from bot.domain.catalog.params import build_params
from bot.media.codec import inspect
from bot.providers.openai import OpenAi
from bot.providers.openai_models import models_of
from bot.providers.provider import Submission
from sandbox import images
from tests.env.providers import OXLO_PRO, SCHNELL, SD_15, SDXL, refusal

PIXEL_URI = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
OXLO = models_of(Endpoint(name="oxlo", base_url="https://api.oxlo.ai/v1", price_credits=2))
CATALOG = Catalog.merge({"oxlo": OXLO}, credit_usd=0.01, model_prices={})


@pytest.fixture
def oxlo(server: images.ImageServer, session: aiohttp.ClientSession) -> OpenAi:
    return OpenAi(name="oxlo", session=session, base_url=f"{server.url}/v1", api_key="any", models=OXLO)


@pytest.mark.parametrize(("name", "side"), [(SD_15, 512), (SDXL, 1024), (SCHNELL, 1024), (OXLO_PRO, 1024)])
async def test_every_model_makes_its_native_size_by_default(oxlo: OpenAi, name: str, side: int) -> None:
    params = build_params(CATALOG.get(name), {})
    made = await oxlo.submit(Submission(model=name, prompt="an ox", params=params))
    found = inspect(made.content or b"", max_pixels=2**21)
    assert (found.width, found.height) == (side, side)


@pytest.mark.parametrize("name", [model.api_id for model in CATALOG.models if model.takes_references])
async def test_every_model_that_edits_does(oxlo: OpenAi, server: images.ImageServer, name: str) -> None:
    params = build_params(CATALOG.get(name), {Idea.ASPECT_RATIO: "1:1"}, "strength=0.3")
    await oxlo.submit(Submission(model=name, prompt="an ox", params=params, references=(PIXEL_URI,)))
    (seen,) = server.received("POST", "/v1/images/edits")
    assert seen.json["strength"] == 0.3
    assert name != SCHNELL


@pytest.mark.parametrize(("key", "opens"), [("free-key", {SD_15}), ("pro-key", {SD_15, SDXL, SCHNELL})])
async def test_a_model_above_the_tier_raises_provider_account(
    server: images.ImageServer, session: aiohttp.ClientSession, key: str, opens: set[str]
) -> None:
    client = OpenAi(name="oxlo", session=session, base_url=f"{server.url}/v1", api_key=key)
    for model in CATALOG.models:
        submission = Submission(model=model.api_id, prompt="an ox", params=build_params(model, {}))
        if model.api_id in opens:
            assert await client.submit(submission)
        else:
            assert isinstance(await refusal(client, submission), ModelLocked)


async def test_a_violation_of_the_content_policy_raises_content_refused(oxlo: OpenAi) -> None:
    assert isinstance(await refusal(oxlo, Submission(model=SD_15, prompt="something forbidden")), ContentRefused)


@pytest.mark.parametrize(
    "fault",
    [pytest.param(name, marks=pytest.mark.faults(name)) for name in ("enqueue-answer-lost", "enqueue-cut", "result-cut", "oxlo-down")],
)
async def test_a_cut_connection_is_a_lost_response(oxlo: OpenAi, fault: str) -> None:
    assert isinstance(await refusal(oxlo, Submission(model=SD_15, prompt="an ox")), AnswerLost)
