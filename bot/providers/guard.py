"""One image API with what keeps it from being asked too much: its rate, its own wish to be left alone, and a breaker while it is away.

The breaker after Michael Nygard, "Release It!": failures in a row open it. It is closed by a call that costs nothing, so that no image
is paid for to learn whether the image API is back.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import structlog
from aiolimiter import AsyncLimiter

from bot.core.clock import Clock
from bot.core.errors import AnswerLost, ModelLocked, ProviderAccount, ProviderBusy, ProviderError, ProviderRefused
from bot.core.metrics import PROVIDER_UP, SUBMISSIONS, Submitted
from bot.providers.provider import Accepted, CompletedImage, Provider, Submission

log = structlog.get_logger(__name__)


def _nothing() -> None:
    """For those who need not know that it is back."""


class ProviderGuard:
    """Where images of one image API are asked for. Holds nothing that a restart would miss."""

    def __init__(
        self,
        provider: Provider,
        *,
        title: str,
        rate_per_minute: float,
        max_running: int,
        clock: Clock,
        failures: int = 3,
        pause_min_s: float = 5,
        pause_max_s: float = 60,
        on_back: Callable[[], None] = _nothing,
    ) -> None:
        """`title` is for people. `rate_per_minute` may be used up at once and then comes back evenly. `max_running` are images at the same
        time, which the caller counts. After `failures` in a row it is away, and pinged after pauses that grow from `pause_min_s` to
        `pause_max_s` until it answers; then `on_back` is called.
        """
        self.provider = provider
        self.title = title
        self.max_running = max_running
        self.away_since: int | None = None  # Unix ms of the first failure in the row; None while it answers
        self._clock = clock
        self._limit = failures
        self._pause_min_s = self._pause_s = pause_min_s
        self._pause_max_s = pause_max_s
        self._on_back = on_back
        burst = max(rate_per_minute, 1.0)  # less than one image could never be taken
        self._limiter = AsyncLimiter(burst, time_period=60 * burst / rate_per_minute)
        self._turn_ms = math.ceil(60_000 / rate_per_minute)
        self._asked_to_wait_until = 0  # Unix ms
        self._failures = 0  # in a row
        self._failing_since = 0  # Unix ms of the first of them
        self._returns = 0  # how often it has come back
        self._away = asyncio.Event()
        PROVIDER_UP.labels(self.name).set(1)
        for outcome in Submitted:  # a count that begins with its first event has no rise to be seen
            SUBMISSIONS.labels(self.name, outcome)

    @property
    def name(self) -> str:
        """The provider's name, as it stands in settings and in models' names."""
        return self.provider.name

    def ready(self) -> bool:
        """Whether an image may be asked for now."""
        return self.away_since is None and self.waits_until() is None

    def waits_until(self) -> int | None:
        """When (Unix ms) to look at `ready` again; `None` where it is ready, or away: then `on_back` tells."""
        now = self._clock()
        if self.away_since is not None:
            return None
        if now < self._asked_to_wait_until:
            return self._asked_to_wait_until
        return None if self._limiter.has_capacity() else now + self._turn_ms

    async def take_turn(self) -> None:
        """Wait until the rate allows one more, and use it up."""
        await self._limiter.acquire()

    async def submit(self, submission: Submission) -> Accepted | CompletedImage:
        """The provider's `submit`, its errors too; what comes of it tells whether the provider is there."""
        returns = self._returns
        try:
            answer = await self.provider.submit(submission)
        except ProviderError as error:
            self._count(_outcome(error))
            self._judge(error, is_news=returns == self._returns)
            raise
        self._count(Submitted.ACCEPTED if isinstance(answer, Accepted) else Submitted.MADE)
        self._answered()
        return answer

    async def run(self) -> None:
        """For ever: while it is away, ping it until it answers."""
        while True:
            await self._away.wait()
            pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, self._pause_max_s)
            await asyncio.sleep(pause_s)
            if self._away.is_set() and await self._is_there():
                self._come_back()

    def _judge(self, error: ProviderError, *, is_news: bool) -> None:
        """`is_news` is False for what was sent before it last came back: that it failed says nothing of now."""
        match error:
            case ProviderRefused() | ModelLocked():
                self._answered()
            case ProviderBusy(retry_after_s=wait_s) if wait_s:
                self._asked_to_wait_until = max(self._asked_to_wait_until, self._clock() + math.ceil(wait_s * 1000))
            case ProviderBusy() | AnswerLost() if is_news:
                self._failed()

    def _answered(self) -> None:
        self._failures = 0
        self._pause_s = self._pause_min_s  # only now: one that answers pings alone is pinged ever more rarely
        self._come_back()

    def _failed(self) -> None:
        self._failures += 1
        if self._failures == 1:
            self._failing_since = self._clock()
        if self._failures < self._limit or self.away_since is not None:
            return
        self.away_since = self._failing_since
        PROVIDER_UP.labels(self.name).set(0)
        log.warning("provider away", provider=self.name, failures=self._failures)
        self._away.set()

    def _come_back(self) -> None:
        if self.away_since is None:
            return
        log.info("provider back", provider=self.name, away_s=(self._clock() - self.away_since) / 1000)
        self.away_since = None
        self._failures = 0
        self._returns += 1
        self._away.clear()
        PROVIDER_UP.labels(self.name).set(1)
        self._on_back()

    async def _is_there(self) -> bool:
        try:
            await self.provider.ping()
        except ProviderError:
            return False
        return True

    def _count(self, outcome: Submitted) -> None:
        SUBMISSIONS.labels(self.name, outcome).inc()


def _outcome(error: ProviderError) -> Submitted:
    match error:
        case ProviderRefused():
            return Submitted.REFUSED
        case ProviderAccount():
            return Submitted.ACCOUNT
        case ProviderBusy():
            return Submitted.BUSY
        case _:
            return Submitted.LOST
