"""The HTTP page of METRICS_PORT: /metrics, /healthz and /readyz.

It is served on the bot's own event loop, so that an answer proves that the loop turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from bot.core import metrics
from bot.core.errors import StartError
from bot.core.running.lag import LoopLag
from bot.core.running.supervision import Trouble
from bot.services.operating.readiness import Readiness

_TURNED_WITHIN_S: Final = 10.0
_CLOSING_S: Final = 0.5  # for answers under way at the stop
_PATHS: Final = "/metrics, /healthz and /readyz"


@asynccontextmanager
async def served(port: int, host: str, *, lag: LoopLag, readiness: Readiness) -> AsyncIterator[None]:
    """Serve the page within the context; none for port 0. Raises `StartError` if the port cannot be used."""
    if port == 0:
        yield
        return
    runner = web.AppRunner(_app(lag, readiness), access_log=None, handle_signals=False, shutdown_timeout=_CLOSING_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        reason = (error.strerror or type(error).__name__).rpartition(": ")[2]  # asyncio puts the address before it
        raise StartError(f"METRICS_PORT cannot be used: {reason} at {host}:{port}; choose another, or 0.") from error
    try:
        yield
    finally:
        await runner.cleanup()


def _app(lag: LoopLag, readiness: Readiness) -> web.Application:
    async def metrics_page(_: web.Request) -> web.Response:
        text = await asyncio.to_thread(metrics.exposition)
        return web.Response(body=text, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def healthz(_: web.Request) -> web.Response:
        is_well = lag.since_turn_s < _TURNED_WITHIN_S
        return _answer(is_well, {"healthy": is_well, "since_turn_s": round(lag.since_turn_s, 3), "worst_lag_s": round(lag.worst_s, 3)})

    async def readyz(_: web.Request) -> web.Response:
        parts = await readiness.parts()
        is_ready = not any(parts.values())
        return _answer(is_ready, {"ready": is_ready, "parts": {name: _told(trouble) for name, trouble in parts.items()}})

    app = web.Application(middlewares=[_plain_errors])
    app.router.add_get("/metrics", metrics_page)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def _answer(is_good: bool, body: Mapping[str, Any]) -> web.Response:
    status = HTTPStatus.OK if is_good else HTTPStatus.SERVICE_UNAVAILABLE
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})


def _told(trouble: Trouble | None) -> Mapping[str, Any]:
    return {"works": True} if trouble is None else {"works": False, "since": trouble.since_utc, "reason": trouble.reason}


@web.middleware
async def _plain_errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPNotFound:
        return web.Response(status=HTTPStatus.NOT_FOUND, text=f"This page has {_PATHS}.\n")
    except web.HTTPMethodNotAllowed as error:
        return web.Response(status=error.status, headers={"Allow": error.headers["Allow"]}, text="This page only answers GET.\n")
    return response
