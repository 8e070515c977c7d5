"""Parses calls to the HTTP API and builds their answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import BodyPartReader, web

from sandbox.discord.wire import JSON, REQUEST_LIMIT_BYTES, UPLOAD_LIMIT_BYTES, DiscordApiError, Upload, invalid_form, too_large

_VERSION = re.compile(r"^/api(/v\d+)?")
_FILE_PART = re.compile(r"^files\[(\d+)\]$")
# Creating or changing a message, through a channel or a webhook. First answers to interactions do not count.
_MESSAGE_CALL = re.compile(
    r"POST /channels/\d+/messages|PATCH /channels/\d+/messages/\d+|POST /webhooks/\d+/[^/]+|PATCH /webhooks/\d+/[^/]+/messages/[^/]+"
)
_UPDATE = 7  # the first answer that changes the message whose control was used
_FIRST_ANSWER = re.compile(r"POST /interactions/\d+/[^/]+/callback")


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    method: str
    path: str  # below /api/v10, still percent-encoded
    params: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: Any = None
    files: list[Upload] = field(default_factory=list)

    @property
    def line(self) -> str:
        """Method and path, in the form of the routes."""
        return f"{self.method} {self.path}"

    @property
    def is_message_call(self) -> bool:
        return _MESSAGE_CALL.fullmatch(self.line) is not None

    @property
    def is_first_answer(self) -> bool:
        return _FIRST_ANSWER.fullmatch(self.line) is not None

    @property
    def fields(self) -> JSON:
        return self.body if isinstance(self.body, dict) else {}

    @property
    def message(self) -> JSON:
        """The message that the call creates or changes."""
        data = self.fields.get("data") if self.is_first_answer else self.fields
        return data or {}

    @property
    def is_edit(self) -> bool:
        """Whether it changes a message that is there."""
        return self.method == "PATCH" or (self.is_first_answer and self.fields.get("type") == _UPDATE)

    @property
    def reason(self) -> str | None:
        return self.headers.get("x-audit-log-reason")


@dataclass(frozen=True, kw_only=True)
class RefusedCall:
    """A call that was answered 401, 403, 404 or 429."""

    status: int
    line: str  # method and path
    message_id: int | None  # that it was about


async def read_call(request: web.Request) -> ApiCall:
    """Read a whole request. Raises `DiscordApiError` for a body that is not JSON, or files over the limits."""
    body, files = None, list[Upload]()
    if request.content_type == "multipart/form-data":
        body, files = await _read_form(request)
    elif request.can_read_body:
        body = _parse(await request.read())
    return ApiCall(
        method=request.method,
        path=_VERSION.sub("", request.rel_url.raw_path).rstrip("/"),
        params=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        files=files,
    )


async def _read_form(request: web.Request) -> tuple[Any, list[Upload]]:
    """`payload_json` and `files[n]`; descriptions are in the payload's `attachments` under the same n."""
    body: Any = {}
    found: dict[int, Upload] = {}
    oversized, total_bytes = False, 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise invalid_form("nested multipart")
        data = await part.read()
        numbered = _FILE_PART.match(part.name or "")
        if part.name == "payload_json":
            body = _parse(bytes(data))
        elif numbered:
            content_type = part.headers.get("Content-Type", "application/octet-stream")
            found[int(numbered[1])] = Upload(filename=part.filename or "unknown", data=bytes(data), content_type=content_type)
            total_bytes += len(data)
            oversized = oversized or len(data) > UPLOAD_LIMIT_BYTES or total_bytes > REQUEST_LIMIT_BYTES
    if oversized:  # raised only now, because a client that is still sending would see a broken connection instead of the answer
        raise too_large()
    return body, _described(found, body)


def _described(found: dict[int, Upload], body: Any) -> list[Upload]:
    message = body.get("data") if isinstance(body, dict) and isinstance(body.get("data"), dict) else body
    notes = (message.get("attachments") or []) if isinstance(message, dict) else []
    descriptions = {str(note.get("id")): note.get("description") for note in notes if isinstance(note, dict)}
    return [replace(upload, description=descriptions.get(str(n))) for n, upload in sorted(found.items())]


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        raise DiscordApiError(400, 50109, "The request body contains invalid JSON.") from None


def answer(payload: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response, or 204 without a payload. The content type has no charset because clients compare it exactly."""
    if payload is None and status == 200:
        return web.Response(status=204, headers=headers)
    body = json.dumps(payload).encode()
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json", **(headers or {})})


def error_answer(error: DiscordApiError) -> web.Response:
    return answer(error.body, status=error.status, headers=error.headers)
