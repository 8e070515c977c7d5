"""Answers every call at random, from a seed: refused, not taken, carried out but answered with an error, cut at any byte, late, or well.

Of a call that makes an image, 429, 503 and a cut before the request is read mean that it was not carried out; a refusal is a documented
one. After any other bad answer it may have been carried out: the stand-in's own lists of generations and calls say so.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.images.connections import Handler, cut
from sandbox.images.results import PRIVATE_URL

if TYPE_CHECKING:
    from sandbox.faults import Switchboard

FAULT = "random-answers"
UNTOUCHED = ("/sandbox/", "/api/ai/models", "/v1/models", "/api/events")
DOWNLOADS = ("/results/", "/v1/results/")
PAYING = ("/api/ai/queue", "/api/ai/images/generate", "/api/ai/images/edit", "/v1/images/generations", "/v1/images/edits")

NOT_TAKEN = (429, 503)
UNCERTAIN = (408, 409, 425, 500, 501, 502, 504, 507, 520, 522, 524, 530, 599)
READ_ERRORS = (*NOT_TAKEN, *UNCERTAIN, 404)
DOWNLOAD_ERRORS = (*READ_ERRORS, 401, 403, 410, 416)
EVENT_FAULTS = ("events-lost", "events-doubled", "events-garbled", "events-strangers", "events-other-types", "events-cut", "events-early")
ROW_FAULTS = ("result-expired", "result-link-missing", "status-odd", "generation-fails", "generation-cancelled", "rows-lean")
HANG_S = 3.0

Answer = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


class RandomAnswers:
    """While its fault is on, every call is answered by one of these ways, chosen by weight."""

    def __init__(self, switchboard: Switchboard, *, seed: int = 0) -> None:
        self._switchboard = switchboard
        self._dice = random.Random(seed)
        self._answers = 0
        self._shown: dict[str, int] = {}  # what a whole answer showed to be made: an id or a prompt, and when (Unix ms)

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._switchboard.is_on(FAULT) or request.path.startswith(UNTOUCHED):
            return await handler(request)
        self._answers += 1
        ways: dict[Answer, int] = self._ways(request)
        (way,) = self._dice.choices(list(ways), weights=list(ways.values()))
        return await way(request, handler)

    async def show(self, request: web.Request) -> web.Response:
        """How many answers were given, and which images were shown to be made."""
        del request
        return web.json_response({"answers": self._answers, "shown": self._shown})

    def _ways(self, request: web.Request) -> dict[Answer, int]:
        if request.path.startswith(DOWNLOADS):
            return {
                self._well: 40,
                self._slow: 10,
                self._short: 10,
                self._compressed: 10,
                self._elsewhere: 5,
                self._cut_somewhere: 10,
                self._error(DOWNLOAD_ERRORS): 20,
                self._garbage: 5,
            }
        if request.method == "POST" and request.path in PAYING:
            self._trouble(EVENT_FAULTS, share=0.5)
            self._trouble(ROW_FAULTS, share=0.3)
            return {
                self._well: 50,
                self._slow: 10,
                self._error(NOT_TAKEN): 8,
                self._refuse: 3,
                self._cut_before: 5,
                self._cut_somewhere: 6,
                self._carried_out(UNCERTAIN): 5,
                self._error(UNCERTAIN): 5,
                self._garbage_after: 3,
                self._hang: 1,
            }
        return {self._well: 50, self._slow: 10, self._error(READ_ERRORS): 25, self._garbage: 5, self._cut_somewhere: 5, self._cut_before: 5}

    def _trouble(self, faults: tuple[str, ...], *, share: float) -> None:
        if self._dice.random() < share:
            self._switchboard.turn_on(self._dice.choice(faults), times=1)

    # The ways

    async def _well(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if isinstance(response, web.Response) and response.status == 200:
            for name in made_images(await _submitted(request), _parsed(_body(response))):
                self._shown.setdefault(name, int(time.time() * 1000))
        return response

    async def _slow(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(self._dice.uniform(0, 0.3))
        return await self._well(request, handler)

    async def _short(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """As if it were whole."""
        body = _body(await handler(request))
        return web.Response(body=body[: self._dice.randrange(len(body) + 1)], content_type="image/png")

    async def _compressed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if response.status != 200:
            return response
        return web.Response(body=gzip.compress(_body(response)), content_type="image/png", headers={"Content-Encoding": "gzip"})

    async def _elsewhere(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        del request, handler
        return web.Response(status=302, headers={"Location": PRIVATE_URL})

    async def _refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        del request, handler
        return web.json_response({"error": {"message": "This prompt is too odd", "type": "invalid_request_error"}}, status=400)

    async def _cut_before(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        del handler
        return cut(request)

    async def _hang(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await handler(request)
        await asyncio.sleep(HANG_S)
        return cut(request)

    async def _cut_somewhere(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The answer, cut at any byte of its body."""
        response = await handler(request)
        body = _body(response)
        if not body:
            return cut(request)
        partial = web.StreamResponse(status=response.status, headers={"Content-Length": str(len(body)), "Content-Type": "application/json"})
        await partial.prepare(request)
        await partial.write(body[: self._dice.randrange(len(body))])
        return cut(request)

    async def _garbage_after(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await handler(request)
        return await self._garbage(request, handler)

    async def _garbage(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        del request, handler
        return web.Response(body=self._dice.choice(GARBAGE), status=200, content_type=self._dice.choice(("application/json", "text/html")))

    def _carried_out(self, statuses: tuple[int, ...]) -> Answer:
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            await handler(request)
            return self._failure(statuses)

        return answer

    def _error(self, statuses: tuple[int, ...]) -> Answer:
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            del request, handler
            return self._failure(statuses)

        return answer

    def _failure(self, statuses: tuple[int, ...]) -> web.Response:
        headers = {"Retry-After": "1"} if self._dice.random() < 0.1 else {}
        return web.Response(body=self._dice.choice(BODIES), status=self._dice.choice(statuses), headers=headers)


GARBAGE = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"{}",
    b'"ok"',
    b"<!doctype html><p>Hello",
    b"\xff\xfe\x00",
    b'{"status": "success"}',
    b'{"data": "x"}',
)
BODIES = (
    b"",
    b"<html><h1>Bad gateway</h1></html>",
    b'{"error": {"message": "CUDA out of memory", "type": "server_error"}}',
    b'{"error": {"type": "unknown_error", "title": "Internal server error"}, "status": "error"}',
    b'{"detail": "Please try again later"}',
    b'{"error": "oops"}',
    b"{",
)


def made_images(submitted: Any, answer: Any) -> list[str]:
    """What an answer shows to be made: the id of a generation that succeeded, or the prompt of a call that returns the image."""
    if not isinstance(answer, dict):
        return []
    if answer.get("result_url") and str(answer.get("status")).lower() in {"succeeded", "completed"}:
        return [str(answer["generation_id"])]
    has_image = answer.get("data") or answer.get("images")
    return [str(submitted["prompt"])] if has_image and isinstance(submitted, dict) and "prompt" in submitted else []


def _body(response: web.StreamResponse) -> bytes:
    body = response.body if isinstance(response, web.Response) else None
    return body if isinstance(body, bytes) else b""


async def _submitted(request: web.Request) -> Any:
    return _parsed(await request.read()) if request.method == "POST" else None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
