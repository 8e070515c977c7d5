"""The local image API's front door: builds the rooms, answers on a free port, records every request."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.faults import Switchboard
from sandbox.images.account import DEMO_KEY, Account, Accounts
from sandbox.images.catalog import Catalog
from sandbox.images.connections import OXLO_DOWN, Doors, Handler, is_gone
from sandbox.images.events import EventStreams
from sandbox.images.generations import Generation
from sandbox.images.moderations import PATH as MODERATION_PATH
from sandbox.images.moderations import Moderations
from sandbox.images.openai import OXLO_KEY, OpenAI
from sandbox.images.oxen import Oxen
from sandbox.images.queue import Queue
from sandbox.images.renderer import Workshop
from sandbox.images.results import Results
from sandbox.images.timing import Timing
from sandbox.painter import Picture

BODY_LIMIT_BYTES = 64 * 2**20
KEPT_REQUESTS = 2_000
KEPT_TEXT_CHARS = 2**16


@dataclass(kw_only=True)
class Request:
    """One request, recorded when it arrives."""

    method: str
    path: str
    query: dict[str, str]
    json: Any  # the parsed body, or None (also for multipart); very long texts in it (inline references) are shortened
    status: int | None = None  # None until it is answered, and where the connection was cut instead


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server, seen from outside."""

    url: str  # of Oxen's contract, without a slash at the end
    key: str  # an accepted API key
    openai_url: str  # of the OpenAI-compatible contract: Oxlo's models
    openai_key: str
    moderation_url: str  # of the moderations endpoint, which takes the same keys as both
    switchboard: Switchboard
    requests: deque[Request] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))

    def received(self, method: str, path: str) -> list[Request]:
        """The recorded requests of one method whose path begins so, oldest first."""
        return [each for each in self.requests if each.method == method and each.path.startswith(path)]


@asynccontextmanager
async def serve(
    *,
    switchboard: Switchboard | None = None,
    timing: Timing | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    credit_usd: Decimal = Decimal(1000),
) -> AsyncIterator[Server]:
    """Run the local image API until the context exits; port 0 takes a free one. Open event streams end at once on exit."""
    switchboard, timing = switchboard or Switchboard(), timing or Timing()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        house = _House(session=session, switchboard=switchboard, timing=timing, credit_usd=credit_usd)
        runner = web.AppRunner(house.app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            url = f"http://{host}:{runner.addresses[0][1]}"
            house.results.base_url = house.openai.results.base_url = url
            yield Server(
                url=url,
                key=DEMO_KEY,
                openai_url=f"{url}/v1",
                openai_key=OXLO_KEY,
                moderation_url=f"{url}{MODERATION_PATH}",
                switchboard=switchboard,
                requests=house.requests,
            )
        finally:
            house.events.hang_up()
            house.doors.turn_out(OXLO_DOWN)
            await house.queue.close()
            await runner.cleanup()


class _House:
    """Everything that one server is made of: two contracts behind one door, with one workshop."""

    def __init__(self, *, session: aiohttp.ClientSession, switchboard: Switchboard, timing: Timing, credit_usd: Decimal) -> None:
        self.requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self.accounts = Accounts(credit_usd=credit_usd)
        self.events = EventStreams(switchboard=switchboard, timing=timing)
        self.doors = Doors(switchboard)
        self.workshop = workshop = Workshop(session=session)
        self.queue = Queue(workshop=workshop, switchboard=switchboard, timing=timing, announce=lambda ended: self.oxen.announce(ended))
        self.results = Results(path="/results", find=self._result, switchboard=switchboard, timing=timing)
        self.oxen = Oxen(
            accounts=self.accounts,
            catalog=Catalog(),
            queue=self.queue,
            workshop=workshop,
            events=self.events,
            results=self.results,
            switchboard=switchboard,
            timing=timing,
        )
        self.openai = OpenAI(workshop=workshop, switchboard=switchboard, timing=timing)
        self.moderations = Moderations(switchboard=switchboard)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._recording(), self._guarding()], client_max_size=BODY_LIMIT_BYTES)
        app.add_routes(self.oxen.routes())
        app.add_routes([self.results.route(), *self.openai.routes(), *self.moderations.routes()])
        app.router.add_get("/sandbox/generations", self._show_generations)
        app.router.add_post("/sandbox/credit", self._set_credit)
        return app

    async def _result(self, generation_id: str) -> Picture | None:
        generation = self.queue.find(generation_id)
        return None if generation is None else await self.workshop.picture(generation)

    async def _show_generations(self, request: web.Request) -> web.Response:
        """The ledger of Oxen's side: every generation of every account, and what was ever enqueued and paid for."""
        del request
        rows = [_ledger_line(each) for each in self.queue.rows()]
        counts = {"enqueued": self.queue.enqueued, "paid": self.queue.paid, "listeners": len(self.events)}
        return web.json_response({**counts, "generations": rows})

    async def _set_credit(self, request: web.Request) -> web.Response:
        """`{"usd": 0.05}` sets the credit of the account whose key is sent, or of the demo's without one."""
        account = self._caller(request)
        account.credit_usd = Decimal(str((await request.json())["usd"]))
        return web.json_response({"usd": str(account.credit_usd)})

    def _caller(self, request: web.Request) -> Account:
        account = self.accounts.of(request.headers.get("Authorization", f"Bearer {DEMO_KEY}"))
        if account is None:
            raise web.HTTPUnauthorized
        return account

    def _recording(self) -> Any:
        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            body = None if request.content_type.startswith("multipart/") else _parsed(await request.read())
            seen = Request(method=request.method, path=request.path, query=dict(request.query), json=body)
            self.requests.append(seen)
            try:
                response = await handler(request)
            except web.HTTPException as answer:
                seen.status = answer.status
                raise
            except ConnectionError:  # the client has left in the middle of a stream or a download
                return web.Response()
            if not is_gone(request):
                seen.status = response.status
            return response

        return record

    def _guarding(self) -> Any:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self.doors.enter(request, handler)

        return guard


def _ledger_line(generation: Generation) -> dict[str, Any]:
    return generation.row(None) | {"account": generation.order.account.key, "in_queue": generation.in_queue, "used_seed": generation.seed}


def _parsed(body: bytes) -> Any:
    try:
        return _shortened(json.loads(body))
    except ValueError:
        return None


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return f"{value[:100]}…" if isinstance(value, str) and len(value) > KEPT_TEXT_CHARS else value
