"""HTTP calls to an image API: one try for what is paid, retries for the rest, and one log line for each call that fails."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import aiohttp
import structlog
from yarl import URL

from bot import USER_AGENT
from bot.core.clock import steady
from bot.core.errors import AnswerLost, AnswerTooLarge, ProviderAccount, ProviderBusy, ProviderError, ProxyRefused
from bot.core.i18n import N_, _
from bot.core.retry_after import server_time
from bot.core.running import machine
from bot.domain.failures import LOST, UNAVAILABLE
from bot.providers.answers import ANSWER_LIMIT, ApiResponse, ResponseTooLarge, read_answer
from bot.providers.explanations import ACCOUNT_DO, BUSY, OPERATORS, UNREADABLE, detail_of, explain, explain_failure
from bot.providers.redact import redacted
from bot.providers.verdicts import Verdict, has_error, judge, judge_words

log = structlog.get_logger(__name__)

T = TypeVar("T")

HEADER_LIMIT: Final = 64 * 1024  # bytes of one header of an answer
_WRITTEN_OFF_LOOP: Final = 256 * 1024  # bytes of JSON above which it is written in a thread
_ERROR_LIMIT: Final = 64 * 1024  # bytes of an error body
_PROBE_TIMEOUT_S: Final = 10.0
_BAD_GATEWAY: Final = 502  # this status and higher ones are sent by a gateway that cannot reach the API (RFC 9110, section 15.6)
_LONGEST_WAIT_S: Final = 5.0  # a retry with a longer wait is left to the caller
_RETRIES_S: Final = 30.0  # no retry after this time
_RETRY_MIN_S, _RETRY_MAX_S = 0.2, 2.0
_MORE_S: Final = 20.0  # for the whole of a call, beyond its time without a byte
_TOLD_S: Final = 3600.0  # not told again of the same in this time
_SHORTEST_PROMPT: Final = 4  # a shorter one may be a part of any word

_NO_STREAM: Final = N_("The image service's event stream was interrupted. Easel will reconnect.")

_NOT_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)  # nothing reached the API
_CUT: Final = (aiohttp.ClientError, TimeoutError, OSError, MemoryError)


@dataclass(frozen=True, kw_only=True)
class _Call:
    """What the log says about a call."""

    name: str  # such as "GET /models"
    began: float = field(default_factory=time.monotonic)


def open_session() -> aiohttp.ClientSession:
    """A session for calls to image APIs. Close it at the end."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        max_line_size=HEADER_LIMIT,
        max_field_size=HEADER_LIMIT,
    )


