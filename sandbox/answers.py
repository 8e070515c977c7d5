"""Answers of real image APIs to a call that makes an image, each under the name of its fault. Collected from public reports."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aiohttp import web
from PIL import Image

if TYPE_CHECKING:
    from sandbox.faults import Switchboard

PAGE = "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
LEAKED_KEY, LEAKED_HOST = "sk-proj-Zm9vYmFyYmF6cXV4", "internal-gpu-7.example:8443"
BLACK = "(a black image)"


@dataclass(frozen=True, kw_only=True)
class CannedAnswer:
    """What is sent in place of the real answer. `made`: only after the image is made and charged."""

    meaning: str
    status: int
    body: Mapping[str, Any] | str  # JSON, or the title of a page
    headers: Mapping[str, str] = field(default_factory=dict)
    made: bool = False

    def response(self) -> web.Response:
        headers = {"x-request-id": "req-4711", **self.headers}
        if isinstance(self.body, str):
            return web.Response(text=PAGE.format(title=self.body), content_type="text/html", status=self.status, headers=headers)
        return web.json_response(self._with_image, status=self.status, headers=headers)

    @cached_property
    def _with_image(self) -> Any:
        rows = self.body.get("data") if isinstance(self.body, Mapping) else None
        return {**self.body, "data": [_with_black(row) for row in rows]} if isinstance(self.body, Mapping) and rows else self.body


def _with_black(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if row.get("b64_json") != BLACK:
        return row
    content = io.BytesIO()
    Image.new("RGB", (64, 64)).save(content, "PNG")
    return {**row, "b64_json": base64.b64encode(content.getvalue()).decode()}


def _made(meaning: str, status: int, body: Mapping[str, Any] | str, **headers: str) -> CannedAnswer:
    told = f"The image is made and charged; the answer is {meaning}."
    return CannedAnswer(meaning=told, status=status, body=body, headers=headers, made=True)


def _not_made(meaning: str, status: int, body: Mapping[str, Any] | str, **headers: str) -> CannedAnswer:
    return CannedAnswer(meaning=f"Nothing is made; the answer is {meaning}.", status=status, body=body, headers=headers)


def _error(message: str, **more: Any) -> Mapping[str, Any]:
    return {"error": {"message": message, **more}}


ANSWERS: Mapping[str, CannedAnswer] = {
    "answer-408": _made("408 with words", 408, _error("Request timed out", type=None, code="408")),
    "answer-409": _made("409 with words", 409, _error("Conflict")),
    "answer-425": _made("425 with words", 425, _error("Too early")),
    "answer-500": _made("500 with words", 500, _error("CUDA out of memory")),
    "answer-502": _made("a gateway's page with 502", 502, "502 Bad Gateway"),
    "answer-504": _made("504 with words about a limit", 504, _error("upstream timed out: rate limit exceeded")),
    "answer-520": _made("a gateway's page with 520", 520, "520: Web server is returning an unknown error"),
    "answer-page": _made("a page with 200", 200, "Welcome"),
    "answer-303": _made("a redirect with 303", 303, {}),
    "refused-by-code": _not_made(
        "500 with the code of a content refusal", 500, _error("rejected as a result of our safety system", code="content_policy_violation")
    ),
    "refused-by-mark": _not_made(
        "200 with respect_moderation: false", 200, {"data": [{"url": "", "b64_json": None, "respect_moderation": False}]}
    ),
    "refused-by-finish": _not_made("200 with finish_reason: CONTENT_FILTERED", 200, {"artifacts": [{"finish_reason": "CONTENT_FILTERED"}]}),
    "refused-by-filter": _not_made(
        "400 with results of a content filter",
        400,
        _error("The request failed", innererror={"content_filter_results": {"sexual": {"filtered": True, "severity": "high"}}}),
    ),
    "refused-black": _not_made(
        "a black image beside has_nsfw_concepts", 200, {"data": [{"b64_json": BLACK}], "has_nsfw_concepts": [True], "censored": True}
    ),
    "refused-at-top": _not_made(
        "400 with its reason at the top level", 400, {"code": 20012, "message": "Side length must be divisible by 64.", "data": None}
    ),
    "refused-in-list": _not_made("422 with a list of errors", 422, {"errors": [{"message": "Side length must be divisible by 64."}]}),
    "account-blocked": _not_made(
        "403 that blocks the account",
        403,
        _error(
            "Your resource has been temporarily blocked because we detected behavior that may violate our content policy.", code="Forbidden"
        ),
    ),
    "address-wrong": _not_made("404 of a wrong address", 404, _error("File Not Found")),
    "firewall": _not_made("a firewall's page with 403", 403, "Attention Required!"),
    "limit-inside": _not_made("200 with a rate limit inside", 200, _error("Rate limit exceeded, try again in 50 ms", code=429)),
    "limit-spoken": _not_made("429 with its time in the words", 429, _error("Rate limit reached. Please try again in 50ms.")),
    "limit-ms": _not_made("429 with retry-after-ms", 429, _error("Slow down."), **{"retry-after-ms": "50"}),
    "limit-of-a-day": _not_made("429 for half a day", 429, _error("Daily image limit reached"), **{"Retry-After": "43200"}),
    "closed-for-a-day": _not_made("503 for half a day", 503, _error("Maintenance"), **{"Retry-After": "43200"}),
    "words-leak": _not_made("400 with a key and a host in its words", 400, _error(f"Received api_key={LEAKED_KEY} api_base={LEAKED_HOST}")),
}


def canned_answer(switchboard: Switchboard, *, made: bool) -> web.Response | None:
    """The answer of the first fault that is on and comes at this moment."""
    return next((answer.response() for name, answer in ANSWERS.items() if answer.made is made and switchboard.fires(name)), None)
