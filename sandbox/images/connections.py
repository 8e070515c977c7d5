"""Connections that are cut before the answer: single ones, and all of an API that is down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from sandbox.faults import Switchboard

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The prefix of a path, and the fault that takes it down. Each contract has its own, including links to results.
OXEN_DOWN, OXLO_DOWN = "oxen-down", "oxlo-down"
LARGE_BYTES = 2**19  # of a request
FAULT_BY_PREFIX = {"/api/": OXEN_DOWN, "/results/": OXEN_DOWN, "/v1/": OXLO_DOWN}


def cut(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def is_gone(request: web.Request) -> bool:
    """Whether the client has disconnected."""
    return request.transport is None or request.transport.is_closing()


class ConnectionFaults:
    """Cuts the calls of an API that is down: new ones, and those in progress when its fault is turned on."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._calls: dict[asyncio.Task[web.StreamResponse], str] = {}
        self._active: set[str] = set()
        switchboard.listen(self._cut_when_turned_on)

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The handler's answer. The handler is cancelled if its API goes down in the meantime."""
        fault = next((fault for start, fault in FAULT_BY_PREFIX.items() if request.path.startswith(start)), None)
        if fault is None:
            return await handler(request)
        if self._switchboard.fires(fault):
            return cut(request)
        if (request.content_length or 0) > LARGE_BYTES and self._switchboard.fires("body-refused"):
            await request.read()  # a client that is still sending would see a broken connection instead of the answer
            return web.Response(status=413, text="Request Entity Too Large")
        call = asyncio.ensure_future(handler(request))
        self._calls[call] = fault
        try:
            await asyncio.wait({call})
        finally:
            del self._calls[call]
            call.cancel()  # if this task is cancelled itself
        return cut(request) if call.cancelled() else call.result()

    def cut_all(self, fault: str) -> None:
        """Cut every call in progress that this fault affects."""
        for call in [call for call, affecting in self._calls.items() if affecting == fault]:
            call.cancel()

    def _cut_when_turned_on(self) -> None:
        active = {fault for fault in FAULT_BY_PREFIX.values() if self._switchboard.is_on(fault)}
        started, self._active = active - self._active, active
        for fault in started:
            self.cut_all(fault)
