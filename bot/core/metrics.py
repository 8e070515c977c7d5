"""Prometheus metrics, and the HTTP page that serves them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from prometheus_client import Counter, Gauge, start_http_server

from bot.core.errors import StartError


class Submitted(StrEnum):
    """Result of a submission to an image API: the values of the label `outcome`."""

    ACCEPTED = "accepted"  # queued
    MADE = "made"  # the response contained the image
    REFUSED = "refused"  # the request was rejected
    BUSY = "busy"  # not accepted: rate limit, overload, no connection
    LOST = "lost"  # no response: it may have been accepted
    ACCOUNT = "account"  # the operator's account, or this model for it, is refused


PROVIDER_UP: Final = Gauge("easel_provider_up", "1 while an image API is available, 0 while it is not.", ["provider"])
SUBMISSIONS: Final = Counter("easel_submissions", "Images requested from an image API.", ["provider", "outcome"])  # ..._total
BILLED_USD: Final = Counter("easel_billed_usd", "US dollars that an image API charged.", ["provider"])  # ..._total
COUNTED_USD: Final = Counter("easel_counted_usd", "US dollars that were counted for the same images before.", ["provider"])  # ..._total
OUTBOX: Final = Counter("easel_outbox", "Attempts to send outbox items to Discord.", ["kind", "outcome"])  # ..._total


@contextmanager
def serve(port: int, host: str) -> Iterator[None]:
    """Serve http://host:port/metrics in a thread; no page for port 0. Raises `StartError` if the port cannot be used.

    Leaving the context blocks for up to half a second: use it outside the event loop.
    """
    if port == 0:
        yield
        return
    try:
        server, thread = start_http_server(port, addr=host)
    except OSError as error:
        raise StartError(
            f"METRICS_PORT cannot be used: {error.strerror or type(error).__name__} at {host}:{port}; choose another, or 0."
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
