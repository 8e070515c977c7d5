"""Reads an image API's answer: JSON, or server-sent events, within a limit of bytes; and the words in an error body."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from bot.core.lean_json import LeanJson
from bot.core.retry_after import read_wait
from bot.core.running import machine
from bot.core.storable import all_storable
from bot.providers.sse import Decoder, ServerEvent

ANSWER_LIMIT: Final = 16 * 1024 * 1024  # bytes of an answer without an image
_RECEIVED_LIMIT: Final = 256 * 1024 * 1024  # bytes of a response of which long texts are dropped
_PARSED_OFF_LOOP: Final = 32 * 1024  # bytes above which JSON is parsed in a thread
_VALUES_MAX: Final = 300_000  # of an answer: parsing holds the interpreter, and so the loop, also from a thread
_REQUEST_IDS: Final = ("x-request-id", "request-id", "x-requestid", "apim-request-id", "x-amzn-requestid", "x-trace-id", "cf-ray")
_ESCAPES: Final = re.compile(rb"\\u(?:0000|d[89a-f])", re.IGNORECASE)  # of what `all_storable` changes
_PAGE_WORDS: Final = 4_000
_EVENTS: Final = "text/event-stream"
_ENDS: Final = ("completed", "complete", "done", "final")  # of an event's type, such as `image_generation.completed`


@dataclass(frozen=True, kw_only=True)
class ApiResponse:
    """A complete response."""

    status: int
    body: Any  # parsed JSON; None if it is not JSON
    retry_after_s: float | None = None
    request_id: str = ""  # the service's own, for its support
    text: str = field(default="", repr=False)  # the beginning of a body that is not JSON
    is_page: bool = False  # HTML: of a proxy, a firewall or a web server, and not of the API

    @property
    def words(self) -> str:
        """What the answer says about an error, as it is; "" if it says nothing."""
        return error_text(self.body) or ("" if self.is_page else self.text)


class ResponseTooLarge(aiohttp.ClientPayloadError):
    """The body is larger than the caller's limit."""


async def read_answer(response: aiohttp.ClientResponse, limit: int, *, lean: bool = False) -> ApiResponse:
    """Read the response. A malformed body becomes None. `lean`: long texts become empty and do not count towards the limit.

    Raises `ResponseTooLarge` for one over `limit` bytes, and `aiohttp.ClientPayloadError` for one that is cut.
    """
    if response.content_type == _EVENTS:
        body, content = await _read_events(response, limit), bytearray()
    else:
        content = await _read_bytes(response, limit, lean=lean)
        body = await machine.patiently(_load, content) if len(content) > _PARSED_OFF_LOOP else _load(content)
    text = "" if body is not None else content[:_PAGE_WORDS].decode("utf-8", "replace").strip()
    return ApiResponse(
        status=response.status,
        body=body,
        retry_after_s=read_wait(response.headers, body, error_text(body) or text),
        request_id=next((found for name in _REQUEST_IDS if (found := _plain(response.headers.get(name, "")))), ""),
        text=text,
        is_page=body is None and ("html" in response.content_type or text[:1] == "<"),
    )


def error_text(body: object) -> str:
    """The message in an error body of any documented form; empty if there is none."""
    return ": ".join(dict.fromkeys(_texts(body)))


def error_parts(body: object) -> Iterator[Mapping[str, Any]]:
    """The objects in which an error body says what is wrong, the innermost first."""
    if isinstance(body, list) and body:  # some servers send a list of one error
        body = body[0]
    if not isinstance(body, Mapping):
        return
    for name in ("error", "errors", "detail"):
        value = body.get(name)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                yield from error_parts({"error": each.get("inner_error") or each.get("innererror")})
                yield each
    yield body


def _texts(body: object) -> Iterator[str]:
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, Mapping):
        return
    error = body.get("error")
    found = list(_texts_of(error))
    for name in () if found else ("message", "msg", "title", "detail", "errors", "error_description"):
        found += _texts_of(body.get(name))
    yield from found or _texts_of(body.get("status_message"))


def _texts_of(value: object, depth: int = 4) -> Iterator[str]:
    """The words of a text, of an object with a message, of one with a list for each field, or of a list of these."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list) and depth:
        for each in value[:5]:
            yield from _texts_of(each, depth - 1)
    elif isinstance(value, Mapping) and depth:
        named = [text for name in ("message", "msg", "title", "detail") for text in _texts_of(value.get(name), depth - 1)]
        lists = [each for each in list(value.values())[:5] if isinstance(each, list)]
        yield from named or (text for each in lists for text in _texts_of(each, depth - 1))


def _plain(request_id: str) -> str:
    return request_id if re.fullmatch(r"[\w.:+/=-]{1,100}", request_id, re.ASCII) else ""


async def _read_bytes(response: aiohttp.ClientResponse, limit: int, *, lean: bool) -> bytearray:
    content, received = bytearray(), 0
    filtered = LeanJson().feed if lean else bytes
    async for chunk in response.content.iter_any():
        received += len(chunk)
        content += filtered(chunk)
        if len(content) > limit or received > max(limit, _RECEIVED_LIMIT):
            raise ResponseTooLarge("the response is too large")
    return content


async def _read_events(response: aiohttp.ClientResponse, limit: int) -> Any | None:
    """The answer in a stream of events: that of the last complete image, or an error; None if the stream ends without one.

    Source: https://platform.openai.com/docs/api-reference/images-streaming
    """
    decoder, total = Decoder(max_event_bytes=limit), 0
    async for chunk in response.content.iter_any():
        total += len(chunk)
        if total > 4 * limit:  # drafts of the image come before it
            raise ResponseTooLarge("the response is too large")
        for event in decoder.feed(chunk):
            body = await _answer_in(event)
            if body is not None:
                return body
    return None


async def _answer_in(event: ServerEvent) -> Any | None:
    if event.data == "[DONE]":
        return None
    data = event.data.encode()
    body = await machine.patiently(_load, data) if len(data) > _PARSED_OFF_LOOP else _load(data)
    if not isinstance(body, Mapping):
        return None
    kind = str(body.get("type") or event.type)
    if "data" in body or body.get("error") or kind == "error":
        return body if "data" in body or body.get("error") else {"error": body}
    has_image = any(isinstance(body.get(name), str) for name in ("b64_json", "url"))
    return {"data": [body]} if has_image and (kind.endswith(_ENDS) or kind == "message") else None


def _load(content: bytes | bytearray) -> Any | None:
    if sum(map(content.count, (b",", b"[", b"{"))) > _VALUES_MAX:
        return None
    try:
        body = json.loads(content, parse_float=_finite, parse_constant=_finite)
        return all_storable(body) if _ESCAPES.search(content) else body
    except (ValueError, RecursionError):
        return None


def _finite(number: str) -> float | None:
    """Infinity and NaN are no JSON, and no database stores them as such."""
    return found if math.isfinite(found := float(number)) else None