class Api:
    """An HTTP client for one base URL. Redirects are not followed, so that the key is sent to no other host.

    Every call raises `MachineTrouble` if this machine is too short of something to make it; a paid one then was certainly not sent.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        base_url: str,
        api_key: str,
        attempts: int = 3,
        name: str = "",
        proxy: str | None = None,
    ) -> None:
        """`name`: of the image API, for the log. `proxy`: the address of the proxy that leads to it."""
        self.clock_ahead_s: float | None = None  # the service's clock minus the bot's; None until an answer says the time
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._headers = {"Accept": "application/json", "User-Agent": USER_AGENT}
        self._headers |= {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._secrets = tuple(filter(None, (api_key, URL(base_url, encoded=True).raw_authority)))
        self._attempts = attempts
        self._name = name
        self._told: dict[Verdict, float] = {}  # when the operator was told of a generation that failed for it
        self._proxy = proxy

    async def ask(self, path: str, *, method: str = "GET", query: Mapping[str, str] | None = None, limit: int = ANSWER_LIMIT) -> Any | None:
        """An idempotent call, with retries. Return the JSON, or None for 404. Raises `ProviderError`, but never `AnswerLost`."""
        return await self.repeat(lambda: self._ask_once(path, method, query, limit))

    async def repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        """Retry `call`, which must be idempotent, while it raises `ProviderBusy` without a long Retry-After."""
        began, attempt = time.monotonic(), 1
        while True:
            try:
                with structlog.contextvars.bound_contextvars(attempt=attempt):
                    return await call()
            except ProviderBusy as error:
                backoff_s = min(_RETRY_MAX_S, _RETRY_MIN_S * 2 ** (attempt - 1)) * random.uniform(1.0, 2.0)
                pause_s = backoff_s if error.retry_after_s is None else error.retry_after_s
                if attempt >= self._attempts or pause_s > _LONGEST_WAIT_S or time.monotonic() + pause_s - began > _RETRIES_S:
                    raise
            await asyncio.sleep(pause_s)
            attempt += 1

    async def probe(self, path: str, *, query: Mapping[str, str] | None = None) -> None:
        """Send one GET to check that the API is up; any response of the API will do. Raises `ProviderBusy` if it is down."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S), self._call("GET", path, timeout_s=_PROBE_TIMEOUT_S, params=query) as response:
                status = response.status
        except _CUT as error:
            raise machine.trouble_of(error) or ProviderBusy(_(BUSY)) from error
        if status >= _BAD_GATEWAY:
            raise ProviderBusy(_(BUSY))

    async def send(
        self,
        path: str,
        body: Mapping[str, Any] | aiohttp.FormData,
        *,
        timeout_s: float,
        limit: int = ANSWER_LIMIT,
        fresh: bool = False,
        alive: bool = False,
        prompt: str = "",
    ) -> Mapping[str, Any]:
        """POST JSON or a form, once. Raises `AnswerLost` if it may have been accepted, `ProviderBusy` only if it was not.

        `timeout_s`: the longest time without a byte. `alive`: as long as bytes come, the answer may take any time, which the caller limits.
        `fresh` uses a new connection. A pooled one may just have been closed by the server, which looks like a lost response.
        `prompt` is kept out of the log.
        """
        headers = {"Connection": "close"} if fresh else {}
        data: Any = body
        if not isinstance(body, aiohttp.FormData):
            headers["Content-Type"] = "application/json"
            data = io.BytesIO(await _dump(body))
        call = _Call(name=f"POST {path}")
        total_s = None if alive else timeout_s + _MORE_S
        try:
            async with self._call("POST", path, timeout_s=timeout_s, total_s=total_s, headers=headers, data=data) as response:
                answer = await self._read(response, limit)
        except ResponseTooLarge as error:
            raise self._failed(call, AnswerTooLarge(_(LOST), detail="the answer is too large")) from error
        except _CUT as error:
            unsent = machine.trouble_of(error) if isinstance(error, _NOT_SENT) else None
            raise unsent or self._failed(call, _of_connection(error)) from error
        if 200 <= answer.status < 300 and isinstance(answer.body, Mapping) and not self.has_error(answer.body):
            return answer.body
        raise self._failed(call, self.explain(answer, prompt=prompt), answer)

    @asynccontextmanager
    async def stream(self, path: str, *, silence_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Connect to an event stream and yield its bytes. Raises `ProviderBusy` when it ends, is cut, or is silent for `silence_s`."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=silence_s)
        # A proxy that compresses holds events back until it has enough of them.
        headers = self._headers | {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-store"}
        call = _Call(name=f"GET {path}")
        try:
            response = await self._session.get(self._url(path), headers=headers, timeout=timeout, allow_redirects=False, proxy=self._proxy)
        except _CUT as error:
            raise machine.trouble_of(error) or self._failed(call, ProviderBusy(_(_NO_STREAM), detail=_reason(error))) from error
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(response.close)
            if response.status != 200 or response.content_type != "text/event-stream":
                raise await self._no_stream(call, response)
            yield await stack.enter_async_context(contextlib.aclosing(_chunks(response)))

    def explain(self, answer: ApiResponse, *, prompt: str = "") -> ProviderError:
        """The exception for a response without what was asked for, by its code, status and words. The `prompt` is kept out of it."""
        if 200 <= answer.status < 300 and not isinstance(answer.body, Mapping):
            return AnswerLost(_(LOST), detail=detail_of(status=answer.status, meaning="an answer that can't be read"))
        return explain(judge(answer), answer, words=self.words(answer.words, prompt=prompt))

    def has_error(self, body: Mapping[str, Any]) -> bool:
        """Whether an answer of a status of success says that there is nothing, in place of what was asked for."""
        return has_error(body)

    def explain_failure(self, text: str) -> str:
        """A sentence for why a generation failed, from the image API's error text. What the operator must do is logged."""
        words = self.words(text)
        verdict = judge_words(text)
        if verdict in OPERATORS and time.monotonic() - self._told.get(verdict, -_TOLD_S) > _TOLD_S:
            self._told[verdict] = time.monotonic()
            log.critical("image API needs its operator", provider=self._name, reason=words, do=ACCOUNT_DO)
        return explain_failure(verdict, words=words)

    def words(self, text: str, *, prompt: str = "") -> str:
        """The service's words as they may be shown and logged."""
        if len(prompt) >= _SHORTEST_PROMPT:
            text = text.replace(prompt, "(prompt)")
        return redacted(text, secrets=self._secrets)

    async def _ask_once(self, path: str, method: str, query: Mapping[str, str] | None, limit: int) -> Any | None:
        call = _Call(name=f"{method} {path}")
        try:
            async with self._call(method, path, timeout_s=30, total_s=30 + _MORE_S, params=query) as response:
                answer = await self._read(response, limit, lean=True)
        except _CUT as error:
            raise machine.trouble_of(error) or self._failed(call, ProviderBusy(_(BUSY), detail=_reason(error))) from error
        if answer.status == 404:
            return None
        if answer.status < 300 and answer.body is not None and not _is_error(answer.body):
            return answer.body
        raise self._failed(call, self._explain_read(answer), answer)

    def _explain_read(self, answer: ApiResponse) -> ProviderError:
        """As `explain`, for a call that may be repeated whatever happened to it."""
        found = self.explain(answer)
        if not isinstance(found, AnswerLost):
            return found
        return ProviderBusy(_(UNREADABLE if answer.status < 300 else BUSY), detail=found.detail, retry_after_s=answer.retry_after_s)

    def _call(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        total_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=10, sock_read=timeout_s)
        all_headers = {**self._headers, **(headers or {})}
        return self._session.request(
            method, self._url(path), headers=all_headers, timeout=timeout, allow_redirects=False, proxy=self._proxy, **more
        )

    async def _read(self, response: aiohttp.ClientResponse, limit: int, *, lean: bool = False) -> ApiResponse:
        there = server_time(response.headers)
        if there is not None:
            self.clock_ahead_s = there - steady() / 1000
        return await read_answer(response, limit, lean=lean)

    async def _no_stream(self, call: _Call, response: aiohttp.ClientResponse) -> ProviderError:
        try:
            answer = await self._read(response, _ERROR_LIMIT)
        except _CUT as error:
            return self._failed(call, ProviderBusy(_(_NO_STREAM), detail=_reason(error)))
        found = self.explain(answer)
        is_kept = isinstance(found, ProviderAccount | ProviderBusy)
        return self._failed(call, found if is_kept else ProviderBusy(_(_NO_STREAM), detail=found.detail), answer)

    def _failed(self, call: _Call, error: ProviderError, answer: ApiResponse | None = None) -> ProviderError:
        """Log a failed call, once, and return its error. The context of the log has the job and the attempt."""
        log.warning(
            "image API call failed",
            provider=self._name,
            call=call.name,
            status=answer.status if answer else None,
            reason=error.detail,
            request_id=answer.request_id or None if answer else None,
            seconds=round(time.monotonic() - call.began, 2),
        )
        return error

    def _url(self, path: str) -> URL:
        return URL(self._base_url + path, encoded=True)


def _of_connection(error: BaseException) -> ProviderError:
    """The exception for a paid call without an answer: only one that was certainly not sent is busy."""
    if isinstance(error, aiohttp.ClientHttpProxyError):  # the proxy did not open a connection to the API
        refused = error.status in {401, 403, 407}
        detail = detail_of(status=error.status, meaning="the proxy in HTTPS_PROXY refuses the connection")
        return ProxyRefused(_(UNAVAILABLE), detail=detail) if refused else ProviderBusy(_(BUSY), detail=detail)
    if isinstance(error, _NOT_SENT):
        return ProviderBusy(_(BUSY), detail=_reason(error))
    return AnswerLost(_(LOST), detail=_reason(error))


def _reason(error: BaseException) -> str:
    """Why there is no answer. The exception's own text names hosts."""
    kind = "no connection" if isinstance(error, _NOT_SENT) else "no answer in time" if isinstance(error, TimeoutError) else "cut"
    return f"{kind} ({type(error).__name__})"


def _is_error(body: object) -> bool:
    return isinstance(body, Mapping) and bool(body.get("error")) and has_error(body)


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except _CUT as error:
        raise machine.trouble_of(error) or ProviderBusy(_(_NO_STREAM), detail=_reason(error)) from error
    raise ProviderBusy(_(_NO_STREAM), detail="it ended")


async def _dump(body: Mapping[str, Any]) -> bytes:
    if _weight(body.values()) < _WRITTEN_OFF_LOOP:
        return json.dumps(body).encode()
    return await machine.in_thread(lambda: json.dumps(body).encode())


def _weight(values: Iterable[object]) -> int:
    """The number of characters, without copying images of many megabytes."""
    total = 0
    for value in values:
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, list | Mapping):
            total += _weight(value.values() if isinstance(value, Mapping) else value)
    return total
