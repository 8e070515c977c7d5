"""Oxen's contract on the wire: paths, request bodies, answers. The work is done in queue, events and results."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.answers import canned_answer
from sandbox.images.connections import cut
from sandbox.images.generations import ACTIVE, GenerationRequest, OxenGeneration, OxenStatus
from sandbox.images.odd_results import as_switched
from sandbox.images.oxen_errors import OxenApiError, OxenErrorType, bare_unauthenticated, error_response
from sandbox.images.prices import estimate

if TYPE_CHECKING:
    from sandbox.faults import Switchboard
    from sandbox.images.account import ApiAccount, ApiAccounts
    from sandbox.images.catalog import OxenCatalog, OxenModel
    from sandbox.images.events import EventStreams
    from sandbox.images.queue import OxenQueue
    from sandbox.images.renderer import Renderer
    from sandbox.images.results import ResultLinks
    from sandbox.images.timing import ApiTiming

CLOCK_BEHIND_S = 300
LEAN_ROW = frozenset(  # what the OpenAPI file promises
    {
        "generation_id",
        "model_name",
        "media_type",
        "status",
        "enqueued_at",
        "started_at",
        "completed_at",
        "result_url",
        "error_message",
        "target_namespace",
        "target_repo",
        "target_directory",
    }
)
GENERATIONS_PER_REQUEST = range(1, 5)
HUGE_REFERENCE = f"data:image/png;base64,{'A' * 20_000_000}"
ODD_STATUSES: dict[str, str] = {OxenStatus.CANCELLED: "canceled", OxenStatus.SUCCEEDED: "Completed", OxenStatus.FAILED: "error"}
FILTERS = {  # name in the query: field of a generation
    "namespace": "target_namespace",
    "model": "model_name",
    "media_type": "media_type",
    "repo": "target_repo",
    "folder": "target_directory",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Handle = Callable[[web.Request, "ApiAccount"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class OxenStandIn:
    """The handlers. Each gets the request and the account of its key."""

    accounts: ApiAccounts
    catalog: OxenCatalog
    queue: OxenQueue
    renderer: Renderer
    events: EventStreams
    results: ResultLinks
    switchboard: Switchboard
    timing: ApiTiming

    def routes(self) -> list[web.RouteDef]:
        limited, plain = self._rate_limited, self._for_account
        return [
            web.post("/api/ai/images/generate", limited(self.generate)),
            web.post("/api/ai/images/edit", limited(self.generate)),
            web.post("/api/ai/queue", limited(self.enqueue)),
            web.get("/api/ai/queue", limited(self.list_generations), allow_head=False),
            web.get("/api/ai/queue/{generation_id}", limited(self.read), allow_head=False),
            web.delete("/api/ai/queue/{generation_id}", limited(self.cancel)),
            web.get("/api/ai/generations", limited(self.list_charges), allow_head=False),
            web.post("/api/ai/models/{model_id}/estimate", plain(self.estimate)),
            web.get("/api/ai/models", plain(self.list_models), allow_head=False),
            web.get("/api/ai/models/search", plain(self.search_models), allow_head=False),
            web.get("/api/ai/models/{model_id}", plain(self.read_model), allow_head=False),
            web.get("/api/events", plain(self.listen), allow_head=False),
        ]

    # Images

    async def generate(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        """Serves generate and edit, which accept the same bodies; `input_image` is optional in both."""
        if (canned := canned_answer(self.switchboard, made=False)) is not None:
            return canned
        body = await _json(request)
        model = self._model(body)
        if model.needs_prompt and not str(body.get("prompt") or "").strip():
            raise OxenApiError(400, OxenErrorType.INVALID_PARAMS, "Prompt cannot be empty")
        (generation,) = self.queue.submit(GenerationRequest(account=account, model=model, body=body), count=1, in_queue=False)
        try:
            await generation.ended.wait()
        except asyncio.CancelledError:  # the caller's connection was cut
            self.queue.cancel(generation)
            raise
        if generation.status is not OxenStatus.SUCCEEDED:
            raise OxenApiError(422, OxenErrorType.INVALID_PARAMS, generation.error or "The generation was cancelled")
        if (canned := canned_answer(self.switchboard, made=True)) is not None:
            return canned
        image = {"url": self.results.link(generation.file_name)}
        if body.get("response_format") == "b64_json":
            painted = await as_switched(await self.renderer.image_of(generation), self.switchboard)
            image = {"b64_json": base64.b64encode(painted.data).decode()}
        return _answer({"model": generation.request.model.id, "created": int(time.time()), "images": [image]})

    async def enqueue(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        if self.switchboard.fires("enqueue-cut"):
            return cut(request)
        if (canned := canned_answer(self.switchboard, made=False)) is not None:
            return canned
        body = await _json(request)
        count = body.get("num_generations", 1)
        if type(count) is not int or count not in GENERATIONS_PER_REQUEST:
            raise OxenApiError(400, OxenErrorType.INVALID_PARAMS, "num_generations must be an integer between 1 and 4")
        generation_request = GenerationRequest(account=account, model=self._model(body), body=body)
        if self.switchboard.fires("enqueue-empty"):
            return _answer({"generations": [], "error": {"message": "No worker took the generation"}})
        taken = self.queue.submit(generation_request, count=count)
        answer = _answer({"generations": [{"generation_id": each.id, "status": each.status} for each in taken]})
        if self.switchboard.fires("events-early"):
            await asyncio.gather(*(each.ended.wait() for each in taken))
        if (canned := canned_answer(self.switchboard, made=True)) is not None:
            return canned
        return cut(request) if self.switchboard.fires("enqueue-answer-lost") else answer

    async def list_generations(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        """Only active ones unless `status` is given."""
        wanted = {row: request.query[name] for name, row in FILTERS.items() if name in request.query}
        statuses = {request.query["status"]} if "status" in request.query else ACTIVE
        found = [each for each in self.queue.rows(account) if each.in_queue and each.status in statuses]
        rows = [each for each in found if wanted.items() <= _comparable(each.row(None)).items()]
        return _answer({"count": len(rows), "generations": [self._row(each) for each in rows]})

    async def list_charges(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        """All generations, also those of synchronous calls, newest first, with what each was charged."""
        if self.switchboard.is_on("charges-down"):
            raise OxenApiError(404, OxenErrorType.NOT_FOUND, "There is no such list")
        wanted = {row: request.query[name] for name, row in {**FILTERS, "status": "status"}.items() if name in request.query}
        rows = [each for each in self.queue.rows(account) if wanted.items() <= _comparable(each.row(None)).items()]
        page, size = _number(request, "page", 1, range(1, 2**31)), _number(request, "page_size", 50, range(1, 1001))
        shown = rows[::-1][(page - 1) * size : page * size]
        total = sum((each.charged_usd or Decimal(0) for each in rows), Decimal(0))
        listed = [self._dated(each.row(None)) | {"cost": None if each.charged_usd is None else str(each.charged_usd)} for each in shown]
        return _answer({"count": len(rows), "page_number": page, "page_size": size, "total_cost": str(total), "generations": listed})

    async def read(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        if self.switchboard.fires("rows-fail"):
            raise OxenApiError(500, OxenErrorType.UNKNOWN, "The generation could not be read")
        row = self._row(self._generation(request, account))
        return _answer(row | {"input_image": HUGE_REFERENCE} if self.switchboard.fires("rows-huge") else row)

    async def cancel(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        """Answers with the short body for a queued generation and with the row for any other; both are documented."""
        generation = self._generation(request, account)
        was = generation.status
        self.queue.cancel(generation)
        if was is OxenStatus.QUEUED:
            return _answer({"status": "success", "generation_id": generation.id})
        return _answer(self._row(generation))

    async def listen(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        if self.switchboard.fires("events-refused"):
            raise OxenApiError(503, OxenErrorType.UNKNOWN, "The event stream is not available")
        return await self.events.serve(request, account)

    def announce(self, generation: OxenGeneration) -> None:
        """Publish the completion event. Synchronous calls have none."""
        if not generation.in_queue:
            return
        event = {"generation_id": generation.id, "status": generation.status, "media_type": generation.media_type}
        if generation.status is OxenStatus.SUCCEEDED:
            is_missing = self.switchboard.is_on("result-link-missing")
            url = "" if is_missing else self.results.link(generation.file_name, stale=generation.first_link_is_stale)
            event |= {"model": generation.request.model.id, "url": url}
        else:
            event |= {"error": generation.error or ""}
        self.events.publish(generation.request.account, event)

    # Models

    async def list_models(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        del account
        self._check_models_are_up()
        listed = self.catalog.listed(developer=request.query.get("developer_name"), action=request.query.get("action"))
        return _answer({"object": "list", "data": listed})

    async def search_models(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        del account
        self._check_models_are_up()
        return _answer({"data": self.catalog.search(request.query.get("search", ""))})

    async def read_model(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        del account
        self._check_models_are_up()
        model = self.catalog.find(request.match_info["model_id"])
        if model is None:
            raise OxenApiError(404, OxenErrorType.NOT_FOUND, f"Model not found: {request.match_info['model_id']}")
        return _answer(model.facts)

    async def estimate(self, request: web.Request, account: ApiAccount) -> web.StreamResponse:
        """The body is that of a generation."""
        self._check_models_are_up()
        body = await _json(request)
        model = self._model({"model": request.match_info["model_id"]})
        wanted = GenerationRequest(account=account, model=model, body=body)
        return _answer({"model": model.id, "currency": "USD", "estimate": estimate(model, wanted.prompt, wanted.parameters)})

    def _check_models_are_up(self) -> None:
        if self.switchboard.fires("models-down"):
            raise OxenApiError(500, OxenErrorType.UNKNOWN, "The models cannot be listed")

    # Shared by all calls

    def _rate_limited(self, handle: Handle) -> Handler:
        """For calls that make, list or read images, which the rate limit and the general error affect."""

        async def limited(request: web.Request, account: ApiAccount) -> web.StreamResponse:
            if self.switchboard.fires("images-rate-limited"):
                raise OxenApiError(429, OxenErrorType.UNKNOWN, "Too many requests", retry_after_s=self.timing.retry_after_s)
            if self.switchboard.fires("images-error"):
                raise OxenApiError(500, OxenErrorType.UNKNOWN, "Internal server error")
            return await handle(request, account)

        return self._for_account(limited)

    def _for_account(self, handle: Handle) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            if self.switchboard.fires("key-refused"):
                return bare_unauthenticated()
            account = self.accounts.of(request.headers.get("Authorization", ""))
            if account is None:
                return error_response(OxenApiError(401, OxenErrorType.UNAUTHENTICATED, "A valid API key is required"))
            try:
                answer = await handle(request, account)
            except OxenApiError as error:
                answer = error_response(error)
            if self.switchboard.is_on("clock-behind") and not answer.prepared:
                answer.headers["Date"] = formatdate(time.time() - CLOCK_BEHIND_S, usegmt=True)
            return answer

        return handler

    def _model(self, body: dict[str, Any]) -> OxenModel:
        """The model that the body names. Raises `OxenApiError` if it is unknown or makes text only."""
        model = self.catalog.find(str(body.get("model")))
        if model is None:
            raise OxenApiError(400, OxenErrorType.INVALID_PARAMS, f"Model not found: {body.get('model')}")
        if model.media_type is None:
            raise OxenApiError(400, OxenErrorType.INVALID_PARAMS, ":unsupported_media_type")
        return model

    def _generation(self, request: web.Request, account: ApiAccount) -> OxenGeneration:
        generation = self.queue.find(request.match_info["generation_id"], account)
        if generation is None:
            raise OxenApiError(404, OxenErrorType.NOT_FOUND, "Generation not found")
        return generation

    def _row(self, generation: OxenGeneration) -> dict[str, Any]:
        """The row with a newly signed link, different at every reading."""
        row = self._dated(generation.row(self._result_link(generation)))
        if self.switchboard.is_on("status-odd"):
            row["status"] = ODD_STATUSES.get(generation.status, str(generation.status))
        if self.switchboard.is_on("rows-lean"):
            return {name: value for name, value in row.items() if name in LEAN_ROW}
        return row

    def _result_link(self, generation: OxenGeneration) -> str | None:
        if generation.status is not OxenStatus.SUCCEEDED or self.switchboard.fires("result-link-missing"):
            return None
        stale, generation.first_link_is_stale = generation.first_link_is_stale, False
        return self.results.link(generation.file_name, stale=stale)

    def _dated(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with the times of Oxen's clock."""
        if not self.switchboard.is_on("clock-behind"):
            return row
        return row | {name: row[name] - CLOCK_BEHIND_S for name in ("enqueued_at", "started_at", "completed_at") if row[name]}


def _answer(body: dict[str, Any]) -> web.Response:
    return web.json_response(body)


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise OxenApiError(400, OxenErrorType.INVALID_PARAMS, "The body is not JSON") from error
    if not isinstance(body, dict):
        raise OxenApiError(400, OxenErrorType.INVALID_PARAMS, "The body is not a JSON object")
    return body


def _comparable(row: dict[str, Any]) -> dict[str, str]:
    return {name: str(row[name]) for name in (*FILTERS.values(), "status")}


def _number(request: web.Request, name: str, default: int, allowed: range) -> int:
    given = request.query.get(name, str(default))
    if not given.isdecimal() or int(given) not in allowed:
        raise OxenApiError(400, OxenErrorType.INVALID_PARAMS, f"{name} must be an integer from {allowed.start} to {allowed.stop - 1}")
    return int(given)
