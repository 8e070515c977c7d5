"""A server on loopback whose responses a test sets, for behaviour that the local image API does not have."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Scripted:
    """Calls `answer` for every request; the default is 200 with an empty object."""

    url: str
    seen: list[Seen] = field(default_factory=list)
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    def says(self, body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Set the response to later requests: a text, or a value as JSON."""

        async def answer(_request: web.Request) -> web.Response:
            if isinstance(body, str):
                return web.Response(text=body, status=status, headers=headers)
            return web.json_response(body, status=status, headers=headers)

        self.answer = answer


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """Listens on a free port until the context exits."""

    async def handle(request: web.Request) -> web.StreamResponse:
        seen = Seen(method=request.method, path=request.path, headers=dict(request.headers), body=await request.read())
        server.seen.append(seen)
        return await server.answer(request) if server.answer else web.json_response({})

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{anything:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server = Scripted(url=f"http://127.0.0.1:{runner.addresses[0][1]}")
        yield server
    finally:
        await runner.cleanup()
