"""The doctor's checks of image APIs and their models."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.core.config import Settings
from bot.ops import doctor_images
from bot.ops.findings import ok
from tests.env.app import Env
from tests.env.scripted import scripted

SD = {"id": "stable-diffusion-1.5", "sizes": ["512x512"]}
Check = Callable[..., Awaitable[str]]


@pytest.fixture
def check(env: Env) -> Check:
    """Returns the findings about image APIs, one per line, with Oxen and Oxlo enabled."""

    async def check_(**overrides: str) -> str:
        return await found(env.settings(**{**env.oxlo, **overrides}))

    return check_


@pytest.fixture
async def without_a_list() -> AsyncIterator[str]:
    """The base URL of a server without a list of models."""
    async with serving(web.Application()) as url:
        yield url


@pytest.fixture
async def open_to_all() -> AsyncIterator[str]:
    """The base URL of a server that lists its models without a key."""

    async def list_models(_request: web.Request) -> web.Response:
        return web.json_response({"data": [SD]})

    app = web.Application()
    app.router.add_get("/v1/models", list_models)
    async with serving(app) as url:
        yield url


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


async def found(settings: Settings) -> str:
    async with aiohttp.ClientSession() as session:
        reports = await doctor_images.ask_apis(settings, session)
        return "\n".join(f"{finding.severity} {finding.text}" for finding in doctor_images.judge(settings, reports))


def local(base_url: str, *models: dict[str, Any], **more: Any) -> str:
    """The value of OPENAI_ENDPOINTS for an endpoint named local."""
    return json.dumps([{"name": "local", "base_url": base_url, "models": models or (SD,), "price_credits": 1, **more}])


async def test_two_healthy_image_apis_have_separate_lines(check: Check) -> None:
    assert (await check()).splitlines() == [
        "ok Oxen.ai: it accepts the key.",
        "ok Oxlo.ai: it accepts the key, and has all the models.",
        "ok Oxen.ai: models for images: 34; with a price: 34.",
        "ok Oxlo.ai: models for images: 4; with a price: 4.",
        "ok DEFAULT_MODEL FLUX.2 Klein 4B costs 1.4 credits an image; QUOTA_CREDITS pays for 714 of them.",
    ]


async def test_only_image_apis_with_a_key_are_checked(env: Env) -> None:
    output = await found(env.settings(**env.oxlo, OXEN_API_KEY=""))
    assert "Oxen" not in output
    assert "DEFAULT_MODEL Stable Diffusion 1.5 costs 2 credits" in output
    assert env.images.received("GET", "/api/") == []


async def test_a_check_makes_no_image(check: Check, env: Env) -> None:
    await check(OPENAI_ENDPOINTS=local(env.images.openai_url, key="any"))
    asked = [request.path for request in env.images.requests if request.method != "GET"]
    assert [path for path in asked if not path.endswith("/estimate")] == []


@pytest.mark.parametrize(
    ("overrides", "output"),
    [
        ({"OXLO_API_KEY": "wrong"}, "bad Oxlo.ai: it refuses OXLO_API_KEY, has no credit left for it, or has moved"),
        ({"OXLO_BASE_URL": "http://127.0.0.1:1"}, "bad Oxlo.ai: OXLO_BASE_URL does not answer as an image API does"),
        ({"OPENAI_ENDPOINTS": local("http://127.0.0.1:1")}, "bad local: base_url of local in OPENAI_ENDPOINTS does not answer"),
        ({"DEFAULT_MODEL": "oxlo-image-pro"}, "ok DEFAULT_MODEL Oxlo Image Pro costs 2 credits"),
        ({"DEFAULT_MODEL": "no-such-model"}, "bad DEFAULT_MODEL no-such-model is not offered"),
        ({"FALLBACK_MODELS": "flux-2-dev=oxlo-image-po"}, "warn FALLBACK_MODELS: There's no model called oxlo-image-po. Did you mean"),
        ({"MODEL_PRICES": "no-such-model=2"}, "warn MODEL_PRICES: There's no model called no-such-model"),
        ({"MODEL_PRICES": "Oxlo Image Pro=2"}, "warn MODEL_PRICES: it takes ids; write oxlo-image-pro instead of Oxlo Image Pro."),
    ],
)
async def test_a_wrong_setting_is_named_with_its_remedy(check: Check, overrides: dict[str, str], output: str) -> None:
    assert output in await check(**overrides)


@pytest.mark.parametrize(
    ("key", "output"), [("wrong", "bad local: it refuses the key of local in"), ("any", "ok local: it accepts the key")]
)
async def test_an_endpoints_key_is_checked(check: Check, env: Env, key: str, output: str) -> None:
    assert output in await check(OPENAI_ENDPOINTS=local(env.images.openai_url, key=key))


async def test_unlisted_model_ids_are_named(check: Check, env: Env) -> None:
    output = await check(OPENAI_ENDPOINTS=local(env.images.openai_url, SD, {"id": "sdxl"}, key="any"))
    assert "warn local: it answers, but its list of models does not include sdxl; check these ids." in output


async def test_without_a_list_the_key_is_not_checked(check: Check, without_a_list: str) -> None:
    output = await check(OPENAI_ENDPOINTS=local(without_a_list, key="any"))
    assert "warn local: it has no list of models, so only the first image shows whether its address and key are right." in output
    assert "ok local: models for images: 1; with a price: 1." in output


@pytest.mark.parametrize(
    ("key", "output"), [("any", "warn local: it lists its models without a key too"), ("", "ok local: it answers without a key")]
)
async def test_a_public_list_does_not_check_the_key(check: Check, open_to_all: str, key: str, output: str) -> None:
    assert output in await check(OPENAI_ENDPOINTS=local(open_to_all, key=key))


async def test_models_without_a_price_are_named_with_the_setting(check: Check, env: Env) -> None:
    output = await check(OPENAI_ENDPOINTS=local(env.images.openai_url, SD, key="any", price_credits=None))
    assert "warn local: models for images: 1; with a price: 0." in output
    assert (
        "these models have no price, so members can't use them: stable-diffusion-1.5@local. Set MODEL_PRICES (id=credits), or price_cr"
        in output
    )


async def test_a_default_model_without_a_price_is_bad(check: Check, env: Env) -> None:
    endpoint = local(env.images.openai_url, {"id": "one"}, key="any", price_credits=None)
    output = await check(OPENAI_ENDPOINTS=endpoint, DEFAULT_MODEL="one")
    assert "bad DEFAULT_MODEL one has no price per image; set one in MODEL_PRICES (one=credits)." in output


@pytest.mark.faults("oxen-down")
async def test_an_image_api_that_is_down_hides_no_others_and_adds_no_false_warnings(check: Check) -> None:
    output = await check(FALLBACK_MODELS="flux-2-dev=oxlo-image-pro")
    assert [line.split(":")[0] for line in output.splitlines() if line.startswith("bad")] == ["bad Oxen.ai"]
    assert "ok Oxlo.ai: it accepts the key" in output
    assert "FALLBACK_MODELS" not in output


@pytest.mark.faults("oxlo-down")
async def test_models_are_known_while_their_image_api_is_down(check: Check) -> None:
    output = await check(DEFAULT_MODEL="stable-diffusion-1.5")
    assert "bad Oxlo.ai: OXLO_BASE_URL does not answer" in output
    assert "ok DEFAULT_MODEL Stable Diffusion 1.5 costs 2 credits" in output


@pytest.mark.parametrize(("end", "day"), [("2026-12-01", "2026-12-01"), (1_796_083_200, "2026-12-01")])
async def test_a_model_whose_end_is_announced_is_named(env: Env, end: str | int, day: str) -> None:
    async with scripted() as server:
        server.says({"data": [SD | {"shutdown_date": end}]})
        output = await found(env.settings(OXEN_API_KEY="", OPENAI_ENDPOINTS=local(f"{server.url}/v1")))
    assert f"warn local: stable-diffusion-1.5 shuts down on {day}; choose another one in the settings before." in output


async def test_a_firewall_is_not_taken_for_a_refused_key(env: Env) -> None:
    async with scripted() as server:
        server.says("<html>Attention Required!</html>", status=403)
        output = await found(env.settings(OXEN_API_KEY="", OPENAI_ENDPOINTS=local(f"{server.url}/v1")))
    assert "bad local: a proxy or firewall on the way to base_url of local" in output
    assert "status 403" in output


async def test_an_image_api_that_times_out_does_not_hide_others(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_images, "_LIMIT_S", 0)
    output = (await check()).splitlines()
    assert [line.partition(";")[0] for line in output[:2]] == ["bad Oxen.ai: no answer within 0 s", "bad Oxlo.ai: no answer within 0 s"]


async def test_without_oxen_the_event_stream_is_not_used(env: Env) -> None:
    settings = env.settings(**env.oxlo, OXEN_API_KEY="")
    async with aiohttp.ClientSession() as session:
        output = await doctor_images.check_event_stream(settings, session, await doctor_images.ask_apis(settings, session))
    assert list(output) == [ok("not used, because there is no OXEN_API_KEY.")]
