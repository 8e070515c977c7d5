"""The local image API keeps its OpenAI-compatible contract, checked with the official SDK and plain HTTP."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image, ImageChops, ImageStat

from sandbox import images
from sandbox.painter import Brief, paint
from tests.sandbox.wire import OXLO_PRO, SCHNELL, SD, SDXL, Answer, Client

SOURCE = paint(Brief(prompt="a harbour", seed=3, size_px=(512, 512))).data
OTHER = paint(Brief(prompt="a snow field", seed=8, size_px=(512, 512))).data
SOURCE_TEXT = base64.b64encode(SOURCE).decode()
NATIVE = {SD: (512, 512), SDXL: (1024, 1024), SCHNELL: (1024, 1024), OXLO_PRO: (1024, 1024)}


@pytest.fixture
async def sdk(server: images.ImageServer) -> AsyncIterator[AsyncOpenAI]:
    """The official client; the environment's proxies are not for loopback."""
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with AsyncOpenAI(base_url=server.openai_url, api_key=server.openai_key, max_retries=0, http_client=http) as client:
        yield client


def inline(response: openai.types.ImagesResponse) -> list[Image.Image]:
    """The images in the SDK's answer."""
    return [Image.open(io.BytesIO(base64.b64decode(each.b64_json or ""))) for each in response.data or []]


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference per channel, 0 to 255, above the label."""
    box = (0, 0, one.width, one.height * 9 // 10)
    pair = [each.convert("RGB").crop(box) for each in (one, other)]
    return sum(ImageStat.Stat(ImageChops.difference(*pair)).mean) / 3


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


# The SDK


async def test_the_sdk_generates_inline(sdk: AsyncOpenAI) -> None:
    response = await sdk.images.generate(model=SDXL, prompt="A futuristic city skyline at sunset", n=1, size="1024x1024")
    (image,) = inline(response)
    assert (image.format, image.size) == ("PNG", (1024, 1024))
    assert response.created > 1_700_000_000


async def test_the_sdk_generates_links_that_need_no_key(sdk: AsyncOpenAI) -> None:
    response = await sdk.images.generate(model=SD, prompt="a fox", n=2, response_format="url")
    links = [each.url or "" for each in response.data or []]
    async with aiohttp.ClientSession() as session:
        for link in links:
            async with session.get(link) as answer:
                assert (answer.status, answer.content_type) == (200, "image/png")
    assert len(set(links)) == 2


async def test_the_sdk_edits_several_files(sdk: AsyncOpenAI, client: Client) -> None:
    files = [("a.png", SOURCE, "image/png"), ("b.png", OTHER, "image/png")]
    pair = await sdk.images.edit(model=SD, image=files, prompt="side by side", n=2, extra_body={"strength": 0.0, "seed": 4})
    alone = await sdk.images.edit(model=SD, image=files[:1], prompt="side by side", extra_body={"strength": 0.0, "seed": 4})
    assert difference(inline(pair)[0], inline(alone)[0]) > 10
    assert [(call["images"], call["seed"], call["paid"]) for call in await client.calls()] == [(2, 4, 2), (1, 4, 1)]


async def test_the_sdk_lists_and_reads_models(sdk: AsyncOpenAI) -> None:
    listed = [model async for model in sdk.models.list()]
    assert [(model.id, model.object, model.owned_by) for model in listed] == [(name, "model", "oxlo") for name in NATIVE]
    assert await sdk.models.retrieve(SCHNELL) == listed[2]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"model": "dall-e-9"}, openai.NotFoundError),
        ({"model": SD, "size": "1x1"}, openai.BadRequestError),
        ({"model": SD, "extra_headers": {"Authorization": "Bearer wrong"}}, openai.AuthenticationError),
        ({"model": SDXL, "extra_headers": {"Authorization": "Bearer free-key"}}, openai.PermissionDeniedError),
    ],
)
async def test_the_sdk_understands_a_refusal(sdk: AsyncOpenAI, body: dict[str, Any], error: type[openai.APIStatusError]) -> None:
    with pytest.raises(error) as refused:
        await sdk.images.generate(prompt="a fox", **body)
    assert isinstance(refused.value.body, dict)
    assert refused.value.body.keys() == {"message", "type", "param", "code"}


# Models, sizes and tiers


@pytest.mark.parametrize(("model", "status"), [(SD, 200), (SDXL, 200), (SCHNELL, 400), (OXLO_PRO, 200)])
async def test_only_some_models_edit(client: Client, model: str, status: int) -> None:
    answer = await client.redraw(model=model, image=SOURCE_TEXT)
    assert answer.status == status
    if status == 200:
        assert answer.inline_images[0].size == NATIVE[model]


@pytest.mark.parametrize(
    ("key", "statuses"),
    [("free-key", [200, 403, 403, 403]), ("pro-key", [200, 200, 200, 403]), ("any-other", [200, 200, 200, 200])],
)
async def test_a_key_can_use_the_models_of_its_tier(client: Client, key: str, statuses: list[int]) -> None:
    assert [(await client.draw(model=model, key=key, size="512x512")).status for model in NATIVE] == statuses


# Parameters


def refusal(answer: Answer) -> tuple[int, Any, Any]:
    error = answer.json["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return answer.status, error["param"], error["code"]


def mask(mode: str, size: tuple[int, int] = (512, 512), format_: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, format_)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (mask("RGB"), "mask_missing_alpha"),
        (mask("RGBA", (256, 512)), "invalid_mask_size"),
        (mask("RGBA", format_="WEBP"), "invalid_image_format"),
        (b"nothing", "invalid_image_format"),
    ],
)
async def test_a_mask_is_a_png_of_the_image_s_size_with_transparency(sdk: AsyncOpenAI, content: bytes, code: str) -> None:
    source = ("a.png", SOURCE, "image/png")
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.images.edit(model=SD, image=source, mask=("mask.png", content, "image/png"), prompt="a fox")
    assert (caught.value.param, caught.value.code) == ("mask", code)


async def test_what_is_transparent_in_a_mask_is_changed(sdk: AsyncOpenAI) -> None:
    edited, kept = ("a.png", SOURCE, "image/png"), Image.new("RGBA", (512, 512), "black")
    kept.paste((0, 0, 0, 0), (0, 0, 256, 512))
    buffer = io.BytesIO()
    kept.save(buffer, "PNG")
    response = await sdk.images.edit(model=SD, image=edited, mask=("mask.png", buffer.getvalue(), "image/png"), prompt="a fox")
    left, right = ((0, 0, 240, 400), (272, 0, 512, 400))
    made, source = inline(response)[0], opened(SOURCE)
    assert difference(made.crop(left), source.crop(left)) > 5
    assert difference(made.crop(right), source.crop(right)) < 4  # it is drawn coarsely


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": None}, (400, "model", "missing_required_parameter")),
        ({"prompt": "  "}, (400, "prompt", "missing_required_parameter")),
        ({"prompt": 5}, (400, "prompt", "invalid_type")),
        ({"model": "dall-e-9"}, (404, "model", "model_not_found")),
        ({"n": 0}, (400, "n", "invalid_value")),
        ({"n": 5}, (400, "n", "invalid_value")),
        ({"n": "2"}, (400, "n", "invalid_type")),
        ({"n": True}, (400, "n", "invalid_type")),
        ({"seed": -1}, (400, "seed", "invalid_value")),
        ({"seed": "x"}, (400, "seed", "invalid_type")),
        ({"response_format": "gif"}, (400, "response_format", "invalid_value")),
        ({"strength": 0.5}, (400, "strength", "unknown_parameter")),
        ({"image": SOURCE_TEXT}, (400, "image", "unknown_parameter")),
        ({"prompt": "a Forbidden fruit"}, (400, "prompt", "content_policy_violation")),
    ],
)
async def test_a_bad_parameter_is_refused_and_costs_nothing(client: Client, body: dict[str, Any], expected: tuple[int, Any, Any]) -> None:
    assert refusal(await client.draw(**body)) == expected
    assert [(call["status"], call["paid"]) for call in await client.calls()] == [(expected[0], 0)]


# Edits
