"""A REST proxy in front of the local Discord, as one is put in front of many processes: it counts the calls of each bucket."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

import aiohttp
from aiohttp import web

_HOP_BY_HOP = frozenset(
    {"connection", "content-encoding", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)  # RFC 9110, section 7.6.1; aiohttp writes the others again
_VARIES = re.compile(r"[0-9]{15,}|[\w-]{60,}")  # ids and tokens: a route is one bucket, which is stricter than Discord
_BODY_MAX = 64 * 1024 * 1024
_VIA = {"Via": "1.1 rest-proxy"}


class ProxyRefusal(Enum):
    """How it says that a call comes too early."""

    DISCORDS = auto()  # as Discord does: discord.py waits and tries again
    ANONYMOUS = auto()  # without the header Via, by which discord.py knows Discord
    PLAIN = auto()  # as text, not JSON
    LATE = auto()  # 408, although Discord has carried it out: its answer took too long


@dataclass(kw_only=True)
class RestProxy:
    """Lets `burst` calls of a bucket pass within `window_s`; later ones wait, or the first `refusals` of each are answered 429."""

    url: str  # for DISCORD_API_URL
    burst: int
    window_s: float
    refusal: ProxyRefusal
    refusals: int = 0
    passed: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # monotonic times, by bucket
    refused: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def refused_now(self, bucket: str) -> web.Response | None:
        if bucket.startswith("POST /interactions") or self.refused[bucket] >= self.refusals:  # first answers have no limit
            return None
        self.refused[bucket] += 1
        text = json.dumps({"message": "You are being rate limited.", "retry_after": self.window_s, "global": False})
        headers = {"Retry-After": str(self.window_s), **({} if self.refusal is ProxyRefusal.ANONYMOUS else _VIA)}
        if self.refusal is ProxyRefusal.LATE:
            return web.Response(text="Request timeout", status=408)
        if self.refusal is ProxyRefusal.PLAIN:
            return web.Response(text="Too many requests", status=429, headers=headers)
        return web.Response(body=text.encode(), status=429, headers={**headers, "Content-Type": "application/json"})

    async def wait(self, bucket: str) -> None:
        times = self.passed[bucket]
        while len(times) >= self.burst and (left_s := times[-self.burst] + self.window_s - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)
        times.append(time.monotonic())

    @property
    def most_at_once(self) -> int:
        """The most calls of one bucket within the window."""
        most, recent = 0, deque[float]()
        for times in self.passed.values():
            recent.clear()
            for at in times:
                recent.append(at)
                while at - recent[0] >= self.window_s:
                    recent.popleft()
                most = max(most, len(recent))
        return most


@asynccontextmanager
async def rest_proxy(
    api_url: str, *, burst: int = 5, window_s: float = 0.2, refusal: ProxyRefusal = ProxyRefusal.DISCORDS
) -> AsyncIterator[RestProxy]:
    """Listens on a free port until the context exits."""

    async def handle(request: web.Request) -> web.Response:
        path = request.rel_url.raw_path_qs.removeprefix("/api/v10")
        bucket = f"{request.method} {_VARIES.sub('*', path.partition('?')[0])}"
        body = await request.read()
        if (refused := proxy.refused_now(bucket)) is not None and refused.status != 408:
            return refused
        await proxy.wait(bucket)
        sent = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        async with session.request(request.method, f"{api_url}{path}", data=body, headers=sent) as response:
            headers = {name: value for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP}
            if refused is not None:
                return refused
            return web.Response(status=response.status, body=await response.read(), headers={**headers, **_VIA})

    app = web.Application(client_max_size=_BODY_MAX)
    app.router.add_route("*", "/api/v10/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    async with aiohttp.ClientSession() as session:
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            url = f"http://{host}:{port}/api/v10"
            proxy = RestProxy(url=url, burst=burst, window_s=window_s, refusal=refusal)
            yield proxy
        finally:
            await runner.cleanup()
