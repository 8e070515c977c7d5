"""Composes the local image APIs on one port and records every request."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.faults import Switchboard
from sandbox.images.account import DEMO_KEY, ApiAccount, ApiAccounts
from sandbox.images.catalog import OxenCatalog
from sandbox.images.connections import OXLO_DOWN, ConnectionFaults, Handler, is_gone
from sandbox.images.events import EventStreams
from sandbox.images.generations import OxenGeneration
from sandbox.images.moderations import PATH as MODERATION_PATH
from sandbox.images.moderations import ModerationsStandIn
from sandbox.images.openai import OXLO_KEY, OpenAIStandIn
from sandbox.images.oxen import OxenStandIn
from sandbox.images.queue import OxenQueue
from sandbox.images.random_answers import RandomAnswers
from sandbox.images.renderer import Renderer
from sandbox.images.results import ResultLinks
from sandbox.images.timing import ApiTiming
from sandbox.painter import PaintedImage

BODY_LIMIT_BYTES = 64 * 2**20
KEPT_REQUESTS = 2_000
KEPT_TEXT_CHARS = 2**16


@dataclass(kw_only=True)
class RecordedRequest:
    """One request, recorded on arrival."""

    method: str
    path: str
    query: dict[str, str]
    json: Any  # the parsed body, None if it is not JSON; very long texts (inline references) are shortened
    status: int | None = None  # None until it is answered, and if the connection was cut instead


@dataclass(frozen=True, kw_only=True)
class ImageServer:
    """The addresses, keys and recorded requests of a running server."""

    url: str  # of Oxen's contract, without a trailing slash
    key: str  # an accepted API key
    openai_url: str  # of the OpenAI-compatible contract with Oxlo's models
    openai_key: str
    moderation_url: str  # of the moderations endpoint, which accepts both keys
    switchboard: Switchboard
    images_in_work: Callable[[], int]  # how many images are being made
    requests: deque[RecordedRequest] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))

    def received(self, method: str, path: str) -> list[RecordedRequest]:
        """The recorded requests with this method and path prefix, oldest first."""
        return [each for each in self.requests if each.method == method and each.path.startswith(path)]


@asynccontextmanager
async def serve(
    *,
    switchboard: Switchboard | None = None,
    timing: ApiTiming | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    credit_usd: Decimal = Decimal(1000),
    draft: bool = False,
    seed: int = 0,
) -> AsyncIterator[ImageServer]:
    """Run the local image APIs until the context exits. Port 0 means a free port. Open event streams end immediately on exit.

    With `draft` the images are small and coarse; those of an exact size are coarse only. `seed`: of the fault random-answers.
    """
    switchboard, timing = switchboard or Switchboard(), timing or ApiTiming()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        apis = _ImageApis(session=session, switchboard=switchboard, timing=timing, credit_usd=credit_usd, draft=draft, seed=seed)
        runner = web.AppRunner(apis.app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            url = f"http://{host}:{runner.addresses[0][1]}"
            apis.results.base_url = apis.openai.results.base_url = url
            yield ImageServer(
                url=url,
                key=DEMO_KEY,
                openai_url=f"{url}/v1",
                openai_key=OXLO_KEY,
                moderation_url=f"{url}{MODERATION_PATH}",
                switchboard=switchboard,
                images_in_work=lambda: apis.queue.in_work + apis.openai.in_work,
                requests=apis.requests,
            )
        finally:
            apis.events.close_all()
            apis.connection_faults.cut_all(OXLO_DOWN)
            await apis.queue.close()
            await runner.cleanup()


class _ImageApis:
    """The parts of one server: both image contracts with a common renderer, and the moderations endpoint."""

    def __init__(
        self, *, session: aiohttp.ClientSession, switchboard: Switchboard, timing: ApiTiming, credit_usd: Decimal, draft: bool, seed: int
    ) -> None:
        self.requests: deque[RecordedRequest] = deque(maxlen=KEPT_REQUESTS)
        self.accounts = ApiAccounts(credit_usd=credit_usd)
        self.events = EventStreams(switchboard=switchboard, timing=timing)
        self.connection_faults = ConnectionFaults(switchboard)
        self.random_answers = RandomAnswers(switchboard, seed=seed)
        self.renderer = renderer = Renderer(session=session, draft=draft)
        self.queue = OxenQueue(renderer=renderer, switchboard=switchboard, timing=timing, announce=lambda ended: self.oxen.announce(ended))
        self.results = ResultLinks(path="/results", find=self._result, switchboard=switchboard, timing=timing)
        self.oxen = OxenStandIn(
            accounts=self.accounts,
            catalog=OxenCatalog(),
            queue=self.queue,
            renderer=renderer,
            events=self.events,
            results=self.results,
            switchboard=switchboard,
            timing=timing,
        )
        self.openai = OpenAIStandIn(renderer=renderer, switchboard=switchboard, timing=timing)
        self.moderations = ModerationsStandIn(switchboard=switchboard)

    def app(self) -> web.Application:
        app = web.Application(
            middlewares=[self._recorder(), self._connection_faults(), self._random_answers()], client_max_size=BODY_LIMIT_BYTES
        )
        app.add_routes(self.oxen.routes())
        app.add_routes([self.results.route(), *self.openai.routes(), *self.moderations.routes()])
        app.router.add_get("/sandbox/generations", self._show_generations)
        app.router.add_get("/sandbox/random", self.random_answers.show)
        app.router.add_post("/sandbox/credit", self._set_credit)
        return app

    async def _result(self, generation_id: str) -> PaintedImage | None:
        generation = self.queue.find(generation_id)
        return None if generation is None else await self.renderer.image_of(generation)

    async def _show_generations(self, request: web.Request) -> web.Response:
        """Oxen's ledger: the generations of all accounts, and the totals of enqueued and paid ones."""
        del request
        rows = [_row(each) for each in self.queue.rows()]
        counts = {"enqueued": self.queue.enqueued, "paid": self.queue.paid, "listeners": len(self.events)}
        return web.json_response({**counts, "generations": rows})

    async def _set_credit(self, request: web.Request) -> web.Response:
        """`{"usd": 0.05}` sets the credit of the account of the sent key, or of the demo account without a key."""
        account = self._caller(request)
        account.credit_usd = Decimal(str((await request.json())["usd"]))
        return web.json_response({"usd": str(account.credit_usd)})

    def _caller(self, request: web.Request) -> ApiAccount:
        account = self.accounts.of(request.headers.get("Authorization", f"Bearer {DEMO_KEY}"))
        if account is None:
            raise web.HTTPUnauthorized
        return account

    def _recorder(self) -> Any:
        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            body = None if request.content_type.startswith("multipart/") else _parsed(await request.read())
            recorded = RecordedRequest(method=request.method, path=request.path, query=dict(request.query), json=body)
            self.requests.append(recorded)
            try:
                response = await handler(request)
            except web.HTTPException as answer:
                recorded.status = answer.status
                raise
            except ConnectionError:  # the client disconnected during a stream or a download
                return web.Response()
            if not is_gone(request):
                recorded.status = response.status
            return response

        return record

    def _connection_faults(self) -> Any:
        @web.middleware
        async def apply_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self.connection_faults.handle(request, handler)

        return apply_faults

    def _random_answers(self) -> Any:
        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self.random_answers.handle(request, handler)

        return answer


def _row(generation: OxenGeneration) -> dict[str, Any]:
    own = {"account": generation.request.account.key, "in_queue": generation.in_queue, "used_seed": generation.seed}
    return generation.row(None) | own | {"enqueued_ms": generation.enqueued_ms, "completed_ms": generation.completed_ms}


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
