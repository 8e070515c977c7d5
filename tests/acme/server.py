"""A local server: a queue whose images end when a test says so, under ids that the test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.core.clock import system
from sandbox.images.connections import cut
from tests.env.images import png

MODEL = {
    "id": "acme-1",
    "display_name": "Acme One",
    "capabilities": {"input": ["text"], "output": ["image"]},
    "pricing": {"method": "per_image", "credits_per_image": 3},
}
SIZE_PX = (40, 24)


@dataclass(kw_only=True)
class AcmeServer:
    url: str = ""
    next_id: str = "acme-id"
    loses_answers: bool = False  # accepts the request, then cuts the connection
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    listeners: list[asyncio.Queue[str]] = field(default_factory=list)

    def finish(self, id_: str) -> None:
        self.images[id_] |= {"state": "succeeded", "url": f"{self.url}/results/{id_}"}
        for listener in self.listeners:
            listener.put_nowait(id_)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/images", self._enqueue),
            web.get("/images", self._list),
            web.get("/images/{id}", self._read),
            web.delete("/images/{id}", self._cancel),
            web.get("/results/{id}", self._result),
            web.get("/models", self._models),
            web.get("/events", self._listen),
        ]

    async def _enqueue(self, request: web.Request) -> web.StreamResponse:
        self.images[self.next_id] = {**await request.json(), "id": self.next_id, "state": "queued", "at": system(), "url": None}
        return cut(request) if self.loses_answers else web.json_response({"id": self.next_id})

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self.images.values()))

    async def _read(self, request: web.Request) -> web.Response:
        return web.json_response(self._image(request))

    async def _cancel(self, request: web.Request) -> web.Response:
        self._image(request)["state"] = "cancelled"
        return web.json_response({})

    async def _result(self, request: web.Request) -> web.Response:
        self._image(request)
        return web.Response(body=png(*SIZE_PX), content_type="image/png")

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response([MODEL])

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        events: asyncio.Queue[str] = asyncio.Queue()
        self.listeners.append(events)
        while True:
            await response.write(f"data: {await events.get()}\n\n".encode())

    def _image(self, request: web.Request) -> dict[str, Any]:
        try:
            return self.images[request.match_info["id"]]
        except KeyError:
            raise web.HTTPNotFound from None


@asynccontextmanager
async def serve_acme() -> AsyncIterator[AcmeServer]:
    """Serve on a free loopback port until the context exits."""
    server = AcmeServer()
    app = web.Application()
    app.add_routes(server.routes())
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
