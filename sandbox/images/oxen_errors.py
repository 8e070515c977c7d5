"""The error bodies of the contract, and the refusal that becomes one."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from aiohttp import web


class Kind(StrEnum):
    """The documented error types."""

    UNAUTHENTICATED = "unauthenticated"  # the key is missing or wrong
    INVALID_PARAMS = "invalid_params"  # the request is at fault
    NOT_FOUND = "resource_not_found"  # no such model, or no such generation of this account
    UNKNOWN = "unknown_error"  # the provider is at fault


TITLES = {
    Kind.UNAUTHENTICATED: "Authentication is required",
    Kind.INVALID_PARAMS: "Invalid parameters",
    Kind.NOT_FOUND: "Resource not found",
    Kind.UNKNOWN: "Something went wrong",
}


class Refusal(Exception):
    """A request that is answered with an error; `sentence` goes into the body."""

    def __init__(self, status: int, kind: Kind, sentence: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.sentence = sentence
        self.retry_after_s = retry_after_s


def error_body(kind: Kind, sentence: str) -> dict[str, Any]:
    """The long shape: `{"error": {"type", "title", "detail"}, "status": "error", "status_message"}`."""
    return {"error": {"type": kind, "title": TITLES[kind], "detail": sentence}, "status": "error", "status_message": kind}


def short_body(sentence: str) -> dict[str, Any]:
    """The short shape: `{"error": {"message"}}`."""
    return {"error": {"message": sentence}}


def refuse(refusal: Refusal) -> web.Response:
    """Both documented shapes occur: the request's own faults come in the short one, everything else in the long one."""
    body = short_body(refusal.sentence) if refusal.kind is Kind.INVALID_PARAMS else error_body(refusal.kind, refusal.sentence)
    headers = {} if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
    return web.json_response(body, status=refusal.status, headers=headers)


def bare_unauthenticated() -> web.Response:
    """The 401 without an error object, as one of the documents shows it."""
    return web.json_response({"status": "error", "status_message": Kind.UNAUTHENTICATED}, status=401)
