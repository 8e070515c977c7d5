"""Response bodies with images, as base64 or as links, and the faults of the base64 ones."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.images.odd_results import as_switched
from sandbox.images.results import HUGE_BYTES, PIECE_BYTES, WEB_PAGE, send_bytes

if TYPE_CHECKING:
    from sandbox.faults import Switchboard
    from sandbox.images.openai.calls import OpenAICall
    from sandbox.painter import PaintedImage

OPENING, ENDING = b'{"created": 0, "data": [{"b64_json": "', b'"}]}'


def body(images: list[dict[str, str]]) -> dict[str, Any]:
    """`{"created": <unix>, "data": [{"b64_json": "..."} or {"url": "..."}]}`."""
    return {"created": int(time.time()), "data": images}


async def send_inline(request: web.Request, call: OpenAICall, images: list[PaintedImage], switchboard: Switchboard) -> web.StreamResponse:
    """Send the images in the body, or what a fault makes of it (half of it, or far too much). Records in `call` what was sent."""
    wrap = _wrapped if switchboard.fires("result-wrapped") else _plain
    data = await asyncio.to_thread(_encoded, await _contents(images, switchboard), wrap)
    call.status = 200
    if switchboard.fires("result-huge"):
        return await _send_huge(request)
    if switchboard.fires("result-cut"):
        return await send_bytes(request, "application/json", data[: len(data) // 2], of_bytes=len(data))
    call.answered = True
    return web.Response(body=data, content_type="application/json")


async def send_events(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    """Send the image as OpenAI does with `stream`: drafts, comments that keep the connection alive, and the event with the image."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    draft, encoded = (base64.b64encode(data).decode() for data in (b"draft", image.data))
    await response.write(_event("image_generation.partial_image", {"b64_json": draft, "partial_image_index": 0}))
    await response.write(b": keep-alive\n\n")
    await response.write(_event("image_generation.completed", {"b64_json": encoded, "output_format": "png"}))
    return response


def _event(kind: str, values: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **values})}\n\n".encode()


async def _contents(images: list[PaintedImage], switchboard: Switchboard) -> list[bytes]:
    """The bytes of the images, or of what a fault sends instead."""
    if switchboard.fires("result-not-image"):
        return [WEB_PAGE.encode()] * len(images)
    return [(await as_switched(image, switchboard)).data for image in images]


def _encoded(contents: list[bytes], wrap: Callable[[bytes], str]) -> bytes:
    return json.dumps(body([{"b64_json": wrap(each)} for each in contents])).encode()


def _plain(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _wrapped(content: bytes) -> str:
    text = base64.urlsafe_b64encode(content).decode().rstrip("=")
    return "\n".join(text[start : start + 76] for start in range(0, len(text), 76))


async def _send_huge(request: web.Request) -> web.StreamResponse:
    """Valid JSON of half a GiB without a content length, so that a client must count the bytes."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(OPENING)
    for _ in range(HUGE_BYTES // PIECE_BYTES):
        await response.write(b"A" * PIECE_BYTES)
    await response.write(ENDING)
    return response
