"""The bot's metrics, and the page that Prometheus reads them from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from prometheus_client import Counter, Gauge, start_http_server

from bot.core.errors import StartError


class Submitted(StrEnum):
    """What came of asking an image API for an image: the values of the label `outcome`."""

    ACCEPTED = "accepted"  # it queued it
    MADE = "made"  # it made it while we waited
    REFUSED = "refused"  # it read the request and said no
    BUSY = "busy"  # it did not take it: rate limit, overload, no connection
    LOST = "lost"  # it may have taken it
    ACCOUNT = "account"  # it refuses the operator's account, or this model to it


PROVIDER_UP: Final = Gauge("easel_provider_up", "1 while an image API answers, 0 while it does not.", ["provider"])
SUBMISSIONS: Final = Counter("easel_submissions", "Pictures that an image API was asked for.", ["provider", "outcome"])  # ..._total
OUTBOX: Final = Counter("easel_outbox", "What was owed to Discord, by what came of each try.", ["kind", "outcome"])  # ..._total


@contextmanager
def serve(port: int, host: str) -> Iterator[None]:
    """The page at http://host:port/metrics, in a thread of its own; none for port 0. Raise `StartError` where it cannot be.

    Leaving takes up to half a second and does not await: enter it around the event loop, not within.
    """
    if port == 0:
        yield
        return
    try:
        server, thread = start_http_server(port, addr=host)
    except OSError as error:
        raise StartError(f"METRICS_PORT cannot be used: {error.strerror or type(error).__name__} at {host}:{port}.") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
