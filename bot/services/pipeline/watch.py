"""Watches running generations until they end. A complete event settles one; a read does what events do not."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import MachineTrouble, ProviderError, ProviderRefused
from bot.core.i18n import N_
from bot.core.metrics import STREAM_EVENTS, STREAM_LOST, STREAM_UP
from bot.core.running.loops import Batch, Timing, Worker
from bot.core.running.supervision import Loop, Loops, pause, resting
from bot.domain.failures import failed
from bot.domain.job import Failure, Generation, GenerationState, Outcome
from bot.domain.queueing.first_read import FirstRead
from bot.providers.provider import Event, GenerationReport, Provider, ReportState
from bot.services.orders import Orders
from bot.store import claims, jobs, steps
from bot.store.cluster import provider_states
from bot.store.engine.base import Store, Topic

log = structlog.get_logger(__name__)

Key = tuple[str, int]  # a job's id, and which of its generations

_NEVER = 2**62  # Unix ms
_CALLS_AT_A_TIME = 32
_READS_AT_A_TIME = 128  # a read also waits for two transactions, which are shorter for many together: after a gap of the stream
_EARLY_MAX = 1000  # events kept until the response to their enqueue arrives
_HEALTHY_MS = 30_000  # a stream that lasted this long resets the count of failures
_FORGOTTEN_MS = 120_000  # a generation that the image API does not know for this long has failed
_LATE_MS = 60_000  # after the deadline and a request to cancel it, a generation of which no end is known for this long has failed
_CANCELLED_MS = 30_000  # a cancelled generation of which no end is known after this time ends all the same
_USUAL_MS = 30_000  # of a model without images yet
_CANCELLED_THERE = N_("The image service cancelled this image.")
_FORGOTTEN = N_("The image service lost this request.")
_NO_LINK = N_("The image service finished without an image.")


class Watch:
    """Settles the running generations of one image API: by events, and by reads of those that are due.

    The store says what is running there. The current mode of sending does not matter, because generations from before a change of the
    settings must end too.
    """

    def __init__(self, *, store: Store, provider: Provider, orders: Orders, give_up_ms: int, timing: Timing, clock: Clock) -> None:
        self._store = store
        self._provider = provider
        self._orders = orders
        self._give_up_ms = give_up_ms
        self._timing = timing
        self._clock = clock
        self._reads = Worker(
            f"watch {provider.name}",
            size=_READS_AT_A_TIME,
            claim=self._claim,
            work=self._read,
            key=_key,
            wakeups=store.subscribe(Topic.RUNNING),
        )
        self._calls = asyncio.Semaphore(_CALLS_AT_A_TIME)
        self._early: OrderedDict[str, tuple[int, Event]] = OrderedDict()  # events with an unknown id, and when they came (Unix ms)
        # Since when (Unix ms): the image API does not know a generation, its member has cancelled it, its deadline is over.
        self._unknown_since: dict[Key, int] = {}
        self._cancelled_since: dict[Key, int] = {}
        self._late_since: dict[Key, int] = {}
        self._accepted = store.subscribe(Topic.RUNNING)
        self._is_connected = False

    def loops(self, *, grace_s: float) -> Loops:
        """The reads and, if there is one, the event stream; running reads have `grace_s` seconds to finish at the stop."""
        stream = {f"events {self._provider.name}": Loop(run=self._listen)} if self._provider.streams else {}
        return {**stream, self._reads.name: self._reads.loop(grace_s=grace_s)}

    async def first_read(self, model: str, *, sent_at: int) -> FirstRead:
        """When to read a generation that is accepted now: with a stream after twice the usual time. `sent_at`: when its sending began."""
        usual_ms, now = await self._orders.usual_ms(model) or _USUAL_MS, self._clock()
        slow_ms, soon_ms = 1000 * self._timing.slow_s, 1000 * self._timing.poll_max_s
        return FirstRead(
            provider=self._provider.name if self._provider.streams else None,
            now=now,
            sent_at=sent_at,
            polled_at=now + int(1000 * self._timing.poll_min_s),
            patient_at=now + int(min(slow_ms, max(soon_ms, 2 * usual_ms), self._give_up_ms / 4)),
        )

    # --- events --------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        failures = 0
        while True:
            began = self._clock()
            try:
                async with self._provider.listen() as events:
                    await self._store.write(provider_states.set_stream_since, self._provider.name, self._clock())
                    log.info("event stream connected", provider=self._provider.name)
                    self._set_connected(True)
                    with self._beside(self._catch_up, self._handle_early), resting():  # an event may never come
                        async for event in events:
                            STREAM_EVENTS.labels(self._provider.name).inc()
                            await self._handle(event)
            except (ProviderError, MachineTrouble) as error:
                STREAM_LOST.labels(self._provider.name).inc()
                failures = 1 if self._clock() - began > _HEALTHY_MS else failures + 1
                reason = error.sentence
                log.warning("event stream lost, polling", provider=self._provider.name, reason=reason, failures=failures)
            except Exception:
                await self._poll()  # until the supervisor has started this loop again
                raise
            finally:
                self._set_connected(False)
            await self._poll()
            await pause(self._timing.backoff_s(max(failures, 1)))

    @contextmanager
    def _beside(self, *runs: Callable[[], Coroutine[Any, Any, None]]) -> Iterator[None]:
        """Run these within the block. What they fail to do, later reads do."""

        async def logged(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
            try:
                await run()
            except Exception:
                log.exception("work failed", worker=f"events {self._provider.name}", key=run.__name__)

        tasks = [asyncio.create_task(logged(run), name=f"{run.__name__} {self._provider.name}") for run in runs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def _poll(self) -> None:
        """Read what is running soon: its events may be missed."""
        self._set_connected(False)
        await self._store.write(_unheard, self._provider.name, self._clock() + int(self._timing.poll_min_s * 1000))

    def _set_connected(self, connected: bool) -> None:
        self._is_connected = connected
        STREAM_UP.labels(self._provider.name).set(connected)

    async def _catch_up(self) -> None:
        """Events without a connection are lost: read what is no longer active at the image API, or everything if it cannot say."""
        try:
            active = await self._provider.active()
        except (ProviderError, MachineTrouble) as error:
            log.warning("list of active generations failed", provider=self._provider.name, reason=error.sentence)
            active = None
        now = self._clock()
        later = now + int(self._timing.poll_max_s * 1000)  # an event says of what goes on when it has ended
        await self._store.write(steps.read_ended, self._provider.name, active, now, later=later)

    async def _handle(self, event: Event) -> None:
        """Settle a generation by a complete event; after another one, read it."""
        outcome = None if event.report is None or event.report.is_unread else _complete(event.report)
        self._keep_early(event)  # before the write: the response to its enqueue may be written concurrently
        if await self._store.write(steps.reported, self._provider.name, event.provider_id, outcome, self._clock()):
            self._early.pop(event.provider_id, None)

    async def _handle_early(self) -> None:
        """Handle events that came before the id of their generation was recorded, by any process, once it is."""
        while True:
            await self._accepted.wait(timeout_s=self._timing.slow_s)
            if self._early:
                for provider_id in await self._store.read(jobs.claimed, self._provider.name, list(self._early)):
                    if (kept := self._early.get(provider_id)) is not None:
                        await self._handle(kept[1])

    def _keep_early(self, event: Event) -> None:
        """Keep the event for a short while: its generation may get the id later, or it is not the bot's."""
        now = self._clock()
        self._early[event.provider_id] = now, event
        oldest = next(iter(self._early))
        while len(self._early) > _EARLY_MAX or now - self._early[oldest][0] > self._timing.early_s * 1000:
            del self._early[oldest]
            oldest = next(iter(self._early))

    # --- reads ---------------------------------------------------------------------------------------------------

    async def _claim(self, free: int, active: frozenset[Hashable]) -> Batch[Generation]:
        """With a stream, what takes longer than usual; without one, everything, and sooner what is newer."""
        now, timing = self._clock(), self._timing
        overdue_s = min(timing.slow_s, max(timing.poll_max_s, timing.slow_s / 4), self._give_up_ms / 8000)
        soon_s, later_s = (timing.poll_max_s, overdue_s) if self._is_connected else (timing.poll_min_s, timing.poll_max_s)
        due = await self._store.write(
            claims.to_read,
            self._provider.name,
            now,
            free=free,
            new_since=_NEVER if self._is_connected else now - int(4000 * timing.poll_max_s),
            soon=now + int(soon_s * 1000),
            later=now + int(later_s * 1000),
        )
        # A read may take longer than the pause until the next one.
        return Batch(work=[each for each in due if _key(each) not in active], pause_s=min(soon_s, later_s))

    async def _read(self, generation: Generation) -> None:
        provider_id, key = generation.provider_id or "", _key(generation)
        is_late = self._clock() > self._deadline(generation)
        try:
            if generation.cancel_requested or is_late:
                await self._cancel(generation, provider_id)
            outcome = await self._read_outcome(generation, provider_id, is_late=is_late)
        except MachineTrouble:
            return  # the image API was not asked, so nothing is known; it is due again soon
        outcome = outcome or self._overdue_outcome(generation, is_late=is_late)
        if outcome is not None:
            for since in (self._unknown_since, self._cancelled_since, self._late_since):
                since.pop(key, None)
            await self._orders.settle(generation, outcome)

    def _deadline(self, generation: Generation) -> int:
        """When it should have ended (Unix ms): so long after it was sent, or earlier if it had waited for the image API before.

        What waited longer than that waited in Easel's own queue, and has its whole time from then on.
        """
        sent_at = generation.submitted_at or generation.created_at
        if sent_at - generation.created_at > self._give_up_ms:
            return sent_at + self._give_up_ms
        return min(sent_at, generation.created_at + self._give_up_ms - self._patience_ms(_LATE_MS)) + self._give_up_ms

    async def _read_outcome(self, generation: Generation, provider_id: str, *, is_late: bool) -> Outcome | None:
        """What the image API says of it; `None` if it says nothing or that there is no end yet."""
        try:
            async with self._calls:
                report = await self._provider.read(provider_id)
        except ProviderRefused:
            report = None  # a retry would be refused as well
        except ProviderError as error:
            log.warning("generation read failed", job=generation.job_id, n=generation.n, reason=error.sentence)
            return None
        if report is None:
            return self._unknown_outcome(_key(generation))
        if report.is_unread and await self._store.write(steps.send_inline, *_key(generation), now=self._clock()):
            log.info("reference link unread, sent inline", job=generation.job_id, n=generation.n, provider=generation.provider)
            return None
        self._unknown_since.pop(_key(generation), None)
        return self._outcome(generation, report, is_late=is_late)

    async def _cancel(self, generation: Generation, provider_id: str) -> None:
        """Try to cancel it at the image API; the read afterwards says whether that worked."""
        try:
            await self._provider.cancel(provider_id)
        except ProviderError as error:
            log.warning("generation cancel failed", job=generation.job_id, n=generation.n, reason=error.sentence)

    def _unknown_outcome(self, key: Key) -> Outcome | None:
        """Failed, if the image API has not known the generation for a while; a single such response may be a mistake."""
        return failed(Failure.FAULT, _FORGOTTEN) if self._lasts(self._unknown_since, key, _FORGOTTEN_MS) else None

    def _overdue_outcome(self, generation: Generation, *, is_late: bool) -> Outcome | None:
        """An end all the same, a while after the member cancelled it or its deadline was over. The bot may have been offline until now."""
        key = _key(generation)
        if generation.cancel_requested and self._lasts(self._cancelled_since, key, _CANCELLED_MS):
            return Outcome(state=GenerationState.CANCELLED)
        return failed(Failure.TIMEOUT) if is_late and self._lasts(self._late_since, key, _LATE_MS) else None

    def _lasts(self, since: dict[Key, int], key: Key, patience_ms: int) -> bool:
        """Whether a trouble has lasted long enough, measured from the first call. With a short deadline, it need not last so long."""
        return self._clock() - since.setdefault(key, self._clock()) > self._patience_ms(patience_ms)

    def _patience_ms(self, most: int) -> int:
        return min(most, self._give_up_ms // 4)

    def _outcome(self, generation: Generation, report: GenerationReport, *, is_late: bool) -> Outcome | None:
        """The outcome of a report; `None` while there is nothing to settle."""
        match report.state:
            case ReportState.SUCCEEDED if report.result_url is None and not is_late:
                return None  # its link may come a little later
            case ReportState.SUCCEEDED:
                return _complete(report) or failed(Failure.FAULT, _NO_LINK)
            case ReportState.FAILED:
                return _complete(report) or failed(Failure.FAULT, "")
            case ReportState.CANCELLED if generation.cancel_requested:
                return Outcome(state=GenerationState.CANCELLED)
            case ReportState.CANCELLED:
                return failed(Failure.TIMEOUT) if is_late else failed(Failure.FAULT, _CANCELLED_THERE)
            case _:
                return None


def _unheard(conn: Connection, provider: str, read_at: int) -> None:
    """No process hears the events: read what is running soon. In one transaction, so that nothing is accepted in between."""
    provider_states.set_stream_since(conn, provider, None)
    steps.read_running_at(conn, provider, read_at)


def _complete(report: GenerationReport) -> Outcome | None:
    """The outcome of a complete report; None if something is missing."""
    if report.state is ReportState.SUCCEEDED and report.result_url is not None:
        return Outcome(state=GenerationState.SUCCEEDED, result_url=report.result_url)
    return failed(Failure.FAULT, report.error) if report.state is ReportState.FAILED and report.error is not None else None


def _key(generation: Generation) -> Key:
    return generation.job_id, generation.n
