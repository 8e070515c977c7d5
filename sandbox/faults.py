"""Named misbehaviours of the stand-ins: one list for the page's switches and the tests' markers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class FaultSide(StrEnum):
    IMAGES = "images"  # the local image API, in both of its contracts
    DISCORD = "discord"  # the local Discord
    MODERATIONS = "moderations"  # the local moderations endpoint


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which the outside world can misbehave."""

    name: str
    side: FaultSide
    meaning: str


def _faults(side: FaultSide, meanings: dict[str, str]) -> tuple[Fault, ...]:
    return tuple(Fault(name=name, side=side, meaning=meaning) for name, meaning in meanings.items())


FAULTS: tuple[Fault, ...] = (
    *_faults(
        FaultSide.IMAGES,
        {
            "oxen-down": "Oxen's side closes every connection without a word; what its queue has taken goes on behind the door.",
            "oxlo-down": "Oxlo's side closes every connection without a word; calls under way end with it and cost nothing.",
            "enqueue-answer-lost": "The queue takes the generation (Oxlo: makes it, for money), then cuts the connection before answering.",
            "enqueue-cut": "The connection is cut before anything is taken.",
            "enqueue-empty": "The queue answers 200 with an empty list beside an error object.",
            "events-early": "The completion event is sent before the enqueue answer.",
            "events-lost": "Completion events are not sent.",
            "events-doubled": "Every completion event is sent twice.",
            "events-strangers": "Each event comes with one of another application's generations.",
            "events-other-types": "Each event comes with events of other types.",
            "events-garbled": "Each event comes after bad UTF-8, comments, empty events and borders cut in odd places.",
            "events-huge": "Each event comes after one event of several MiB.",
            "events-cut": "The stream is cut after each event.",
            "events-silent": "The stream stays open but sends nothing, not even keep-alives.",
            "events-refused": "The event stream is cut and then answers 503.",
            "generation-fails": "Generations end as failed.",
            "generation-cancelled": "The provider cancels generations by itself and sends no event.",
            "generation-stuck": "Generations stay in processing until this is next turned off.",
            "result-expired": "The first links to a result (event, first reading) have expired; reading again gives a fresh one.",
            "result-cut": "A result's download is cut half way.",
            "result-huge": "A result is larger than any sensible cap.",
            "result-not-image": "A result's link answers a web page.",
            "result-bomb": "A result is a small file of a great many pixels.",
            "result-elsewhere": "A result's link redirects to a private address.",
            "out-of-credit": "The provider's account has no credit left.",
            "key-refused": "The API key is refused.",
            "images-rate-limited": "Calls that make, list or read pictures answer 429 with Retry-After.",
            "images-error": "Calls that make, list or read pictures answer 500.",
            "models-down": "The model list answers 500.",
        },
    ),
    *_faults(
        FaultSide.DISCORD,
        {
            "discord-rate-limited": "Message calls answer 429 with a short retry time.",
            "discord-error": "Message calls answer 503.",
            "discord-answer-lost": "A message call is carried out, then the connection is cut before the answer.",
            "first-answer-lost": "A first answer to an interaction is taken, then the connection is cut before the answer.",
            "socket-dropped": "The gateway socket is cut once; the session can be resumed.",
            "session-lost": "The gateway socket is cut once and resuming is refused.",
            "gateway-doubled": "Every event of the gateway but interactions is sent twice.",
            "token-expired": "Interaction tokens are dead as soon as the first answer is given.",
            "channel-closed": "The bot may not send messages in server channels.",
            "message-gone": "The message that the bot wants to edit has been deleted.",
            "dms-closed": "Members take no direct messages from the bot.",
            "upload-refused": "Uploads are refused as too large.",
            "cdn-gone": "Attachments cannot be fetched from the CDN.",
        },
    ),
)

MODERATION_FAULTS: tuple[Fault, ...] = _faults(
    FaultSide.MODERATIONS,
    {
        "moderation-down": "The moderations endpoint closes every connection without a word.",
        "moderation-error": "The moderations endpoint answers 500.",
        "moderation-slow": "The moderations endpoint answers nobody until this is next turned off.",
        "moderation-garbage": "The moderations endpoint answers 200 with scores that are no numbers.",
    },
)


class Switchboard:
    """Which faults are on. `times` counts a fault down to off; `None` leaves it on until it is turned off."""

    def __init__(self, faults: tuple[Fault, ...] = FAULTS + MODERATION_FAULTS) -> None:
        self._faults = {fault.name: fault for fault in faults}
        self._on: dict[str, int | None] = {}
        self._listeners: list[Callable[[], None]] = []

    def turn_on(self, name: str, *, times: int | None = None) -> None:
        """Raise `KeyError` for a name that is no fault."""
        self._faults[name]
        self._on[name] = times
        self._changed()

    def turn_off(self, name: str) -> None:
        self._on.pop(name, None)
        self._changed()

    def is_on(self, name: str) -> bool:
        """Look without using one up."""
        self._faults[name]
        return name in self._on

    def fires(self, name: str) -> bool:
        """True where the fault is on; uses one of its times."""
        if not self.is_on(name):
            return False
        left = self._on[name]
        if left is not None:
            if left <= 1:
                del self._on[name]
            else:
                self._on[name] = left - 1
            self._changed()
        return True

    def state(self) -> list[dict[str, object]]:
        """Every fault as JSON for the page: name, side, meaning, on, times."""
        return [
            {"name": f.name, "side": f.side, "meaning": f.meaning, "on": f.name in self._on, "times": self._on.get(f.name)}
            for f in self._faults.values()
        ]

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


class FaultHold:
    """Where work stands still that met a fault, until that fault is next turned off."""

    def __init__(self, switchboard: Switchboard, name: str) -> None:
        self._switchboard = switchboard
        self._name = name
        self._was_on = switchboard.is_on(name)
        self._released = asyncio.Event()
        switchboard.listen(self._release_once_off)

    async def wait(self) -> None:
        if self._switchboard.fires(self._name):
            await self._released.wait()

    def _release_once_off(self) -> None:
        was_on, self._was_on = self._was_on, self._switchboard.is_on(self._name)
        if was_on and not self._was_on:
            self._released.set()
            self._released = asyncio.Event()
