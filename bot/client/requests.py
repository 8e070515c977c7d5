"""What Discord answers: counted, timed, and logged where discord.py tries again without a word."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from types import SimpleNamespace
from typing import Final

import aiohttp
import structlog

from bot.core.metrics import ACKNOWLEDGE_SECONDS, ACKNOWLEDGED, DISCORD_SECONDS, DISCORD_STATUSES, Acknowledged

log = structlog.get_logger(__name__)

SLOW_S: Final = 5.0
_IN_TIME_S = 3.0  # Discord's limit for the first answer to an interaction
_ARRIVALS_MAX = 10_000  # interactions without a first answer yet
_VARIABLE = (  # of a path, in this order: tokens and emoji contain any character
    (re.compile(r"(/(?:webhooks|interactions)/\d+)/[^/]+"), r"\1/{token}"),
    (re.compile(r"(/reactions)/[^/]+"), r"\1/{emoji}"),
    (re.compile(r"/\d+(?=/|$)"), "/{id}"),
)
_FIRST_ANSWER = re.compile(r"/interactions/(\d+)/[^/]+/callback$")
_BEFORE = re.compile(r"^.*?/v\d+(?=/)")  # Discord's own path, or that of a proxy


class Requests:
    """Watches every request of one HTTP session to Discord."""

    def __init__(self) -> None:
        self._arrived: OrderedDict[str, float] = OrderedDict()  # interactions by id, with the monotonic time
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_start.append(_note_start)
        self.trace.on_request_end.append(self._ended)
        self.trace.on_request_exception.append(self._failed)

    def arrived(self, interaction_id: str) -> None:
        """An interaction came, whose first answer will be a request of this session."""
        self._arrived[interaction_id] = time.monotonic()
        if len(self._arrived) > _ARRIVALS_MAX:
            self._arrived.popitem(last=False)

    async def _ended(self, _session: aiohttp.ClientSession, began: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
        self._count(end.method, end.url.path, end.response.status, time.monotonic() - began.at)

    async def _failed(self, _session: aiohttp.ClientSession, began: SimpleNamespace, end: aiohttp.TraceRequestExceptionParams) -> None:
        if not isinstance(end.exception, asyncio.CancelledError):
            self._count(end.method, end.url.path, 0, time.monotonic() - began.at, reason=type(end.exception).__name__)

    def _count(self, method: str, path: str, status: int, took_s: float, *, reason: str | None = None) -> None:
        route = route_of(method, path)
        DISCORD_SECONDS.labels(route).observe(took_s)
        DISCORD_STATUSES.labels(str(status)).inc()
        if status >= 500 or status == 0:
            log.warning("Discord failed", route=route, status=status or None, reason=reason, took_s=round(took_s, 1))
        elif took_s > SLOW_S:
            log.warning("Discord is slow", route=route, status=status, took_s=round(took_s, 1))
        if (answered := _FIRST_ANSWER.search(path)) is not None:
            self._acknowledged(answered[1], status)

    def _acknowledged(self, interaction_id: str, status: int) -> None:
        arrived = self._arrived.pop(interaction_id, None)
        if arrived is None:
            return  # a repetition
        took_s = time.monotonic() - arrived
        if 0 < status < 300:
            ACKNOWLEDGE_SECONDS.observe(took_s)
        ACKNOWLEDGED.labels(_outcome(status, took_s)).inc()


def route_of(method: str, path: str) -> str:
    """A request without ids, tokens and emoji, such as "PATCH /channels/{id}/messages/{id}"."""
    path = _BEFORE.sub("", path)
    for pattern, name in _VARIABLE:
        path = pattern.sub(name, path)
    return f"{method} {path}"


def _outcome(status: int, took_s: float) -> Acknowledged:
    if not status:
        return Acknowledged.LOST
    if status >= 300:
        return Acknowledged.REFUSED
    return Acknowledged.IN_TIME if took_s <= _IN_TIME_S else Acknowledged.LATE


async def _note_start(_session: aiohttp.ClientSession, began: SimpleNamespace, _start: aiohttp.TraceRequestStartParams) -> None:
    began.at = time.monotonic()
