"""Client of Oxen.ai's image API: queue, event stream, synchronous calls, models. See this project's contract for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from pydantic import ValidationError

from bot.core.errors import AnswerLost, ProviderBusy, ProviderError, ProviderRefused
from bot.core.i18n import _
from bot.domain.catalog.models import Slots, makes_images
from bot.domain.catalog.reading import LIST_BYTES, MODEL_BYTES, MODELS_MAX
from bot.domain.catalog.schema import find_schema
from bot.domain.job import is_same_prompt
from bot.providers import oxen_wire
from bot.providers.answers import ApiResponse
from bot.providers.explanations import UNREADABLE
from bot.providers.http import Api
from bot.providers.oxen_money import ChargesPage, read_charges, read_estimate
from bot.providers.provider import Accepted, Billed, CompletedImage, Event, GenerationReport, Provider, ReportState, Submission
from bot.providers.response_images import Fetch, absolute, decode, follow, limited
from bot.providers.sse import Decoder

MODES: Final = ("events", "poll", "sync")
_ENDED: Final = (ReportState.SUCCEEDED, ReportState.FAILED, ReportState.CANCELLED)
_COMPLETED: Final = "media_generation_completed"
_DETAILS_AT_ONCE: Final = 4
_ESTIMATE_TIMEOUT_S: Final = 5.0
_FILLER: Final = "🜂"  # rare, so that it has at least as many tokens as other text of its four bytes
_PAGE_SIZE: Final = 64  # rows
_PAGE_SPLIT: Final = 8
_MAX_PAGES: Final = 2000
_EVENT_BYTES: Final = 32 * 1024  # parsed on the event loop; an event that is dropped is replaced by a read
_ROWS_ON_LOOP: Final = 100
_CLOCK_MARGIN_MS: Final = 10_000  # what whole seconds and the time on the way hide
_CLOCKS_DIFFER_MS: Final = 120_000  # at most, where the image API does not tell its time
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Linked:
    """An image that a synchronous call returned as a link, which expires."""

    url: str


class _NoList(ProviderBusy):
    """An answer without the list that was asked for."""


class Oxen(Provider):
    """A client for one account. Stateless."""

    name = "oxen"
    has_queue = True
    takes_links = True

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        base_url: str,
        api_key: str,
        mode: str = "events",
        namespace: str = "",
        slots: Callable[[str], Slots] = lambda _model: Slots(),
        fetch: Fetch | None = None,
        max_result_bytes: int = 40 * 1024 * 1024,
        silence_s: float = 45.0,
        sync_timeout_s: float = 180.0,
        attempts: int = 3,
        proxy: str | None = None,
    ) -> None:
        """`mode`: one of `MODES`. `slots`: the slots of a model, by id; usually `Catalog.slots`.

        `fetch`: downloads an image that a synchronous call returned as a link. `attempts`: for idempotent calls.
        """
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}")
        self.queues = mode != "sync"
        self.streams = mode == "events"
        self._api = Api(session=session, base_url=base_url, api_key=api_key, attempts=attempts, name=self.name, proxy=proxy)
        self._namespace = namespace
        self._slots = slots
        self._base_url = base_url
        self._fetch = fetch
        self._max_result_bytes = max_result_bytes
        self._silence_s = silence_s
        self._sync_timeout_s = sync_timeout_s

    @property
    def clock_ahead_s(self) -> float | None:
        """The image API's clock minus this machine's; None if no answer has told the time yet."""
        return self._api.clock_ahead_s

    # The protocol

    async def submit(self, submission: Submission) -> Accepted | CompletedImage:
        if self.queues:
            return (await self.enqueue(submission))[0]
        with limited(self.name):
            made = await self.make(submission)
            return made if isinstance(made, CompletedImage) else await follow(made.url, self._fetch, max_bytes=self._max_result_bytes)

    async def find(self, submission: Submission, *, since: int) -> Sequence[GenerationReport]:
        found = await self._find_in_queue(submission, since)
        if found is None or not any(report.is_certain for report in found.values()):
            # The list of charges also has what the queue leaves out: prompts, seeds, synchronous calls, ends of unknown names.
            found = await self._find_in_charges(submission, since, queued=found)
        return sorted(found.values(), key=lambda report: (not self._is_since(report, since), report.enqueued_at or 0))

    async def read(self, provider_id: str) -> GenerationReport | None:
        body = await self._api.ask(f"/api/ai/queue/{_quoted(provider_id)}")
        if body is None:
            return None
        row = oxen_wire.read_generation(body)
        if row is None:
            raise ProviderBusy(_(UNREADABLE))
        return self._report(row)

    async def cancel(self, provider_id: str) -> None:
        with suppress(ProviderRefused):  # it has already ended
            await self._api.ask(f"/api/ai/queue/{_quoted(provider_id)}", method="DELETE")

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Event]]:
        async with self._api.stream("/api/events", silence_s=self._silence_s) as chunks, aclosing(self._events(chunks)) as events:
            yield events

    async def active(self) -> Collection[str]:
        return {report.provider_id for report in await self.list_generations()}

    async def ping(self) -> None:
        await self._api.probe("/api/ai/models/search", query={"search": "ping"})  # matches no model, so the response is short

    async def models(self) -> Sequence[Mapping[str, Any]]:
        listed = _models(await self._api.ask("/api/ai/models", limit=LIST_BYTES))
        turn = asyncio.Semaphore(_DETAILS_AT_ONCE)

        async def with_schema(model: Mapping[str, Any]) -> Mapping[str, Any]:
            async with turn:
                return await self._detailed(model)

        return await asyncio.gather(*(with_schema(model) for model in listed))

    async def estimate(self, model: str, params: Mapping[str, Any], *, prompt_bytes: int) -> Decimal | None:
        body = {**params, "model": model, **_prompt(_FILLER * -(-prompt_bytes // len(_FILLER.encode())))}
        return read_estimate(await self._api.send(f"/api/ai/models/{_quoted(model)}/estimate", body, timeout_s=_ESTIMATE_TIMEOUT_S))

    async def billed(self, *, since: int = 0) -> AsyncIterator[Billed]:
        earliest = since // 1000 * 1000  # the image API's times are whole seconds
        async for page in self._charge_pages(earliest=earliest):
            for row in page.charged:
                if row.enqueued_at is None or row.enqueued_at >= earliest:
                    yield row

    # Other endpoints

    async def enqueue(self, submission: Submission, *, count: int = 1) -> list[Accepted]:
        """Queue 1 to 4 generations of the same submission."""
        body = self._body(submission) | ({"num_generations": count} if count != 1 else {})
        answer = await self._api.send("/api/ai/queue", body, timeout_s=120, alive=True, prompt=submission.prompt)
        if answer.get("generations") == []:
            raise self._api.explain(ApiResponse(status=400, body=answer))
        rows = oxen_wire.read_generations(answer)
        if not rows:
            raise AnswerLost(_("The image service sent an answer that can't be read."))
        return [Accepted(provider_id=row.generation_id) for row in rows]

    async def list_generations(self, **filters: str | None) -> list[GenerationReport]:
        """Generations in the queue; active ones unless `status` is given. Filters: namespace, model, status, media_type, repo, folder."""
        with suppress(_NoList):
            return (await self._list(**filters))[0]
        return []

    async def make(self, submission: Submission, *, response_format: str = "b64_json") -> CompletedImage | Linked:
        """Make one image synchronously; with references, an edit. `response_format`: `b64_json` or `url`."""
        path = "/api/ai/images/edit" if submission.references else "/api/ai/images/generate"
        body = self._body(submission) | {"response_format": response_format}
        limit = self._max_result_bytes * 4 // 3 + 64 * 1024  # base64 is a third longer
        answer = await self._api.send(path, body, timeout_s=self._sync_timeout_s, limit=limit, alive=True, prompt=submission.prompt)
        try:
            image = oxen_wire.MadeImages.model_validate(answer).images[0]
        except ValidationError:
            raise self._api.explain(ApiResponse(status=400, body=answer)) from None
        if image.b64_json is not None:
            return CompletedImage(content=await decode(image.b64_json, max_bytes=self._max_result_bytes))
        if image.url is not None:
            return Linked(url=absolute(image.url, self._base_url))
        raise ProviderRefused(_("The image service answered without an image."))

    async def read_model(self, model_id: str) -> Mapping[str, Any] | None:
        """A raw model with its schema; None if it does not exist."""
        body = await self._api.ask(f"/api/ai/models/{_quoted(model_id)}", limit=MODEL_BYTES)
        inner = body.get("data", body) if isinstance(body, dict) else None
        return inner if isinstance(inner, dict) else None

    # Internal

    async def _list(self, **filters: str | None) -> tuple[list[GenerationReport], bool]:
        """The listed generations, and whether these are all. Raises `_NoList` if the answer is none: then nothing is known."""
        query = {"namespace": self._namespace or None, **filters}
        body = await self._api.ask("/api/ai/queue", query={name: value for name, value in query.items() if value})
        rows = oxen_wire.rows_of(body)
        if rows is None:
            raise _NoList(_(UNREADABLE))
        reports = await asyncio.to_thread(self._reports, rows) if len(rows) > _ROWS_ON_LOOP else self._reports(rows)
        return reports, oxen_wire.count_of(body) <= len(reports)

    def _is_since(self, report: GenerationReport, moment: int) -> bool:
        """Whether it was enqueued at or after a moment (Unix ms) of this machine's clock. Compared by the image API's own clock."""
        ahead_s = self._api.clock_ahead_s
        there = moment - _CLOCKS_DIFFER_MS if ahead_s is None else moment + int(ahead_s * 1000) - _CLOCK_MARGIN_MS
        return report.enqueued_at is None or report.enqueued_at >= there // 1000 * 1000  # its times are whole seconds

    def _match(self, report: GenerationReport, submission: Submission, since: int) -> GenerationReport | None:
        """The report, if it is or may be that of the submission. A chosen seed decides alone; without one the time must fit.

        The times of the rows may be those of yet another clock, but not by a day.
        """
        same, is_since = _same(report, submission), self._is_since(report, since)
        if same is False or not (is_since if same is None else self._is_since(report, since - _DAY_MS)):
            return None
        return report if same and (is_since or submission.seed is not None) else replace(report, is_certain=False)

    async def _find_in_queue(self, submission: Submission, since: int) -> dict[str, GenerationReport] | None:
        """By id, those in the queue that match; None if not all of it can be read, such as a list with many inline references.

        Active ones first: one that ends between two calls is then found among the ended ones.
        """
        reports: list[GenerationReport] = []
        for status in (None, *_ENDED):
            try:
                listed, is_whole = await self._list(model=submission.model, status=status)
            except (ProviderBusy, ProviderRefused):
                return None
            if not is_whole:
                return None
            reports += listed
        matches = {report.provider_id: self._match(report, submission, since) for report in reports}
        return {provider_id: match for provider_id, match in matches.items() if match is not None}

    async def _find_in_charges(
        self, submission: Submission, since: int, *, queued: Mapping[str, GenerationReport] | None
    ) -> dict[str, GenerationReport]:
        """`queued`, as the list of charges knows them, and others there that match. Raises if neither can be read."""
        found = dict(queued or {})
        try:
            async for page in self._charge_pages(earliest=since - _DAY_MS, model=submission.model):
                if not page.is_list:
                    raise ProviderBusy(_(UNREADABLE))
                for report in map(self._report, page.readable):
                    match = self._match(report, submission, since)
                    if match is not None:
                        found[report.provider_id] = match
                    else:
                        found.pop(report.provider_id, None)
                if not any(self._is_since(report, since) for report in map(self._report, page.readable)):
                    break
        except ProviderError:
            if queued is None:
                raise
        return found

    async def _charge_pages(self, *, earliest: int, model: str | None = None) -> AsyncIterator[ChargesPage]:
        """The list of charges, newest first, back to `earliest` (Unix ms, by the image API's clock)."""
        page, size, seen = 1, _PAGE_SIZE, 0
        for _call in range(_MAX_PAGES):
            try:
                listed = await self._charges(page, size, model)
            except ProviderBusy:
                if size == 1:
                    raise
                # Rows echo inline references, so the page may have been too large.
                page, size = (page - 1) * _PAGE_SPLIT + 1, size // _PAGE_SPLIT
                continue
            yield listed
            seen += listed.rows
            if not listed.rows or seen >= listed.count or listed.newest < earliest:
                return
            page += 1

    async def _charges(self, page: int, size: int, model: str | None) -> ChargesPage:
        query = {"media_type": "image", "page": str(page), "page_size": str(size), "namespace": self._namespace, "model": model}
        return read_charges(await self._api.ask("/api/ai/generations", query={name: value for name, value in query.items() if value}))

    def _body(self, submission: Submission) -> dict[str, Any]:
        slots = self._slots(submission.model)
        body = {**submission.params, "model": submission.model, **_prompt(submission.prompt)}
        if submission.seed is not None:
            body[slots.seed] = submission.seed
        if submission.references:
            body[slots.references] = slots.references_as_sent(submission.references)
        if submission.mask is not None:
            body[slots.mask] = submission.mask
        if self._namespace:
            body["target_namespace"] = self._namespace
        return body

    def _reports(self, rows: Sequence[object]) -> list[GenerationReport]:
        return [self._report(row) for row in oxen_wire.read_rows(rows)]

    def _report(self, row: oxen_wire.WireGeneration) -> GenerationReport:
        model = row.model_name or row.model or ""
        return GenerationReport(
            provider_id=row.generation_id,
            state=row.state,
            model=model,
            prompt=row.prompt,
            seed=row.echoed_int(self._slots(model).seed),
            enqueued_at=row.enqueued_at_ms,
            result_url=absolute(row.result_url, self._base_url) if row.result_url else None,
            error=self._api.explain_failure(row.error_message or "") if row.state is ReportState.FAILED else None,
            is_unread=oxen_wire.names_unread_link(row.error_message),
        )

    async def _events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Event, None]:
        decoder = Decoder(max_event_bytes=_EVENT_BYTES)
        async for chunk in chunks:
            for event in decoder.feed(chunk):
                completed = _completed(event.data) if event.type == _COMPLETED else None
                if completed is not None:
                    yield Event(provider_id=completed.generation_id, report=self._report_of(completed))

    def _report_of(self, event: oxen_wire.CompletedEvent) -> GenerationReport | None:
        """How the generation ended; None if the event does not say everything."""
        if not (event.state is ReportState.SUCCEEDED and event.url) and not (event.state is ReportState.FAILED and event.error):
            return None
        return GenerationReport(
            provider_id=event.generation_id,
            state=event.state,
            model=event.model or "",
            prompt=None,
            seed=None,
            enqueued_at=None,
            result_url=absolute(event.url, self._base_url) if event.url else None,
            error=self._api.explain_failure(event.error) if event.error else None,
            is_unread=oxen_wire.names_unread_link(event.error),
        )

    async def _detailed(self, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """A listed model with its schema. If the schema cannot be read, the model is used without it."""
        if find_schema(model) or not makes_images(model) or not isinstance(model.get("id"), str):
            return model
        try:
            return await self.read_model(model["id"]) or model
        except ProviderError:
            return model


def _prompt(prompt: str) -> dict[str, str]:
    """Upscalers refuse a prompt, also an empty one."""
    return {"prompt": prompt} if prompt else {}


def _same(report: GenerationReport, submission: Submission) -> bool | None:
    """Whether model, prompt and chosen seed are the same; None if the report leaves one of them out and the others are."""
    prompt, seed = report.prompt, report.seed
    is_other = bool(submission.prompt) and prompt is not None and not is_same_prompt(prompt, submission.prompt)
    if report.model not in {submission.model, ""} or is_other:
        return False
    if submission.seed is not None and seed not in {submission.seed, None}:
        return False
    has_prompt = prompt is not None if submission.prompt else not prompt  # an upscaler may write one by itself
    is_told = has_prompt and (submission.seed is None or seed is not None)
    return True if is_told else None


def _completed(data: str) -> oxen_wire.CompletedEvent | None:
    try:
        return oxen_wire.CompletedEvent.model_validate_json(data)
    except ValidationError:
        return None


def _models(body: object) -> list[Mapping[str, Any]]:
    rows = body.get("data") if isinstance(body, dict) else body
    if not isinstance(rows, list):  # an error and not an empty list: a malformed response must not empty the catalogue
        raise ProviderBusy(_(UNREADABLE))
    return [row for row in rows[:MODELS_MAX] if isinstance(row, dict)]


def _quoted(part: str) -> str:
    return quote(part, safe="")
