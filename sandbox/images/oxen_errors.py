"""The error bodies of Oxen's contract, and the exception that produces them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from aiohttp import web


class OxenErrorType(StrEnum):
    """The documented error types."""

    UNAUTHENTICATED = "unauthenticated"  # the key is missing or wrong
    INVALID_PARAMS = "invalid_params"  # the request is at fault
    NOT_FOUND = "resource_not_found"  # no such model, or no such generation of this account
    UNKNOWN = "unknown_error"  # the provider is at fault


TITLES = {
    OxenErrorType.UNAUTHENTICATED: "Authentication is required",
    OxenErrorType.INVALID_PARAMS: "Invalid parameters",
    OxenErrorType.NOT_FOUND: "Resource not found",
    OxenErrorType.UNKNOWN: "Something went wrong",
}


class OxenApiError(Exception):
    """A request that is answered with an error; `sentence` is in the body."""

    def __init__(self, status: int, kind: OxenErrorType, sentence: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.sentence = sentence
        self.retry_after_s = retry_after_s


def error_body(kind: OxenErrorType, sentence: str) -> dict[str, Any]:
    """The long shape: `{"error": {"type", "title", "detail"}, "status": "error", "status_message"}`."""
    return {"error": {"type": kind, "title": TITLES[kind], "detail": sentence}, "status": "error", "status_message": kind}


def short_body(sentence: str) -> dict[str, Any]:
    """The short shape: `{"error": {"message"}}`."""
    return {"error": {"message": sentence}}


def error_response(error: OxenApiError) -> web.Response:
    """Invalid parameters are answered in the short shape, everything else in the long one; both are documented."""
    body = short_body(error.sentence) if error.kind is OxenErrorType.INVALID_PARAMS else error_body(error.kind, error.sentence)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return web.json_response(body, status=error.status, headers=headers)


def bare_unauthenticated() -> web.Response:
    """The 401 without an error object, as in one of the documents."""
    return web.json_response({"status": "error", "status_message": OxenErrorType.UNAUTHENTICATED}, status=401)
