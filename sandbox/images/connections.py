"""Connections that end before their answer, and the doors that shut on everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from sandbox.faults import Switchboard

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The beginning of a path: the fault that shuts this door. Each contract has its own, links to results included.
OXEN_DOWN, OXLO_DOWN = "oxen-down", "oxlo-down"
DOORS = {"/api/": OXEN_DOWN, "/results/": OXEN_DOWN, "/v1/": OXLO_DOWN}


def cut(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def is_gone(request: web.Request) -> bool:
    """True where nobody is left to be answered."""
    return request.transport is None or request.transport.is_closing()


class Doors:
    """Lets calls in. A door that is shut cuts those who come, and in the moment of shutting all who are inside."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._inside: dict[asyncio.Task[web.StreamResponse], str] = {}
        self._shut: set[str] = set()
        switchboard.listen(self._notice)

    async def enter(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The handler's answer. A handler whose door is shut in the meantime is cancelled."""
        door = next((fault for start, fault in DOORS.items() if request.path.startswith(start)), None)
        if door is None:
            return await handler(request)
        if self._switchboard.strikes(door):
            return cut(request)
        call = asyncio.ensure_future(handler(request))
        self._inside[call] = door
        try:
            await asyncio.wait({call})
        finally:
            del self._inside[call]
            call.cancel()  # where this one is cancelled itself
        return cut(request) if call.cancelled() else call.result()

    def turn_out(self, door: str) -> None:
        """Cut every call that is inside."""
        for call in [call for call, through in self._inside.items() if through == door]:
            call.cancel()

    def _notice(self) -> None:
        shut = {door for door in DOORS.values() if self._switchboard.is_on(door)}
        newly, self._shut = shut - self._shut, shut
        for door in newly:
            self.turn_out(door)
