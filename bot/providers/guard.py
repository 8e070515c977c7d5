"""Circuit breaker in front of an image API. It also respects Retry-After. Its rate is counted where submissions are claimed.

The circuit breaker (Michael Nygard, "Release It!") opens after several failures in a row. A free ping closes it again, so that no paid
request is needed to find out whether the image API is back.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import structlog

from bot.core.clock import Clock
from bot.core.errors import (
    AnswerLost,
    MachineTrouble,
    ModelLocked,
    ProviderAccount,
    ProviderBusy,
    ProviderError,
    ProviderFailed,
    ProviderRefused,
    RateLimited,
)
from bot.core.metrics import PROVIDER_UP, SUBMISSIONS, Submitted
from bot.core.running.supervision import Trouble, pause, resting
from bot.domain.queueing.rate import Rate
from bot.providers.explanations import ACCOUNT_DO
from bot.providers.provider import Accepted, CompletedImage, Provider, Submission

log = structlog.get_logger(__name__)

_LONG_MS = 600_000  # an outage that is told to the operator
_DOWN_DO = "See its status page. Its images wait, and go on by themselves; FALLBACK_MODELS sends new ones elsewhere."


def _nothing() -> None:
    """Default for `on_recovery`."""


class ProviderGuard:
    """Sends submissions to one image API. Its state may be lost at a restart."""

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
        on_recovery: Callable[[], None] = _nothing,
    ) -> None:
        """`title` is shown to people. `rate_per_minute` is also the largest burst; it and `max_running` are enforced by the caller.

        After `failures` in a row, the image API counts as unavailable and is pinged, with pauses that double from `pause_min_s` to
        `pause_max_s`, until it answers; then `on_recovery` is called.
        """
        self.provider = provider
        self.title = title
        self.rate = Rate.per_minute(rate_per_minute)
        self.max_running = max_running
        self.is_rate_limited = False  # whether the last pause that it asked for was one of a rate limit
        self.away_since: int | None = None  # Unix ms of the first failure in a row; None while it is available
        self._clock = clock
        self._limit = failures
        self._pause_min_s = self._pause_s = pause_min_s
        self._pause_max_s = pause_max_s
        self._on_recovery = on_recovery
        self._retry_not_before = 0  # Unix ms, from Retry-After, or after a rate limit that names no time
        self._limit_pause_s = pause_min_s  # after the next rate limit that names no time
        self._reported: dict[str, str] = {}  # problems of the account that were logged: the model, or "" for all of them
        self._failures = 0  # in a row
        self._failing_since = 0  # Unix ms of the first of them
        self._recoveries = 0
        self._away = asyncio.Event()
        self._is_told = False  # the operator knows that it is away
        PROVIDER_UP.labels(self.name).set(1)
        for outcome in Submitted:  # start each counter at 0: Prometheus cannot see the increase to a counter's first value
            SUBMISSIONS.labels(self.name, outcome)

    @property
    def name(self) -> str:
        """The provider's name, as used in settings and in models' names."""
        return self.provider.name

    @property
    def limited_until(self) -> int | None:
        """Until when (Unix ms) the image API takes no requests, by its own words; None if it may take them now."""
        return self._retry_not_before if self._clock() < self._retry_not_before else None

    @property
    def is_open(self) -> bool:
        """Whether requests may be sent now. Once it is available again, `on_recovery` is called."""
        return self.away_since is None and self.limited_until is None

    async def submit(self, submission: Submission) -> Accepted | CompletedImage:
        """Call the provider's `submit` and update the circuit breaker by its result. Raises the provider's errors, and `MachineTrouble`."""
        recoveries = self._recoveries
        try:
            answer = await self.provider.submit(submission)
        except ProviderError as error:
            self._count(_outcome(error))
            self._update(error, is_current=recoveries == self._recoveries)
            if isinstance(error, ProviderAccount):
                self._report(error, submission.model if isinstance(error, ModelLocked) else "")
            raise
        self._count(Submitted.ACCEPTED if isinstance(answer, Accepted) else Submitted.MADE)
        self._answered()
        self._limit_pause_s = self._pause_min_s
        self._account_works(submission.model)
        return answer

    async def run(self) -> None:
        """Run until cancelled: whenever the provider is unavailable, ping it until it answers."""
        while True:
            with resting():
                await self._away.wait()
            pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, self._pause_max_s)
            await pause(pause_s)
            if self._away.is_set() and await self._is_available():
                self._recover()
            self._tell_if_long()

    def _update(self, error: ProviderError, *, is_current: bool) -> None:
        """`is_current` is False for a submission sent before the last recovery: its failure is outdated and does not count."""
        match error:
            case ProviderRefused() | ModelLocked() | ProviderFailed():
                self._answered()
            case ProviderBusy(retry_after_s=wait_s) if wait_s:
                self._pause(wait_s, is_rate_limit=isinstance(error, RateLimited))
            case RateLimited():  # it works, so this is no failure
                self._answered()
                self._pause(self._limit_pause_s, is_rate_limit=True)
                self._limit_pause_s = min(2 * self._limit_pause_s, self._pause_max_s)
            case ProviderBusy() | AnswerLost() if is_current:
                self._failed()

    def _pause(self, wait_s: float, *, is_rate_limit: bool) -> None:
        until = self._clock() + math.ceil(wait_s * 1000)
        if until > self._retry_not_before and wait_s > self._pause_max_s and self.limited_until is None:
            log.warning("image API takes no requests for a while", provider=self.name, wait_s=round(wait_s))
        if until >= self._retry_not_before:
            self._retry_not_before, self.is_rate_limited = until, is_rate_limit

    def _report(self, error: ProviderAccount, model: str) -> None:
        """Tell the operator of a problem of the account, once until it works again."""
        cause = f"{model}: {error.detail.partition(':')[0].partition(' (')[0]}"  # the rest differs from call to call
        if cause not in self._reported:
            self._reported[cause] = model
            reason = error.detail or error.sentence
            log.critical("image API needs its operator", provider=self.name, model=model or None, reason=reason, do=ACCOUNT_DO)

    def _account_works(self, model: str) -> None:
        for works in {"", model} & set(self._reported.values()):
            log.warning("image API needs its operator is over", provider=self.name, model=works or None)
        self._reported = {cause: about for cause, about in self._reported.items() if about not in {"", model}}

    def _answered(self) -> None:
        self._failures = 0
        self._pause_s = self._pause_min_s  # not reset by a ping: pauses keep growing if only pings are answered
        self._recover()

    def _failed(self) -> None:
        self._failures += 1
        if self._failures == 1:
            self._failing_since = self._clock()
        if self._failures < self._limit or self.away_since is not None:
            return
        self.away_since = self._failing_since
        PROVIDER_UP.labels(self.name).set(0)
        log.warning("provider unavailable", provider=self.name, failures=self._failures)
        self._away.set()

    def _tell_if_long(self) -> None:
        """Tell the operator of a long outage, once."""
        if self.away_since is None or self._is_told or self._clock() - self.away_since < _LONG_MS:
            return
        self._is_told = True
        since = Trouble(since=self.away_since, reason="").since_utc
        reason = "it doesn't answer, or only with errors"
        log.critical("image API down", provider=self.name, since=since, reason=reason, do=_DOWN_DO)

    def _recover(self) -> None:
        if self.away_since is None:
            return
        if self._is_told:
            log.warning("image API down is over", provider=self.name)
        self._is_told = False
        log.info("provider recovered", provider=self.name, outage_s=(self._clock() - self.away_since) / 1000)
        self.away_since = None
        self._failures = 0
        self._recoveries += 1
        self._away.clear()
        PROVIDER_UP.labels(self.name).set(1)
        self._on_recovery()

    async def _is_available(self) -> bool:
        try:
            await self.provider.ping()
        except (ProviderError, MachineTrouble):
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
