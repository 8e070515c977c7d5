"""Each image API's last failed call, kept for the doctor: without what was the request's own fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import ModelLocked, ProviderAccount, ProviderError, ProviderRefused
from bot.providers.explanations import ACCOUNT_DO
from bot.store import kv
from bot.store.engine.base import Store, Topic, announce

log = structlog.get_logger(__name__)

_PREFIX = "failure:"  # with the image API's name
_TOLD = "failure told:"


@dataclass(frozen=True, kw_only=True)
class LastFailure:
    at: int  # Unix ms
    reason: str  # redacted
    needs_operator: bool  # its key, account or address was the reason, and it has not worked since


class LastFailures:
    """Writes them, and tells the operator what only they can mend: one process tells it once, until it works again."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._fine: set[tuple[str, str]] = set()  # image APIs and models of which nothing says that they need the operator
        self._told: set[tuple[str, str]] = set()  # those that this process has told of; for all models of an image API with ""
        store.when_changed_elsewhere(Topic.PROVIDERS, lambda _name: self._fine.clear())

    async def keep(self, provider: str, model: str, error: ProviderError) -> None:
        """A call failed. `model`: the image API's id of it."""
        if isinstance(error, ProviderRefused):
            return
        needs_operator, reason, now = isinstance(error, ProviderAccount), error.detail or error.sentence, self._clock()
        kept = {"at": now, "reason": reason, "needs_operator": needs_operator}
        if not needs_operator:
            await self._store.write(kv.put, f"{_PREFIX}{provider}", kept, now)
            return
        self._fine.clear()
        cause = f"{model}: {error.detail.partition(':')[0].partition(' (')[0]}"  # the rest differs from call to call
        about = model if isinstance(error, ModelLocked) else ""
        if await self._store.write(_keep, provider, kept, cause=cause, about=about, now=now):
            self._told.add((provider, about))
            log.critical("image API needs its operator", provider=provider, model=about or None, reason=reason, do=ACCOUNT_DO)

    async def works(self, provider: str, model: str) -> None:
        """A call succeeded. Another process may have found that first, but who told of a problem tells of its end."""
        if (provider, model) in self._fine:
            return
        self._fine.add((provider, model))
        over = await self._store.write(_resolve, provider, model, self._clock())
        own = {about for name, about in self._told if name == provider and about in {"", model}}
        self._told -= {(provider, about) for about in own}
        for about in sorted(over | own):
            log.warning("image API needs its operator is over", provider=provider, model=about or None)


def last_failures(conn: Connection, providers: Sequence[str]) -> dict[str, LastFailure]:
    """By the image API's name, for those that have one."""
    return {name: LastFailure(**kept) for name in providers if (kept := kv.get(conn, f"{_PREFIX}{name}"))}


def _keep(conn: Connection, provider: str, kept: Mapping[str, Any], *, cause: str, about: str, now: int) -> bool:
    """It needs the operator: `about` a model, or "" for all. Returns whether nobody was told of this cause."""
    told = _told(conn, provider)
    kv.put(conn, f"{_PREFIX}{provider}", kept, now)
    kv.put(conn, f"{_TOLD}{provider}", {**told, cause: about}, now)
    announce(conn, Topic.PROVIDERS)
    return cause not in told


def _resolve(conn: Connection, provider: str, model: str, now: int) -> set[str]:
    """This model works. Returns what is over: the models of which the operator was told, or "" for all."""
    kept, told = kv.get(conn, f"{_PREFIX}{provider}"), _told(conn, provider)
    if kept is not None and kept["needs_operator"]:
        kv.put(conn, f"{_PREFIX}{provider}", {**kept, "needs_operator": False}, now)
    left = {cause: about for cause, about in told.items() if about not in {"", model}}
    if left != told:
        kv.put(conn, f"{_TOLD}{provider}", left, now)
    return {*told.values()} - {*left.values()}


def _told(conn: Connection, provider: str) -> dict[str, str]:
    """What the operator was told of, and has not worked since: each cause, and the model that it is about."""
    return kv.get(conn, f"{_TOLD}{provider}") or {}
