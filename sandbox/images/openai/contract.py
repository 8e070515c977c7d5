"""The OpenAI-compatible contract on the wire: paths, the order of refusals, and the work between question and answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.faults import Gate
from sandbox.images.account import key_in
from sandbox.images.connections import cut, is_gone
from sandbox.images.openai import errors, responses
from sandbox.images.openai.bodies import read_body
from sandbox.images.openai.calls import Call, Calls
from sandbox.images.openai.errors import Refused
from sandbox.images.openai.models import Models
from sandbox.images.openai.parameters import Wanted, check_names, understand
from sandbox.images.renderer import Shelf, Workshop
from sandbox.images.results import Results
from sandbox.painter import Picture, UnreadableReference

if TYPE_CHECKING:
    from sandbox.faults import Switchboard
    from sandbox.images.timing import Timing

OXLO_KEY = "sandbox-oxlo-key"


class OpenAI:
    """The handlers. A call holds its connection until its pictures are made; there is no queue, and a lost answer cannot be asked for."""

    def __init__(self, *, workshop: Workshop, switchboard: Switchboard, timing: Timing) -> None:
        self._workshop = workshop
        self._switchboard = switchboard
        self._timing = timing
        self._models = Models()
        self._calls = Calls()
        self._stuck = Gate(switchboard, "generation-stuck")
        self._shelf = Shelf()
        self.results = Results(path="/v1/results", find=self._result, switchboard=switchboard, timing=timing)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/images/generations", self.generate),
            web.post("/v1/images/edits", self.edit),
            web.get("/v1/models", self.list_models, allow_head=False),
            web.get("/v1/models/{model_id}", self.read_model, allow_head=False),
            web.get("/sandbox/openai/calls", self.show_calls, allow_head=False),
            self.results.route(),
        ]

    # Pictures

    async def generate(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._calls.begin("generations"), is_edit=False)

    async def edit(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._calls.begin("edits"), is_edit=True)

    async def _serve(self, request: web.Request, call: Call, *, is_edit: bool) -> web.StreamResponse:
        """Answer one call. Whoever leaves before the end gets no answer, and pays all the same."""
        try:
            wanted = await self._accept(request, call, is_edit=is_edit)
            if wanted is None:
                return cut(request)
            pictures = await self._make(wanted)
            self._calls.pay(call, len(pictures))
            if self._switchboard.strikes("enqueue-answer-lost"):
                return cut(request)
            return await self._deliver(request, call, wanted, pictures)
        except Refused as refused:
            if not is_gone(request):
                call.status, call.answered = refused.status, True
            return refused.answer()
        except (ConnectionError, asyncio.CancelledError):  # the caller left, or was turned out
            call.answered = False
            raise

    async def _accept(self, request: web.Request, call: Call, *, is_edit: bool) -> Wanted | None:
        """What is asked for; None where the connection is to be cut. Raise `Refused`. Nothing is paid here."""
        call.key = self._key(request)
        call.body = body = await read_body(request)
        if self._switchboard.strikes("enqueue-cut"):
            return None
        self._check_service()
        check_names(body, is_edit=is_edit)
        wanted = understand(body, self._models.open_to(call.key, str(body.values["model"])), is_edit=is_edit)
        call.used_seed = wanted.seed
        if self._switchboard.strikes("out-of-credit"):
            raise errors.out_of_credit()
        return wanted

    async def _make(self, wanted: Wanted) -> list[Picture]:
        """Paint all pictures of a call in the time that one takes. Raise `Refused`."""
        await asyncio.sleep(self._timing.queue_s)
        await self._stuck.passed()
        if self._switchboard.strikes("generation-fails"):
            raise errors.server_error("The model ran out of memory.")
        now = asyncio.get_running_loop().time
        due = now() + self._timing.picture_s(wanted.prompt, wanted.seed)
        try:
            pictures = [await self._workshop.paint(brief) for brief in wanted.briefs]
        except UnreadableReference as error:
            raise errors.invalid("image", f"Invalid image: {error}.", code="invalid_image") from error
        await asyncio.sleep(due - now())
        return pictures

    async def _deliver(self, request: web.Request, call: Call, wanted: Wanted, pictures: list[Picture]) -> web.StreamResponse:
        if is_gone(request):
            return web.Response()
        if not wanted.by_link:
            return await responses.send_inline(request, call, pictures, self._switchboard)
        call.status, call.answered = 200, True
        return web.json_response(responses.body([{"url": self._link(call, number, each)} for number, each in enumerate(pictures)]))

    def _link(self, call: Call, number: int, picture: Picture) -> str:
        """Links need no key and expire. Only the newest pictures are kept."""
        picture_id = f"{call.id}-{number}"
        self._shelf.put(picture_id, picture)
        return self.results.link(f"{picture_id}.png", stale=self._switchboard.strikes("result-expired"))

    async def _result(self, picture_id: str) -> Picture | None:
        return self._shelf.find(picture_id)

    # Models

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        return self._about_models(request, lambda: {"object": "list", "data": [model.listed() for model in self._models]})

    async def read_model(self, request: web.Request) -> web.StreamResponse:
        return self._about_models(request, lambda: self._models.named(request.match_info["model_id"]).listed())

    def _about_models(self, request: web.Request, answer: Callable[[], dict[str, Any]]) -> web.StreamResponse:
        try:
            self._key(request)
            if self._switchboard.strikes("models-down"):
                raise errors.server_error()
            return web.json_response(answer())
        except Refused as refused:
            return refused.answer()

    # The sandbox's own

    async def show_calls(self, request: web.Request) -> web.Response:
        """Every call with its parameters, its status, what was paid, and whether the answer got through."""
        del request
        return web.json_response(self._calls.table())

    # What calls share

    def _key(self, request: web.Request) -> str:
        key = key_in(request.headers.get("Authorization", ""))
        if key is None or self._switchboard.strikes("key-refused"):
            raise errors.wrong_key()
        return key

    def _check_service(self) -> None:
        if self._switchboard.strikes("images-rate-limited"):
            raise errors.too_many(self._timing.retry_after_s)
        if self._switchboard.strikes("images-error"):
            raise errors.server_error()
