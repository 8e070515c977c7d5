"""HTTP calls to an image API: retries, interpretation of responses, and error sentences that are safe to show."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp
import stamina
from yarl import URL

from bot.core.errors import AnswerLost, ProviderAccount, ProviderBusy, ProviderError, ProviderRefused
from bot.core.i18n import N_, _
from bot.core.retry_after import read_retry_after

T = TypeVar("T")

ANSWER_LIMIT: Final = 16 * 1024 * 1024  # bytes of a response without an image
_WRITTEN_OFF_LOOP: Final = 256 * 1024  # bytes of JSON above which it is written in a thread
_PARSED_OFF_LOOP: Final = 32 * 1024  # the same for parsing, which may take fifty times as long
_VALUES_MAX: Final = 300_000  # of an answer: parsing holds the interpreter, and so the loop, also from a thread
_ERROR_LIMIT: Final = 64 * 1024  # bytes of an error body
_PROBE_TIMEOUT_S: Final = 10.0
_BAD_GATEWAY: Final = 502  # this status and higher ones are sent by a gateway that cannot reach the API (RFC 9110, section 15.6)
_LONGEST_WAIT_S: Final = 5.0  # a retry with a longer wait is left to the caller

_BUSY: Final = N_("The image service is busy or unavailable. Easel will try again.")
_ACCOUNT: Final = N_("The image service isn't available right now. The bot's operator needs to check the account.")
NO_CREDIT: Final = N_("The image service isn't available right now. The bot's operator needs to top up the account.")
UNREADABLE: Final = N_("The image service sent an answer that can't be read. Easel will try again.")
_LOST: Final = N_("The image service took the request and didn't answer.")
_NO_STREAM: Final = N_("The image service's event stream was interrupted. Easel will reconnect.")
_UNREAD: Final = N_("The image service couldn't read a reference image.")
_REFUSED: Final = N_("The image service refused this request.")
_REFUSED_FOR: Final = N_("The image service refused this request: {words}.")
_FAILED: Final = N_("The image service couldn't create this image.")
_FAILED_FOR: Final = N_("The image service couldn't create this image: {words}.")
_LINK: Final = re.compile(r"""\b(?:https?|data|wss?):[^\s"'<>]+""", re.IGNORECASE)

# Phrases in error texts, with the exception and the sentence that they lead to. The first match counts.
_KNOWN: Final[tuple[tuple[str, type[ProviderError], str], ...]] = (
    ("insufficient credits", ProviderAccount, NO_CREDIT),
    ("unauthenticated", ProviderAccount, _ACCOUNT),
    ("client error: forbidden for url", ProviderRefused, _UNREAD),
    ("client error: not found for url", ProviderRefused, _UNREAD),
)


@dataclass(frozen=True, kw_only=True)
class ApiResponse:
    """A complete response."""

    status: int
    retry_after_s: float | None
    body: Any  # parsed JSON; None if it is not JSON


