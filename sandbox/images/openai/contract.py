"""The OpenAI-compatible contract on the wire: paths, order of checks, and the handling of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.answers import canned_answer
from sandbox.faults import FaultHold
from sandbox.images.account import key_in
from sandbox.images.connections import cut, is_gone
from sandbox.images.openai import errors, responses
from sandbox.images.openai.bodies import read_body
from sandbox.images.openai.calls import OpenAICall, OpenAICalls
from sandbox.images.openai.errors import OpenAIApiError
from sandbox.images.openai.models import OxloCatalog
from sandbox.images.openai.parameters import CallParameters, check_names, parse_parameters
from sandbox.images.renderer import ImageCache, Renderer
from sandbox.images.results import ResultLinks
from sandbox.painter import Brief, PaintedImage, UnreadableReference

if TYPE_CHECKING:
    from sandbox.faults import Switchboard
    from sandbox.images.timing import ApiTiming

OXLO_KEY = "sandbox-oxlo-key"


class OpenAIStandIn:
    """The handlers. A call keeps its connection open until its images are made. There is no queue: a lost answer is lost."""

    def __init__(self, *, renderer: Renderer, switchboard: Switchboard, timing: ApiTiming) -> None:
        self._renderer = renderer
        self._switchboard = switchboard
        self._timing = timing
        self._models = OxloCatalog()
        self._calls = OpenAICalls()
        self._stuck = FaultHold(switchboard, "generation-stuck")
        self._cache = ImageCache()
        self.in_work = 0  # images of open calls
        self.results = ResultLinks(path="/v1/results", find=self._result, switchboard=switchboard, timing=timing)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/images/generations", self.generate),
            web.post("/v1/images/edits", self.edit),
            web.get("/v1/models", self.list_models, allow_head=False),
            web.get("/v1/models/{model_id}", self.read_model, allow_head=False),
            web.get("/sandbox/openai/calls", self.show_calls, allow_head=False),
            self.results.route(),
        ]

    # Images

    async def generate(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._calls.begin("generations"), is_edit=False)

    async def edit(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, self._calls.begin("edits"), is_edit=True)

    async def _serve(self, request: web.Request, call: OpenAICall, *, is_edit: bool) -> web.StreamResponse:
        """Answer one call. A client that disconnects early gets no answer and is charged anyway."""
        if (canned := canned_answer(self._switchboard, made=False)) is not None:
            return canned
        try:
            parameters = await self._accept(request, call, is_edit=is_edit)
            if parameters is None:
                return cut(request)
            images = await self._counted(parameters)
            self._calls.pay(call, len(images))
            if self._switchboard.fires("enqueue-answer-lost"):
                return cut(request)
            if (canned := canned_answer(self._switchboard, made=True)) is not None:
                return canned
            return await self._deliver(request, call, parameters, images)
        except OpenAIApiError as error:
            if not is_gone(request):
                call.status, call.answered = error.status, True
            return error.answer()
        except (ConnectionError, asyncio.CancelledError):  # the client disconnected, or its connection was cut
            call.answered = False
            raise

    async def _accept(self, request: web.Request, call: OpenAICall, *, is_edit: bool) -> CallParameters | None:
        """The parameters of a call, or None to cut the connection. Raises `OpenAIApiError`. Nothing is charged yet."""
        call.key = self._key(request)
        call.body = body = await read_body(request)
        if self._switchboard.fires("enqueue-cut"):
            return None
        self._check_service()
        check_names(body, is_edit=is_edit)
        parameters = parse_parameters(body, self._models.available_to(call.key, str(body.values["model"])), is_edit=is_edit)
        call.used_seed = parameters.seed
        if self._switchboard.fires("out-of-credit"):
            raise errors.out_of_credit()
        return parameters

    async def _counted(self, parameters: CallParameters) -> list[PaintedImage]:
        """The same as `_make`, whose images are in work meanwhile."""
        count = len(parameters.briefs)
        self.in_work += count
        try:
            return await self._make(parameters)
        finally:
            self.in_work -= count

    async def _make(self, parameters: CallParameters) -> list[PaintedImage]:
        """Draw all images of a call in the duration of one. Raises `OpenAIApiError`."""
        await asyncio.sleep(self._timing.queue_s)
        await self._stuck.wait()
        if self._switchboard.fires("generation-fails"):
            raise errors.server_error("The model ran out of memory.")
        now = asyncio.get_running_loop().time
        due = now() + self._timing.image_s(parameters.prompt, parameters.seed)
        try:
            images = [await self._renderer.paint(brief) for brief in self._briefs(parameters)]
        except UnreadableReference as error:
            raise errors.invalid("image", f"Invalid image: {error}.", code="invalid_image") from error
        await asyncio.sleep(due - now())
        return images

    def _briefs(self, parameters: CallParameters) -> tuple[Brief, ...]:
        if not self._switchboard.fires("size-ignored"):
            return parameters.briefs
        width, height = parameters.size_px
        return replace(parameters, size_px=(width // 2, height // 2)).briefs

    async def _deliver(
        self, request: web.Request, call: OpenAICall, parameters: CallParameters, images: list[PaintedImage]
    ) -> web.StreamResponse:
        if is_gone(request):
            return web.Response()
        if self._switchboard.fires("answer-events"):
            call.status, call.answered = 200, True
            return await responses.send_events(request, images[0])
        if not parameters.by_link:
            return await responses.send_inline(request, call, images, self._switchboard)
        call.status, call.answered = 200, True
        return web.json_response(responses.body([{"url": self._link(call, number, each)} for number, each in enumerate(images)]))

    def _link(self, call: OpenAICall, number: int, image: PaintedImage) -> str:
        """Links need no key and expire. Only the newest images are kept."""
        image_id = f"{call.id}-{number}"
        self._cache.put(image_id, image)
        return self.results.link(f"{image_id}.png", stale=self._switchboard.fires("result-expired"))

    async def _result(self, image_id: str) -> PaintedImage | None:
        return self._cache.find(image_id)

    # Models

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        return self._about_models(request, lambda: {"object": "list", "data": [model.listed() for model in self._models]})

    async def read_model(self, request: web.Request) -> web.StreamResponse:
        return self._about_models(request, lambda: self._models.get(request.match_info["model_id"]).listed())

    def _about_models(self, request: web.Request, answer: Callable[[], dict[str, Any]]) -> web.StreamResponse:
        try:
            self._key(request)
            if self._switchboard.fires("models-down"):
                raise errors.server_error()
            return web.json_response(answer())
        except OpenAIApiError as error:
            return error.answer()

    # For tests and the demo

    async def show_calls(self, request: web.Request) -> web.Response:
        """Every call with its parameters, its status, what was paid, and whether it was answered."""
        del request
        return web.json_response(self._calls.table())

    # Shared by all calls

    def _key(self, request: web.Request) -> str:
        key = key_in(request.headers.get("Authorization", ""))
        if key is None or self._switchboard.fires("key-refused"):
            raise errors.wrong_key()
        return key

    def _check_service(self) -> None:
        if self._switchboard.fires("images-rate-limited"):
            raise errors.too_many(self._timing.retry_after_s)
        if self._switchboard.fires("images-error"):
            raise errors.server_error()
