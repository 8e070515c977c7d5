"""Keeps small promises when their time comes: a message to take away, a member to call, a reaction to mark."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Protocol

import structlog

from bot import i18n
from bot.clock import Clock
from bot.errors import DeliveryError, RouteClosed
from bot.jobs.job import Job
from bot.jobs.pace import Crew, Pace
from bot.metrics import ERRANDS
from bot.store import errands, jobs
from bot.store.engine import Store, Topic
from bot.store.errands import Errand, ErrandKind

log = structlog.get_logger(__name__)

_AT_A_TIME = 4
_CLERKS = 2  # at a time for what moderators and galleries are shown: a busy log holds up no member
_FOR_CLERKS = frozenset({ErrandKind.CASE, ErrandKind.LOG, ErrandKind.GALLERY})
_TRIES = 30  # a day and a bit: what was decided is done, whatever Discord's day is like
_TRIES_TO_CALL = 5  # three quarters of an hour; afterwards nobody is surprised any more that it is finished
_TO_CALL = frozenset({ErrandKind.PING, ErrandKind.TELL, ErrandKind.MARK})
_LATE_MS = 86_400_000  # what is so late and fails is not tried again


class Messenger(Protocol):
    """The way to Discord."""

    async def carry_out(self, errand: Errand, job: Job | None) -> None:
        """Do it, for `job` where it has one that is still known. May be repeated: look first where `attempts` says that it was tried.

        Raise `RouteClosed` where nothing can be done any more, `TryLater` where it may be possible later.
        """
        ...


def after_delivery(job: Job, *, came: bool, direct: bool | None, tell: bool, now: int) -> Iterator[Errand]:
    """What a delivery leaves to be done. `job` is as it was before, `came` whether it has pictures.

    `direct` tells whether it was shown by direct message, which calls its member by itself (`None`: it was not shown at all);
    `tell` is its member's own wish for one.
    """
    place = job.place
    common: dict[str, Any] = {"due_at": now, "user_id": place.user_id, "job_id": job.id}
    taken_back = job.cancel_requested_at is not None and not came
    if job.reaction is not None and place.reply_to is not None:
        made = None if taken_back else came
        yield Errand(kind=ErrandKind.MARK, **common, data={"channel_id": place.channel_id, "message_id": place.reply_to, "made": made})
    if direct is not False or taken_back:
        return
    if job.ping_promised:
        living = place.private and place.token_lives(now)
        yield Errand(kind=ErrandKind.PING, **common, data={"token": place.token, "application_id": place.application_id} if living else {})
    if tell and not (job.ping_promised and place.private):  # to a private picture both call by direct message
        yield Errand(kind=ErrandKind.TELL, **common)


class Errands:
    """The errands' loop and crews. An errand is given up after some tries: soon, if it only calls somebody."""

    def __init__(self, *, store: Store, messenger: Messenger, pace: Pace, clock: Clock) -> None:
        self._store = store
        self._messenger = messenger
        self._pace = pace
        self._clock = clock
        self._outbox = store.subscribe(Topic.OUTBOX)
        self._crew = Crew("errands", size=_AT_A_TIME, on_end=self._outbox.wake)
        self._clerks = Crew("clerks", size=_CLERKS, on_end=self._outbox.wake)

    async def run(self, *, grace_s: float) -> None:
        """Until cancelled; what is being done then is given `grace_s` to finish."""
        try:
            while True:
                now = self._clock()
                await self.turn(now)
                due = await self._store.read(errands.next_due, now)
                pause_s = self._pace.slow_s if due is None else (due - self._clock()) / 1000
                await self._outbox.wait(timeout_s=min(max(pause_s, 0), self._pace.slow_s))
        finally:
            await asyncio.gather(self._crew.finish(grace_s), self._clerks.finish(grace_s))

    async def turn(self, now: int) -> None:
        """One look at what is due."""
        for crew, kinds in ((self._crew, frozenset(ErrandKind) - _FOR_CLERKS), (self._clerks, _FOR_CLERKS)):
            for errand in await self._store.read(errands.due, now, kinds=kinds):
                crew.put_to_work(errand.id, self._take(errand.id, now))

    async def _take(self, errand_id: str, now: int) -> None:
        """Read it anew: while it waited for a place somebody may have done or dropped it."""
        errand = await self._store.read(errands.get, errand_id)
        if errand is None or errand.due_at > now:
            return
        again_at = self._clock() + int(self._pause_s(errand) * 1000)
        if await self._store.write(errands.take_up, errand.id, again_at=again_at):
            await self._try(errand)

    async def _try(self, errand: Errand) -> None:
        job = await self._store.read(jobs.get, errand.job_id) if errand.job_id else None
        try:
            with i18n.speaking(job.place.locale if job else None):
                await self._messenger.carry_out(errand, job)
        except RouteClosed as error:
            log.info("an errand has no way any more", errand=errand.id, kind=errand.kind, reason=error.sentence)
            await self._end(errand, "closed")
        except DeliveryError as error:
            await self._failed(errand, error.sentence, getattr(error, "retry_after_s", None))
        except Exception as error:
            await self._failed(errand, type(error).__name__, None)
            raise
        else:
            await self._end(errand, "done")

    async def _failed(self, errand: Errand, reason: str, retry_after_s: float | None) -> None:
        tries = _TRIES_TO_CALL if errand.kind in _TO_CALL else _TRIES
        if errand.attempts + 1 >= tries or self._clock() - errand.due_at > _LATE_MS:
            log.warning("an errand is given up", errand=errand.id, kind=errand.kind, reason=reason)
            await self._end(errand, "given up")
            return
        log.info("an errand is tried again later", errand=errand.id, kind=errand.kind, reason=reason)
        if retry_after_s is not None:
            await self._store.write(errands.postpone, errand.id, due_at=self._clock() + int(retry_after_s * 1000))

    async def _end(self, errand: Errand, outcome: str) -> None:
        await self._store.write(errands.done, errand.id)
        ERRANDS.labels(errand.kind, outcome).inc()

    def _pause_s(self, errand: Errand) -> float:
        """Until the next try: seconds at first, half an hour before the last."""
        return self._pace.backoff_s(3 * (errand.attempts + 1), longest_s=self._pace.stranded_s)
