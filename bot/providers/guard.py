"""Circuit breaker in front of an image API. It also respects Retry-After. Its rate is counted where submissions are claimed.

A free ping closes the breaker again, so that no paid request is needed to find out whether the image API is back.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Protocol

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
from bot.domain.queueing.provider_state import ProviderState, Transition
from bot.domain.queueing.rate import Rate
from bot.providers.provider import Accepted, CompletedImage, Provider, Submission

log = structlog.get_logger(__name__)

_LONG_MS = 600_000  # an outage that is told to the operator
_DOWN_DO = "See its status page. Its images wait, and go on by themselves; FALLBACK_MODELS sends new ones elsewhere."


def _nothing() -> None:
    """Default for `on_change` and `on_recovery`."""


class SharedStates(Protocol):
    """The port to what all processes know of the image APIs."""

    async def read(self, provider: str) -> ProviderState: ...

    async def change(self, provider: str, transitions: Sequence[Transition]) -> tuple[ProviderState, ProviderState]:
        """Apply the transitions to the shared state. Returns what it was before and is now."""
        ...


class ProviderGuard:
    """Sends submissions to one image API. What it learns counts at once here, and in other processes once `share` has written it."""

    def __init__(
        self,
        provider: Provider,
        *,
        title: str,
        rate_per_minute: float,
        max_running: int,
        states: SharedStates,
        clock: Clock,
        failures: int = 3,
        pause_min_s: float = 5,
        pause_max_s: float = 60,
        on_change: Callable[[], None] = _nothing,
        on_recovery: Callable[[], None] = _nothing,
    ) -> None:
        """`title` is shown to people. `rate_per_minute` is also the largest burst; it and `max_running` are enforced by the caller.

        After `failures` in a row, the image API counts as unavailable and is pinged, with pauses that double from `pause_min_s` to
        `pause_max_s`, until it answers; then `on_recovery` is called. `on_change` says that there is something to `share`.
        """
        self.provider = provider
        self.title = title
        self.rate = Rate.per_minute(rate_per_minute)
        self.max_running = max_running
        self.state = ProviderState()  # the shared one as last read, with the changes that are not written yet
        self._states = states
        self._unwritten: list[Transition] = []
        self._clock = clock
        self._limit = failures
        self._pause_min_s = self._pause_s = pause_min_s
        self._pause_max_s = pause_max_s
        self._on_change, self._on_recovery = on_change, on_recovery
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
    def away_since(self) -> int | None:
        """Unix ms of the first failure in a row; None while it is available."""
        return self.state.away_since

    @property
    def is_rate_limited(self) -> bool:
        """Whether the last pause that it asked for was one of a rate limit."""
        return self.state.is_rate_limited

    @property
    def limited_until(self) -> int | None:
        """Until when (Unix ms) the image API takes no requests, by its own words; None if it may take them now."""
        return self.state.retry_not_before if self._clock() < self.state.retry_not_before else None

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
            raise
        self._count(Submitted.ACCEPTED if isinstance(answer, Accepted) else Submitted.MADE)
        self._answered(ProviderState.accepted)
        return answer

    async def run(self) -> None:
        """Run until cancelled: whenever the provider is unavailable, ping it until it answers. One process at a time does it."""
        while True:
            with resting():
                await self._away.wait()
            pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, self._pause_max_s)
            await pause(pause_s)
            if self._away.is_set() and await self._is_available():
                self._change(ProviderState.answered)
            self._tell_if_long()

    async def share(self) -> None:
        """Write what this process has learned, and take over what others have. One call at a time."""
        if writing := tuple(self._unwritten):
            before, after = await self._states.change(self.name, writing)
            del self._unwritten[: len(writing)]
            self._log(before, after)
        else:
            after = await self._states.read(self.name)
        for transition in self._unwritten:
            after = transition(after)
        self._show(after)

    # --- what is learned ---------------------------------------------------------------------------------------------

    def _update(self, error: ProviderError, *, is_current: bool) -> None:
        """`is_current` is False for a submission sent before the last recovery: its failure is outdated and does not count."""
        now = self._clock()
        match error:
            case ProviderRefused() | ModelLocked() | ProviderFailed():
                self._answered(ProviderState.answered)
            case ProviderBusy(retry_after_s=wait_s) if wait_s:
                until, is_rate_limit = now + math.ceil(wait_s * 1000), isinstance(error, RateLimited)
                self._change(lambda state: state.paused(until, is_rate_limit=is_rate_limit))
            case RateLimited():  # it works, so this is no failure
                self._answered(lambda state: state.limited(now, shortest_s=self._pause_min_s, longest_s=self._pause_max_s))
            case ProviderBusy() | AnswerLost() if is_current:
                self._change(lambda state: state.failed(now, limit=self._limit))

    def _answered(self, transition: Transition) -> None:
        self._pause_s = self._pause_min_s  # not reset by a ping: pauses keep growing if only pings are answered
        self._change(transition)

    def _change(self, transition: Transition) -> None:
        """Nothing is written while all is well."""
        state = transition(self.state)
        if state != self.state:
            self._unwritten.append(transition)
            self._show(state)
            self._on_change()

    def _show(self, state: ProviderState) -> None:
        was_away, self.state = self.state.away_since is not None, state
        if was_away == (state.away_since is not None):
            return
        PROVIDER_UP.labels(self.name).set(was_away)
        if not was_away:
            self._away.set()
            return
        if self._is_told:
            log.warning("image API down is over", provider=self.name)
        self._is_told = False
        self._recoveries += 1
        self._away.clear()
        self._on_recovery()

    # --- what is told ------------------------------------------------------------------------------------------------

    def _log(self, before: ProviderState, after: ProviderState) -> None:
        """What this process has changed for all."""
        now = self._clock()
        wait_ms = after.retry_not_before - now
        if before.retry_not_before <= now and wait_ms > self._pause_max_s * 1000:
            log.warning("image API takes no requests for a while", provider=self.name, wait_s=round(wait_ms / 1000))
        if before.away_since is None and after.away_since is not None:
            log.warning("provider unavailable", provider=self.name, failures=after.failures)
        if before.away_since is not None and after.away_since is None:
            log.info("provider recovered", provider=self.name, outage_s=(now - before.away_since) / 1000)

    def _tell_if_long(self) -> None:
        """Tell the operator of a long outage, once."""
        if self.away_since is None or self._is_told or self._clock() - self.away_since < _LONG_MS:
            return
        self._is_told = True
        since = Trouble(since=self.away_since, reason="").since_utc
        reason = "it doesn't answer, or only with errors"
        log.critical("image API down", provider=self.name, since=since, reason=reason, do=_DOWN_DO)

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
