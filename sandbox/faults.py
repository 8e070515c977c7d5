"""Named faults of the stand-ins: one list for the switches on the page and for the markers in tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sandbox.answers import ANSWERS

REFUSED_WORDS = ("scam.example",)  # by the faults that refuse words


class FaultSide(StrEnum):
    IMAGES = "images"  # the local image API, in both of its contracts
    DISCORD = "discord"  # the local Discord
    MODERATIONS = "moderations"  # the local moderations endpoint


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which a stand-in can fail."""

    name: str
    side: FaultSide
    meaning: str


def _faults(side: FaultSide, meanings: dict[str, str]) -> tuple[Fault, ...]:
    return tuple(Fault(name=name, side=side, meaning=meaning) for name, meaning in meanings.items())


FAULTS: tuple[Fault, ...] = (
    *_faults(
        FaultSide.IMAGES,
        {
            "oxen-down": "Oxen closes every connection without an answer; jobs that its queue has accepted continue.",
            "oxlo-down": "Oxlo closes every connection without an answer; calls in progress are cancelled and cost nothing.",
            "enqueue-answer-lost": "The generation is queued (at Oxlo: made and charged), then the connection is cut before the answer.",
            "enqueue-cut": "The connection is cut before anything is queued.",
            "enqueue-empty": "The queue answers 200 with an empty list beside an error object.",
            "rows-rewritten": "The rows of Oxen's queue name another prompt than was sent, as of a service that rewrites prompts.",
            "body-refused": "Requests of more than 512 KiB are refused with 413.",
            "charge-doubled": "Oxen charges twice the price of an image.",
            "size-ignored": "Oxlo's images have half of the width and height that were asked for.",
            "events-early": "The completion event is sent before the enqueue answer.",
            "events-lost": "Completion events are not sent.",
            "events-doubled": "Every completion event is sent twice.",
            "events-strangers": "Before each event comes an event about another application's generation.",
            "events-other-types": "Before each event come events of other types.",
            "events-garbled": "Each event is preceded by bad UTF-8, comments and empty events, and is sent in pieces of a few bytes.",
            "events-huge": "Before each event comes an event of several MiB.",
            "events-cut": "The stream is cut after each event.",
            "events-silent": "The stream stays open but sends nothing, not even keep-alives.",
            "events-refused": "The event stream is cut and then answers 503.",
            "generation-fails": "Generations fail.",
            "generation-cancelled": "The provider cancels generations on its own and sends no event.",
            "cancel-charged": "A generation that is cancelled after it has begun is charged all the same.",
            "generation-stuck": "Generations stay in processing until this fault is turned off.",
            "result-expired": "The links in the event and in the first reading have already expired; reading again gives a valid one.",
            "result-cut": "The download of a result is cut halfway.",
            "result-huge": "A result is larger than any sensible limit.",
            "result-not-image": "The link to a result returns a web page.",
            "result-bomb": "A result is a small PNG with an enormous number of pixels.",
            "result-bomb-gif": "A result is a GIF of one pixel whose frame is enormous.",
            "result-bomb-webp": "A result is a WebP of 38 bytes with an enormous number of pixels.",
            "result-bomb-animation": "A result is a small animated WebP with an enormous canvas.",
            "result-bomb-avif": "A result is a small AVIF that announces an enormous number of pixels.",
            "result-avif": "A result is an AVIF image.",
            "result-avif-alpha": "A result is an AVIF image, and half of it is transparent.",
            "result-jpeg": "A result is a JPEG image.",
            "result-tiff": "A result is a TIFF image.",
            "result-broken-exif": "A result is a PNG with a text where its EXIF data should be.",
            "result-profile": "A result is a PNG with a colour profile.",
            "result-16bit": "A result is a PNG of 16 bits.",
            "result-gif": "A result is a small animated GIF.",
            "result-animated-webp": "A result is a small animated WebP.",
            "result-animated-png": "A result is a small animated PNG.",
            "result-gif-large": "A result is an animated GIF above Discord's upload limit.",
            "result-large": "A result is a PNG above Discord's upload limit.",
            "result-wide": "A result is a transparent PNG above Discord's upload limit, wider than WebP allows.",
            "result-elsewhere": "The link to a result redirects to a private address.",
            "result-short": "A result is sent as 200 with half of its bytes, and nothing says that the rest is missing.",
            "result-late": "The link to a result answers 404, as a storage does that lags behind.",
            "result-busy": "The link to a result answers 520.",
            "result-locked": "The link to a result answers 401 without the API key.",
            "result-compressed": "A result is sent with Content-Encoding: gzip, although identity was asked for.",
            "result-long-header": "The answer with a result has a header of 9.6 KB.",
            "result-odd-link": "The link to a result has unusual percent-encodings and is valid only as written.",
            "result-link-missing": "A generation succeeds, and its row and its event have no link yet.",
            "result-wrapped": "Images in an answer are base64 of the URL-safe alphabet in lines of 76 characters, without padding.",
            "reference-unread": "Links to reference images cannot be read: generations with one fail. Inline images are read.",
            "rows-fail": "Reading one generation answers 500 with words.",
            "rows-huge": "The row of one generation echoes an inline reference of 20 MB.",
            "status-odd": "The end of a generation has another spelling: canceled, completed, error.",
            "out-of-credit": "The provider's account has no credit left.",
            "key-refused": "The API key is refused.",
            "images-rate-limited": "Calls that make, list or read images answer 429 with Retry-After.",
            "images-error": "Calls that make, list or read images answer 500.",
            "random-answers": "Every call is answered at random: well, with an error, with garbage, cut at any byte, or late.",
            "models-down": "The model list answers 500.",
            "clock-behind": "Oxen's clock is five minutes behind.",
            "rows-lean": "The rows of Oxen's queue leave out the prompt and every parameter.",
            "charges-down": "Oxen's list of charges answers 404.",
            "answer-events": "Oxlo answers with server-sent events: a draft, keep-alives, then the image.",
            **{name: answer.meaning for name, answer in ANSWERS.items()},
        },
    ),
    *_faults(
        FaultSide.DISCORD,
        {
            "discord-rate-limited": "Message calls answer 429 with a short retry time.",
            "discord-error": "Message calls answer 503.",
            "discord-answer-lost": "A message call is executed, then the connection is cut before the answer.",
            "discord-answer-502": "A message call is executed, then answered 502.",
            "discord-answer-closed": "A message call is executed, then the connection is closed in order, without an answer.",
            "content-hidden": "Messages of others come without their content and attachments.",
            "first-answer-lost": "A first answer to an interaction is accepted, then the connection is cut before the confirmation.",
            "socket-dropped": "The gateway socket is cut once; the session can be resumed.",
            "session-lost": "The gateway socket is cut once and resuming is refused.",
            "deletions-unheard": "The bot is not told of deleted channels, threads and roles.",
            "gateway-doubled": "Every gateway event except interactions is sent twice.",
            "token-refused": "The gateway closes every new session with 4004, as for a token that was reset.",
            "shard-refused": "The gateway closes every new session with 4010: an invalid shard.",
            "shards-wanted": "Discord asks for two shards, and the gateway closes a session of fewer with 4011.",
            "identify-limited": "The gateway starts as many sessions in five seconds as it has said, and calls others invalid.",
            "version-refused": "The gateway closes every new session with 4012: an API version that there is no longer.",
            "intents-unknown": "The gateway closes every new session with 4013: an invalid number of intents.",
            "intents-refused": "The gateway closes every new session with 4014: a privileged intent that is not turned on.",
            "commands-refused": "Registering commands answers 400: the day's limit is reached.",
            "commands-forbidden": "Registering commands answers 403: the application lacks a scope.",
            "commands-down": "Registering commands answers 503.",
            "interactions-doubled": "Every interaction is sent twice, 50 ms apart.",
            "gateway-replayed": "A new session begins with all interactions, messages and reactions that were sent before it.",
            "token-expired": "Interaction tokens expire as soon as the first answer is given.",
            "channel-closed": "The bot may not send messages in server channels.",
            "message-gone": "The message that the bot wants to edit has been deleted.",
            "dms-closed": "Members do not accept direct messages from the bot.",
            "dms-too-fast": "The bot may not open direct messages at the moment.",
            "upload-refused": "Uploads are refused as too large.",
            "words-refused": f"Messages that show {' or '.join(REFUSED_WORDS)} are refused as harmful.",
            "words-refused-automod": f"Messages that show {' or '.join(REFUSED_WORDS)} are refused by AutoMod.",
            "texts-refused": "Messages with a text are refused by AutoMod, whatever they say.",
            "images-refused": "Messages with an image are refused as explicit.",
            "gallery-edits-refused": "Messages are not changed to show a gallery of images: the form is refused as invalid.",
            "cdn-gone": "Attachments cannot be fetched from the CDN.",
            "server-unavailable": "The server is unavailable: its roles and channels are sent only when this is turned off.",
            "server-unread": "Reading the server, its channels and its members through the API answers 503.",
            "event-unreadable": "Gateway events lack fields that discord.py needs: of reactions, channels and roles.",
            "gateway-late": "Gateway events are sent when this fault is turned off, as after a lost connection.",
        },
    ),
)

