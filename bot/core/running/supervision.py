"""Keeps background loops running: one that fails is logged and started again, and ends neither the others nor the process."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bot.core.clock import Clock
from bot.core.errors import EaselError, StartError
from bot.core.metrics import LOOP_FAILURES, LOOP_UP
from bot.core.running import patience

log = structlog.get_logger(__name__)

TOLD_AFTER_S: Final = 300.0  # a loop that has not worked for this long is told to the operator; also the longest turn


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A background loop. `run` runs until cancelled and is called again after a failure; `finish` ends its work in progress at the stop."""

    run: Callable[[], Coroutine[Any, Any, None]]
    finish: Callable[[], Coroutine[Any, Any, None]] | None = None
    is_patient: bool = True  # waits without end for a database that is away


Loops = Mapping[str, Loop]  # by name


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that does not work, since when (Unix ms) and why. `reason` holds no ids."""

    since: int
    reason: str

    @property
    def since_utc(self) -> str:
        return datetime.fromtimestamp(self.since / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(kw_only=True)
class LoopState:
    """What is known of one loop."""

    clock: Clock
    monotonic: Callable[[], float]  # seconds; a suspended machine and a clock that is set make no turn long
    failures: int = 0  # in all
    in_a_row: int = 0  # without a while of work between them
    failed: Trouble | None = None  # since the first of them; None once it has made a turn
    turn_began: float | None = None  # monotonic; None while it waits for work
    is_stopping: bool = False
    is_told: bool = False  # the operator knows that it does not work
    kinds: Counter[str] = field(default_factory=Counter)  # how often it failed in each way

    def trouble(self, longest_turn_s: float = TOLD_AFTER_S) -> Trouble | None:
        """Why it does not work; None if it does, or is being stopped."""
        if self.is_stopping:
            return None
        turn_s = 0.0 if self.turn_began is None else self.monotonic() - self.turn_began
        if self.failed is None and turn_s > longest_turn_s:
            return Trouble(since=self.clock() - int(turn_s * 1000), reason="its turn does not end")
        return self.failed


class Supervisor:
    """Runs loops, and knows the state of each by its name."""

    def __init__(
        self,
        *,
        backoff_s: Callable[[int], float],
        healthy_s: float,
        clock: Clock,
        told_after_s: float = TOLD_AFTER_S,
        check_s: float = 10,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`backoff_s(n)` is the pause after the n-th failure in a row, which ends once a loop has run for `healthy_s`.

        Every `check_s`, the operator is told of the loops that have not worked for `told_after_s`.
        """
        self.states: dict[str, LoopState] = {}
        self.stopping_since: int | None = None  # Unix ms; from then on a loop that ends is not started again
        self._backoff_s = backoff_s
        self._healthy_s = healthy_s
        self._clock = clock
        self._monotonic = monotonic
        self._told_after_s = told_after_s
        self._check_s = check_s

    async def keep(self, name: str, loop: Loop) -> None:
        """Run the loop until cancelled, again after each failure, with growing pauses. Raises `StartError`.

        Call it in a task of its own.
        """
        state = self.states[name] = LoopState(clock=self._clock, monotonic=self._monotonic)
        _current.set(state)
        LOOP_UP.labels(name).set_function(lambda: float(state.trouble(self._told_after_s) is None))
        try:
            with patience.endless() if loop.is_patient else nullcontext():
                while not self.is_stopping:
                    await self._run_once(name, loop, state)
        finally:
            state.is_stopping = True
            await _finish(name, loop)

    async def watch(self) -> None:
        """Tell the operator which loops have not worked for a while, and which of them work again, until cancelled."""
        while True:
            for name, state in self.states.items():
                self._tell(name, state)
            await pause(self._check_s)

    def stop(self) -> None:
        """Start no loop again. The caller cancels their tasks."""
        self.stopping_since = self._clock()

    @property
    def is_stopping(self) -> bool:
        return self.stopping_since is not None

    @property
    def troubles(self) -> Mapping[str, Trouble]:
        """The loops that do not work, by name."""
        found = {name: state.trouble(self._told_after_s) for name, state in self.states.items()}
        return {name: trouble for name, trouble in found.items() if trouble is not None}

    @property
    def lasting_troubles(self) -> Mapping[str, Trouble]:
        """Those of which the operator is told."""
        return {name: trouble for name, trouble in self.troubles.items() if self._lasts(trouble)}

    def _lasts(self, trouble: Trouble) -> bool:
        return self._clock() - trouble.since > self._told_after_s * 1000

    async def _run_once(self, name: str, loop: Loop, state: LoopState) -> None:
        state.turn_began = began = self._monotonic()
        try:
            await loop.run()
            if self.is_stopping:
                return
            error: Exception = RuntimeError("the loop has ended")
        except Exception as failure:  # noqa: BLE001  it is logged below, and the loop starts again
            error = failure
        if _is_cancelled():
            raise asyncio.CancelledError  # the failure of what was in progress must not keep it alive
        _raise_start_error(error)
        state.failures += 1
        LOOP_FAILURES.labels(name).inc()
        state.in_a_row = 1 if self._monotonic() - began > self._healthy_s else state.in_a_row + 1
        state.turn_began = None
        state.failed = Trouble(since=state.failed.since if state.failed else self._clock(), reason=reason_of(error))
        _log_failure(name, state, error)
        await asyncio.sleep(self._backoff_s(state.in_a_row))

    def _tell(self, name: str, state: LoopState) -> None:
        trouble = state.trouble(self._told_after_s)
        if trouble is None:
            if state.is_told:
                log.warning("background loop not working is over", loop=name)
            state.is_told = False
        elif not state.is_told and self._lasts(trouble):
            state.is_told = True
            log.critical(
                "background loop not working",
                loop=name,
                since=trouble.since_utc,
                reason=trouble.reason,
                do="It is tried again by itself. If it stays, restart the bot and report the traceback in the log.",
            )


