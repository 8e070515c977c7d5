"""Presigned, expiring links to results, and the faults of downloads."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.images.odd_results import as_switched
from sandbox.images.renderer import GenerationFailed

if TYPE_CHECKING:
    from sandbox.faults import Switchboard
    from sandbox.images.timing import ApiTiming
    from sandbox.painter import PaintedImage

PIECE_BYTES = 2**16
HUGE_BYTES = 512 * 2**20
PRIVATE_URL = "http://10.255.255.1/image.png"
LONG_HEADER = "x" * 9600
ODD_NAME = "&name=a%27b%28final%29.png&response-content-type=image%2Fpng&user=me%40host&note=q%2Bw%2F%3D"
WEB_PAGE = "<!doctype html><title>Sign in</title><p>Please sign in to see this image."

Find = Callable[[str], Awaitable["PaintedImage | None"]]
Send = Callable[[web.Request, "PaintedImage"], Awaitable[web.StreamResponse]]


class ResultLinks:
    """Signs links and serves them. `find` returns the image of an id, or None; it may raise `GenerationFailed`."""

    def __init__(self, *, path: str, find: Find, switchboard: Switchboard, timing: ApiTiming) -> None:
        self._path = path
        self._find = find
        self._switchboard = switchboard
        self._timing = timing
        self._secret = secrets.token_bytes(32)
        self.base_url = ""  # set once the server listens

    def route(self) -> web.RouteDef:
        return web.get(f"{self._path}/{{name}}", self.download, allow_head=False)

    def link(self, file_name: str, *, stale: bool = False) -> str:
        """A new link to `<id>.<extension>`, valid for the configured lifetime, or (`stale`) one that has already expired."""
        expires = f"{time.time() + (-60 if stale else self._timing.link_lifetime_s):.6f}"  # microseconds, so that no two links are equal
        path = f"{self._path}/{file_name}"
        odd = ODD_NAME if self._switchboard.fires("result-odd-link") else ""
        return f"{self.base_url}{path}?expires={expires}&signature={self._signature(path, expires)}{odd}"

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Serve a link, which needs no key. 403 if it has expired or its signature is wrong."""
        expires = request.query.get("expires", "0")
        signed = hmac.compare_digest(self._signature(request.path, expires).encode(), request.query.get("signature", "").encode())
        is_as_written = "name" not in request.query or request.raw_path.endswith(ODD_NAME)
        if not signed or not is_as_written or float(expires) < time.time():
            return web.Response(status=403, text="Request has expired")
        try:
            image = await self._find(request.match_info["name"].rpartition(".")[0])
        except GenerationFailed as error:  # the image is no longer cached, and its references are gone
            return web.Response(status=410, text=str(error))
        if image is None:
            return web.Response(status=404, text="Not found")
        send = next((send for fault, send in _SEND_BY_FAULT.items() if self._switchboard.fires(fault)), _send_whole)
        return await send(request, await as_switched(image, self._switchboard))

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._secret, f"{path}?{expires}".encode(), hashlib.sha256).hexdigest()


async def send_bytes(request: web.Request, media_type: str, data: bytes, *, of_bytes: int) -> web.StreamResponse:
    """Stream `data` with a content length of `of_bytes`. If the data is shorter, the connection is then cut."""
    response = web.StreamResponse(headers={"Content-Type": media_type, "Content-Length": str(of_bytes)})
    await response.prepare(request)
    for start in range(0, len(data), PIECE_BYTES):
        await response.write(data[start : start + PIECE_BYTES])
    if len(data) < of_bytes and request.transport is not None:
        request.transport.close()
    return response


async def _send_whole(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    del request
    return web.Response(body=image.data, content_type=image.media_type)


async def _send_half(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    return await send_bytes(request, image.media_type, image.data[: len(image.data) // 2], of_bytes=len(image.data))


async def _send_huge(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    """Without a content length, so that a client must count the bytes."""
    response = web.StreamResponse(headers={"Content-Type": image.media_type})
    await response.prepare(request)
    await response.write(image.data)
    for _ in range(HUGE_BYTES // PIECE_BYTES):
        await response.write(bytes(PIECE_BYTES))
    return response


async def _send_web_page(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    del request, image
    return web.Response(text=WEB_PAGE, content_type="text/html")


async def _send_redirect(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    del request, image
    raise web.HTTPFound(PRIVATE_URL)


async def _send_short(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    half = image.data[: len(image.data) // 2]
    return await send_bytes(request, image.media_type, half, of_bytes=len(half))


async def _send_compressed(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    del request
    data = await asyncio.to_thread(gzip.compress, image.data)
    return web.Response(body=data, content_type=image.media_type, headers={"Content-Encoding": "gzip"})


async def _send_with_long_header(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    del request
    return web.Response(body=image.data, content_type=image.media_type, headers={"X-Metadata": LONG_HEADER})


async def _send_to_keys_only(request: web.Request, image: PaintedImage) -> web.StreamResponse:
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        return web.Response(status=401, text="A valid API key is required")
    return await _send_whole(request, image)


def _status(status: int) -> Send:
    async def send(request: web.Request, image: PaintedImage) -> web.StreamResponse:
        del request, image
        return web.Response(status=status)

    return send


_SEND_BY_FAULT: dict[str, Send] = {
    "result-cut": _send_half,
    "result-huge": _send_huge,
    "result-not-image": _send_web_page,
    "result-elsewhere": _send_redirect,
    "result-short": _send_short,
    "result-late": _status(404),
    "result-busy": _status(520),
    "result-locked": _send_to_keys_only,
    "result-compressed": _send_compressed,
    "result-long-header": _send_with_long_header,
}
