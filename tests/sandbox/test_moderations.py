"""The local moderations endpoint keeps OpenAI's contract, checked with the official SDK, and its faults work as documented."""

from __future__ import annotations

import asyncio
import base64
import io
import random
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI, AuthenticationError, BadRequestError, InternalServerError, NotFoundError
from openai.types import ModerationImageURLInputParam, ModerationTextInputParam
from PIL import Image

from sandbox import images
from sandbox.faults import MODERATION_FAULTS, Switchboard


def plain(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(out, "PNG")
    return out.getvalue()


def part(image: bytes) -> ModerationImageURLInputParam:
    uri = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return {"type": "image_url", "image_url": {"url": uri}}


@pytest.fixture
async def sdk(server: images.ImageServer) -> AsyncIterator[AsyncOpenAI]:
    http = openai.DefaultAsyncHttpxClient(trust_env=False)  # the environment's proxies are not for loopback
    async with AsyncOpenAI(base_url=server.moderation_url, api_key=server.key, max_retries=0, http_client=http) as client:
        yield client


def test_every_fault_of_the_endpoint_is_tested_here() -> None:
    marks = [mark for test in vars(sys.modules[__name__]).values() for mark in getattr(test, "pytestmark", [])]
    tested = {name for mark in marks if mark.name == "faults" for name in mark.args}
    assert tested == {fault.name for fault in MODERATION_FAULTS}


async def test_the_scores_of_a_text_follow_its_words(sdk: AsyncOpenAI) -> None:
    mild, strong = (await sdk.moderations.create(input=["A fight at noon", "gore, and a Fight"])).results
    assert (mild.flagged, mild.category_scores.violence) == (False, 0.42)
    assert (strong.flagged, strong.categories.violence_graphic, strong.category_scores.violence) == (True, True, 0.91)


async def test_the_scores_of_an_image_follow_its_colours(sdk: AsyncOpenAI) -> None:
    found = {}
    for colour in ("red", "hotpink", "teal", "black"):
        answer = await sdk.moderations.create(input=[part(plain(colour))])
        scores = answer.results[0].category_scores
        found[colour] = (scores.violence, scores.sexual)
    assert found == {"red": (1.0, 0.0), "hotpink": (0.0, 1.0), "teal": (0.0, 0.0), "black": (0.0, 0.0)}


async def test_parts_are_scored_together_with_their_input_types(sdk: AsyncOpenAI) -> None:
    text: ModerationTextInputParam = {"type": "text", "text": "an idiot"}
    parts: list[ModerationTextInputParam | ModerationImageURLInputParam] = [text, part(plain("red"))]
    (result,) = (await sdk.moderations.create(input=parts)).results
    assert (result.categories.harassment, result.categories.violence) == (True, True)
    assert result.category_applied_input_types.violence == ["image", "text"]
    assert result.category_applied_input_types.hate == ["text"]


async def test_an_invalid_request_is_refused(sdk: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError):
        await sdk.moderations.create(input="a fox", model="nobody's")
    with pytest.raises(AuthenticationError):
        await sdk.with_options(api_key="wrong").moderations.create(input="a fox")
    for given in ([], [{"type": "sound"}], 3, [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]):
        with pytest.raises(BadRequestError):
            await sdk.moderations.create(input=given)  # type: ignore[arg-type]  # on purpose


def saved(format_: str, size: tuple[int, int] = (8, 8), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1])).save(out, format_, **options)
    return out.getvalue()


async def test_images_of_other_formats_animations_and_large_ones_are_refused(sdk: AsyncOpenAI) -> None:
    animated = saved("GIF", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    await sdk.moderations.create(input=[part(saved("GIF"))])
    for given in (saved("AVIF"), saved("TIFF"), animated, saved("PNG", (3000, 2400))):
        with pytest.raises(BadRequestError):
            await sdk.moderations.create(input=[part(given)])


@pytest.mark.faults("moderation-narrow")
async def test_a_narrow_endpoint_takes_small_png_and_jpeg_images(sdk: AsyncOpenAI) -> None:
    for given in (saved("PNG"), saved("JPEG")):
        await sdk.moderations.create(input=[part(given)])
    for given in (saved("WEBP"), saved("GIF"), saved("PNG", (1500, 1000))):
        with pytest.raises(BadRequestError):
            await sdk.moderations.create(input=[part(given)])


async def ask(server: images.ImageServer) -> tuple[int, object]:
    headers = {"Authorization": f"Bearer {server.key}"}
    url = f"{server.moderation_url}/moderations"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json={"input": "a fox"}) as response:
        return response.status, await response.json()


@pytest.mark.faults("moderation-down")
async def test_down_cuts_the_connection(server: images.ImageServer) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(server)


@pytest.mark.faults("moderation-error")
async def test_an_error_is_a_500(sdk: AsyncOpenAI) -> None:
    with pytest.raises(InternalServerError):
        await sdk.moderations.create(input="a fox")


@pytest.mark.faults("moderation-garbage")
async def test_garbage_scores_are_not_numbers(server: images.ImageServer) -> None:
    assert await ask(server) == (200, {"results": [{"category_scores": {"violence": "very"}}]})


@pytest.mark.faults("moderation-slow")
async def test_slow_answers_once_it_is_turned_off(server: images.ImageServer, switchboard: Switchboard) -> None:
    asked = asyncio.create_task(ask(server), name="asked")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asked), 0.05)
    switchboard.turn_off("moderation-slow")
    assert (await asked)[0] == 200