# --- for the loops ---------------------------------------------------------------------------------------------------

_current: ContextVar[LoopState | None] = ContextVar("loop_state", default=None)


@contextmanager
def resting(*, is_done: bool = True) -> Iterator[None]:
    """The current loop has made its turn, so it works, and waits for more within this context.

    `is_done=False`: it is amid a long turn, which goes on and may still fail.
    """
    state = _current.get()
    if state is None:  # not supervised, as in tests of one loop
        yield
        return
    state.failed = None if is_done else state.failed
    state.turn_began = None
    yield
    state.turn_began = state.monotonic()


async def pause(seconds: float, *, is_done: bool = True) -> None:
    """Rest between two turns of the current loop, or amid a long one."""
    with resting(is_done=is_done):
        await asyncio.sleep(seconds)


@contextmanager
def apart() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """`with apart() as attempt`: what fails within one `with attempt()` keeps nothing else from being done.

    Raises the failures together at the end, as an `ExceptionGroup`.
    """
    failures: list[Exception] = []

    @contextmanager
    def attempt() -> Iterator[None]:
        try:
            yield
        except StartError:
            raise
        except Exception as error:  # noqa: BLE001  raised below
            failures.append(error)

    yield attempt
    if failures:
        raise ExceptionGroup("parts of the turn failed", failures)


# --- failures --------------------------------------------------------------------------------------------------------


def reason_of(error: BaseException) -> str:
    """For people, without what an unknown error's own text may hold: ids, secrets, prompts."""
    first = next(_leaves(error))
    return first.sentence if isinstance(first, EaselError) else type(first).__name__


async def _finish(name: str, loop: Loop) -> None:
    try:
        if loop.finish is not None:
            await loop.finish()
    except Exception:  # the others are still finishing
        log.exception("background loop not finished", loop=name)


def _log_failure(name: str, state: LoopState, error: Exception) -> None:
    """With a traceback the first time that it fails in this way."""
    kind = ", ".join(sorted({_kind(leaf) for leaf in _leaves(error)}))
    state.kinds[kind] += 1
    count = state.kinds[kind]
    log.error("background loop failed", loop=name, kind=kind, count=count, exc_info=error if count == 1 else None)


def _kind(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].name}, line {frames[-1].lineno}" if frames else type(error).__name__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _raise_start_error(error: Exception) -> None:
    for leaf in _leaves(error):
        if isinstance(leaf, StartError):
            raise leaf


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