class Api:
    """An HTTP client for one base URL. Redirects are not followed, so that the key is sent to no other host."""

    def __init__(self, *, session: aiohttp.ClientSession, base_url: str, api_key: str, attempts: int = 3) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        self._secret = api_key
        self._attempts = attempts

    async def ask(self, path: str, *, method: str = "GET", query: Mapping[str, str] | None = None, limit: int = ANSWER_LIMIT) -> Any | None:
        """An idempotent call, with retries. Return the JSON, or None for 404. Raises `ProviderError`, but never `AnswerLost`."""
        return await self.repeat(lambda: self._ask_once(path, method, query, limit))

    async def repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        """Retry `call`, which must be idempotent, while it raises `ProviderBusy` without a long Retry-After."""
        async for attempt in stamina.retry_context(
            on=_is_retryable, attempts=self._attempts, timeout=30.0, wait_initial=0.2, wait_max=2.0, wait_jitter=0.2
        ):
            with attempt:
                return await call()
        raise AssertionError("the retries ended without an outcome")

    async def probe(self, path: str, *, query: Mapping[str, str] | None = None) -> None:
        """Send one GET to check that the API is up; any response of the API will do. Raises `ProviderBusy` if it is down."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S), self._call("GET", path, timeout_s=_PROBE_TIMEOUT_S, params=query) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderBusy(_(_BUSY)) from error
        if status >= _BAD_GATEWAY:
            raise ProviderBusy(_(_BUSY))

    async def send(
        self,
        path: str,
        body: Mapping[str, Any] | aiohttp.FormData,
        *,
        timeout_s: float,
        limit: int = ANSWER_LIMIT,
        fresh: bool = False,
    ) -> Any:
        """POST JSON or a form, once. Raises `AnswerLost` if it may have been accepted, `ProviderBusy` only if it was not.

        `fresh` uses a new connection. A pooled one may just have been closed by the server, which looks like a lost response.
        """
        headers = {"Connection": "close"} if fresh else {}
        data: Any = body
        if not isinstance(body, aiohttp.FormData):
            headers["Content-Type"] = "application/json"
            data = io.BytesIO(await _dump(body))
        try:
            async with self._call("POST", path, timeout_s=timeout_s, headers=headers, data=data) as response:
                answer = await _read(response, limit)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:  # nothing was sent
            raise ProviderBusy(_(_BUSY)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AnswerLost(_(_LOST)) from error
        if _from_a_gateway(answer):
            raise AnswerLost(_(_LOST))
        if answer.status >= 300:
            raise self.explain(answer)
        if not isinstance(answer.body, Mapping):
            raise AnswerLost(_(_LOST))
        return answer.body

    @asynccontextmanager
    async def stream(self, path: str, *, silence_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Connect to an event stream and yield its bytes. Raises `ProviderBusy` when it ends, is cut, or is silent for `silence_s`."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=silence_s)
        headers = self._headers | {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        try:
            response = await self._session.get(self._url(path), headers=headers, timeout=timeout, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderBusy(_(_NO_STREAM)) from error
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(response.close)
            if response.status != 200 or response.content_type != "text/event-stream":
                raise await self._no_stream(response)
            yield await stack.enter_async_context(contextlib.aclosing(_chunks(response)))

    def explain(self, answer: ApiResponse) -> ProviderError:
        """The exception for a response, by its text and status."""
        text = error_text(answer.body)
        for phrase, kind, sentence in _KNOWN:
            if phrase in text.casefold():
                return kind(_(sentence))
        if answer.status in {401, 402, 403}:
            return ProviderAccount(_(_ACCOUNT))
        if 300 <= answer.status < 400:
            return ProviderAccount(_("The image service isn't available right now. The bot's operator needs to check its address."))
        if answer.status in {408, 425, 429} or answer.status >= 500:
            return ProviderBusy(_(_BUSY), retry_after_s=answer.retry_after_s)
        return ProviderRefused(self.with_reason(text, _(_REFUSED_FOR), _(_REFUSED)))

    def explain_failure(self, text: str) -> str:
        """A sentence for why a generation failed, from the image API's error text."""
        known = next((sentence for phrase, _kind, sentence in _KNOWN if phrase in text.casefold()), None)
        return _(known) if known else self.with_reason(text, _(_FAILED_FOR), _(_FAILED))

    def with_reason(self, text: str, sentence: str, without: str) -> str:
        """`sentence` with `text` as its {words}, on one line, without links and the key; `without` if `text` is empty."""
        words = _LINK.sub("(link)", text.replace(self._secret, "(key)") if self._secret else text)
        words = " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())
        return sentence.format(words=words[:200].rstrip(" .")) if words else without

    async def _ask_once(self, path: str, method: str, query: Mapping[str, str] | None, limit: int) -> Any | None:
        try:
            async with self._call(method, path, timeout_s=30, params=query) as response:
                answer = await _read(response, limit)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderBusy(_(_BUSY)) from error
        if answer.status == 404:
            return None
        if answer.status >= 300:
            raise self.explain(answer)
        if answer.body is None:
            raise ProviderBusy(_(UNREADABLE))
        return answer.body

    def _call(
        self, method: str, path: str, *, timeout_s: float, headers: Mapping[str, str] | None = None, **more: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=timeout_s + 20, sock_connect=10, sock_read=timeout_s)
        all_headers = {**self._headers, **(headers or {})}
        return self._session.request(method, self._url(path), headers=all_headers, timeout=timeout, allow_redirects=False, **more)

    async def _no_stream(self, response: aiohttp.ClientResponse) -> ProviderError:
        try:
            error = self.explain(await _read(response, _ERROR_LIMIT))
        except (aiohttp.ClientError, TimeoutError, OSError):
            return ProviderBusy(_(_NO_STREAM))
        return error if isinstance(error, ProviderAccount | ProviderBusy) else ProviderBusy(_(_NO_STREAM))

    def _url(self, path: str) -> URL:
        return URL(self._base_url + path, encoded=True)


def error_text(body: object) -> str:
    """The message in an error body of any documented form; empty if there is none."""
    if not isinstance(body, Mapping):
        return ""
    error = body.get("error")
    parts = error if isinstance(error, Mapping) else {"message": error}
    words = [parts.get(name) for name in ("message", "title", "detail")]
    found = [word for word in words if isinstance(word, str) and word]
    fallback = body.get("status_message")
    return ": ".join(dict.fromkeys(found)) or (fallback if isinstance(fallback, str) else "")


def _is_retryable(error: Exception) -> bool | float:
    """For stamina: whether to retry, or the seconds to wait if the image API sent Retry-After."""
    if not isinstance(error, ProviderBusy):
        return False
    if error.retry_after_s is None:
        return True
    return error.retry_after_s if error.retry_after_s <= _LONGEST_WAIT_S else False


def _from_a_gateway(answer: ApiResponse) -> bool:
    """Whether a 5xx was sent by a gateway: the image API behind it may have accepted the request."""
    return answer.status >= 500 and answer.status != 503 and (answer.status in {502, 504} or not error_text(answer.body))


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ProviderBusy(_(_NO_STREAM)) from error
    raise ProviderBusy(_(_NO_STREAM))


async def _dump(body: Mapping[str, Any]) -> bytes:
    if _weight(body.values()) < _WRITTEN_OFF_LOOP:
        return json.dumps(body).encode()
    return await asyncio.to_thread(lambda: json.dumps(body).encode())


def _weight(values: Iterable[object]) -> int:
    """The number of characters, without copying images of many megabytes."""
    total = 0
    for value in values:
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, list | Mapping):
            total += _weight(value.values() if isinstance(value, Mapping) else value)
    return total


async def _read(response: aiohttp.ClientResponse, limit: int) -> ApiResponse:
    """Read the response. A malformed body becomes None; one over `limit` bytes counts as truncated."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit:
            raise aiohttp.ClientPayloadError("the response is too large")
    body = await asyncio.to_thread(_load, content) if len(content) > _PARSED_OFF_LOOP else _load(content)
    return ApiResponse(status=response.status, retry_after_s=read_retry_after(response.headers.get("Retry-After")), body=body)


def _load(content: bytearray) -> Any | None:
    if sum(map(content.count, (b",", b"[", b"{"))) > _VALUES_MAX:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
