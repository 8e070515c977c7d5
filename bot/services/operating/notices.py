"""Tells the operator what the log calls critical: `log.critical(event, reason=..., do=...)`, and `log.warning(event + " is over")`.

Each event is told once an hour with the number of its repetitions, by a webhook, by DM, or both. What is told names no member, server,
image or prompt: of a record's fields only those in `_ABOUT`, `reason`, `since` and `do` are used.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from bot.core.clock import Clock
from bot.core.errors import DeliveryError, MessageRefused, RouteClosed, TryLater
from bot.core.log import Redactor
from bot.core.running.supervision import Trouble, resting

log = structlog.get_logger(__name__)

Send = Callable[[str], Awaitable[None]]
"""Sends a text. Raises `TryLater`, or another `DeliveryError` if it can never be sent."""

_EVERY_MS: Final = 3_600_000
_WAITING_MAX: Final = 100  # records; the oldest are dropped
_KNOWN_MAX: Final = 200  # events that are remembered
_TRIES: Final = 3
_SEND_S: Final = 15.0  # one try
_LAST_S: Final = 5.0  # what is not told yet, at the stop
_OVER: Final = " is over"
_ABOUT: Final = ("provider", "model", "loop", "change")  # what an event is about: each is told apart from the others
_ID: Final = re.compile(r"\d{15,}")
_REASON_MAX: Final = 300  # characters


@dataclass(kw_only=True)
class _Event:
    """One event about one thing. Times are Unix ms."""

    began: int
    told_at: int | None = None
    repeats: int = 0  # since it was told
    is_due: bool = True  # it happened and was not told
    is_told: bool = False  # and its end was not told since
    is_over: bool = False
    fields: Mapping[str, str]  # of the last time


class Notices:
    """Takes records from the log without waiting, and sends them in a loop of its own."""

    def __init__(
        self, *, channels: Mapping[str, Send], redact: Redactor, clock: Clock, backoff_s: Callable[[int], float], every_ms: int = _EVERY_MS
    ) -> None:
        """`channels` by their name for the log."""
        self._channels = channels
        self._redact = redact
        self._clock = clock
        self._backoff_s = backoff_s
        self._every_ms = every_ms
        self._records: deque[Mapping[str, str]] = deque(maxlen=_WAITING_MAX)
        self._telling: asyncio.Task[None] | None = None
        self._events: dict[tuple[str, ...], _Event] = {}
        self._awake = asyncio.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take what is logged within the context."""
        handler = _NoticeHandler(self._take, asyncio.get_running_loop())
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            with resting(), suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._awake.wait()
            self._awake.clear()
            await self._tell_due()

    async def finish(self) -> None:
        """Send what is not told yet, for a few seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self._tell_due()  # of what `run` was telling
                await self._tell_due()
        if self._telling is not None:
            self._telling.cancel()

    async def _tell_due(self) -> None:
        """In a task of its own, which goes on if the caller is cancelled. Waits for the one that runs, if there is one."""
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_all(self._due()), name="notices")
        await asyncio.shield(self._telling)

    async def _tell_all(self, texts: Sequence[str]) -> None:
        for text in texts:
            await self._tell(text)

    # --- what is told ------------------------------------------------------------------------------------------------

    def _take(self, fields: Mapping[str, str]) -> None:
        """Runs on the event loop."""
        self._records.append(fields)
        self._awake.set()

    def _due(self) -> list[str]:
        """The texts that must be told now."""
        texts = []
        while self._records:
            if (text := self._note(self._records.popleft())) is not None:
                texts.append(text)
        now = self._clock()
        for key, event in self._events.items():
            if event.is_due and (event.told_at is None or now - event.told_at >= self._every_ms):
                texts.append(self._text(key, event))
                event.told_at, event.repeats, event.is_due, event.is_told = now, 0, False, True
        return texts

    def _note(self, fields: Mapping[str, str]) -> str | None:
        """Remember a record. The text, if it says that something is over that was told."""
        name = fields["event"].removesuffix(_OVER)
        key = (name, *(fields.get(about, "") for about in _ABOUT))
        event = self._events.get(key)
        if name != fields["event"]:
            was_told = event is not None and event.is_told
            if event is not None:
                event.is_over, event.is_due, event.is_told = True, False, False
            return f"{self._head(key)} is over." if was_told else None
        if event is None:
            self._events[key] = _Event(began=self._clock(), fields=fields)
            if len(self._events) > _KNOWN_MAX:
                del self._events[next(iter(self._events))]
            return None
        event.began = self._clock() if event.is_over else event.began
        event.repeats, event.fields, event.is_due, event.is_over = event.repeats + 1, fields, True, False
        return None

    def _pause_s(self) -> float | None:
        """Seconds until an event is due again that happened since it was told."""
        due = [event.told_at + self._every_ms for event in self._events.values() if event.is_due and event.told_at is not None]
        return max(min(due) - self._clock(), 0) / 1000 if due else None

    def _text(self, key: tuple[str, ...], event: _Event) -> str:
        since = event.fields.get("since") or Trouble(since=event.began, reason="").since_utc
        reason = self._safe(event.fields.get("reason", "")).rstrip(".")[:_REASON_MAX]
        happened = f"{self._head(key)}, since {since}{f': {reason}' if reason else ''}."
        times = f"({event.repeats} more since the last notice.)" if event.repeats and event.told_at is not None else ""
        return " ".join(filter(None, (happened, times, self._safe(event.fields.get("do", "")))))

    def _head(self, key: tuple[str, ...]) -> str:
        name, *about = key
        about_what = ", ".join(filter(None, about))
        return self._safe(f"Easel: {name}{f' ({about_what})' if about_what else ''}")

    def _safe(self, text: str) -> str:
        return _ID.sub("[id]", self._redact(text))

    # --- sending -----------------------------------------------------------------------------------------------------

    async def _tell(self, text: str) -> None:
        await asyncio.gather(*(self._send(name, send, text) for name, send in self._channels.items()))

    async def _send(self, name: str, send: Send, text: str) -> None:
        for attempt in range(1, _TRIES + 1):
            retry_s = await self._try(name, send, text, attempt)
            if retry_s is None or attempt == _TRIES:
                break
            await asyncio.sleep(min(retry_s, _SEND_S))

    async def _try(self, name: str, send: Send, text: str, attempt: int) -> float | None:
        """Seconds until the next try; None if there is no need, or no use. A failure is a warning, so that it is never told itself."""
        try:
            async with asyncio.timeout(_SEND_S):
                await send(text)
        except (DeliveryError, TimeoutError) as error:
            reason = error.sentence if isinstance(error, DeliveryError) else "no answer in time"
            log.warning("notice not sent", to=name, attempt=attempt, reason=reason)
            asked_s = error.retry_after_s if isinstance(error, TryLater) else None
            return None if isinstance(error, RouteClosed | MessageRefused) else asked_s or self._backoff_s(attempt)
        except Exception:  # a bug in one channel must not keep the others from being told
            log.exception("notice not sent", to=name)
        return None


class _NoticeHandler(logging.Handler):
    """Takes critical records of the bot, and those that say that one is over. Never raises, and never waits."""

    def __init__(self, take: Callable[[Mapping[str, str]], None], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(logging.WARNING)
        self._take_it = take
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):  # also if the loop is closed by now; records come from any thread
            fields = _fields_of(record)
            if record.name.startswith(("bot", "cogs")) and (record.levelno >= logging.CRITICAL or fields["event"].endswith(_OVER)):
                self._loop.call_soon_threadsafe(self._take_it, fields)


def _fields_of(record: logging.LogRecord) -> Mapping[str, str]:
    """The fields of a structured record; of another one its text."""
    told: Any = record.msg
    if not isinstance(told, dict):
        return {"event": record.getMessage()}
    return {name: str(told[name]) for name in ("event", "reason", "since", "do", *_ABOUT) if told.get(name) is not None}
