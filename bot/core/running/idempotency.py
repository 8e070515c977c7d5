"""The key of the request that is being handled: Discord may deliver one twice, also to the next run of the bot.

Every write of a handler stores its key in the same transaction (`bot.store.engine.request_keys`). A handler whose key an earlier delivery
has stored ends with `AlreadyDone` before it has changed anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


class AlreadyDone(Exception):
    """An earlier delivery of this request was carried out. Nobody is told: that one was answered."""


@dataclass(slots=True, eq=False)
class IdempotencyKey:
    """The key of one delivery."""

    text: str
    is_stored: bool = False  # by this delivery; perhaps in a transaction that is rolled back


_current: ContextVar[IdempotencyKey | None] = ContextVar("idempotency_key", default=None)


def current() -> IdempotencyKey | None:
    """The key of the request that is being handled; None in background loops."""
    return _current.get()


@contextmanager
def keyed(text: str) -> Iterator[None]:
    """Handle the request with this key, for as long as the block runs and in the tasks that are started within."""
    token = _current.set(IdempotencyKey(text))
    try:
        yield
    finally:
        _current.reset(token)