MODERATION_FAULTS: tuple[Fault, ...] = _faults(
    FaultSide.MODERATIONS,
    {
        "moderation-down": "The moderations endpoint closes every connection without an answer.",
        "moderation-error": "The moderations endpoint answers 500.",
        "moderation-slow": "The moderations endpoint does not answer until this fault is turned off.",
        "moderation-narrow": "The moderations endpoint takes PNG and JPEG images of at most 4 MiB.",
        "moderation-garbage": "The moderations endpoint answers 200 with scores that are not numbers.",
    },
)


class Switchboard:
    """Which faults are on.

    `times` is how often a fault fires before it turns off; `None` means until it is turned off. With a `chance` below 1 it fires in that
    share of the cases, the same ones for the same `seed`.
    """

    def __init__(self, faults: tuple[Fault, ...] = FAULTS + MODERATION_FAULTS) -> None:
        self._faults = {fault.name: fault for fault in faults}
        self._on: dict[str, int | None] = {}
        self._chances: dict[str, tuple[float, random.Random]] = {}
        self._listeners: list[Callable[[], None]] = []

    def turn_on(self, name: str, *, times: int | None = None, chance: float = 1.0, seed: int = 0) -> None:
        """Raises `KeyError` for an unknown name."""
        self._faults[name]
        self._on[name] = times
        self._chances[name] = chance, random.Random(f"{name} {seed}")
        self._changed()

    def turn_off(self, name: str) -> None:
        self._on.pop(name, None)
        self._changed()

    def is_on(self, name: str) -> bool:
        """Whether the fault is on, without counting down its times."""
        self._faults[name]
        return name in self._on

    def fires(self, name: str) -> bool:
        """Whether the fault is on and this is one of its cases; counts down its times."""
        if not self.is_on(name) or not self._is_case(name):
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
        """Every fault as JSON for the page: `name`, `side`, `meaning`, `on`, `times`."""
        return [
            {"name": f.name, "side": f.side, "meaning": f.meaning, "on": f.name in self._on, "times": self._on.get(f.name)}
            for f in self._faults.values()
        ]

    def _is_case(self, name: str) -> bool:
        chance, dice = self._chances[name]
        return chance >= 1 or dice.random() < chance

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


class FaultHold:
    """Holds work that a fault affects until that fault is next turned off."""

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
