"""The store, independent of the database: it runs plain functions of a Connection, each as one transaction.

While the database is away, everything is tried again until the patience of its caller is over (`bot.core.running.patience`). A write
whose caller has given up is never run afterwards; if it is just being committed, the caller learns that it may have been saved.
"""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextvars import Context, copy_context
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from threading import Lock
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar
from weakref import WeakSet

import structlog
from sqlalchemy import Connection, Dialect, Table

from bot.core.errors import DatabaseAway, DatabaseDamaged, EaselError, StartError
from bot.core.metrics import COMMIT_WRITES, WRITE_SECONDS, WRITES_WAITING
from bot.core.running import idempotency, patience
from bot.core.running.coordination import AlwaysGranted, Coordination
from bot.core.running.idempotency import IdempotencyKey
from bot.store.engine import outage, request_keys
from bot.store.engine.outage import Availability, Away, Work
from bot.store.engine.schema import Migration

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)

GROUP_MAX = 64  # writes in one commit; the last one waits for all before it
_PROCESS = "process"  # key in a connection's `info`: the id of the process that writes
_ANNOUNCED = "announced"  # key in a connection's `info`: what the current write announces


class Topic(StrEnum):
    """What background loops wait for."""

    QUEUE = "queue"  # a generation waits to be sent, or one ended and another may be sent
    CHECKS = "checks"  # a prompt must be checked
    LOST = "lost"  # the answer to a submission was lost
    RUNNING = "running"  # a provider accepted a generation, or a running one must be read
    # An outbox item was added or is due sooner than before, by its pool (`bot.domain.outbox.Pool`).
    RESULTS = "results"
    MEMBERS = "members"
    MODERATORS = "moderators"
    # What processes keep in memory, and others have changed. The key says which: a guild, a member.
    GUILD_SETTINGS = "guild settings"
    PREFERENCES = "preferences"
    MODELS = "models"
    PROVIDERS = "providers"
    ADOPTED = "adopted"  # a process has taken over open jobs of another


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a commit changed."""

    topic: Topic
    key: str = ""  # what of it, for those who keep it in memory


Forget = Callable[[str | None], None]
"""Forget what another process has changed: the key of its announcement, or None for everything, because some may have been missed."""


class Subscription:
    """Wakes one loop when a commit concerns its topics. Several wake-ups before the next `wait` count as one."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Called by the store after a commit, and by a loop itself for events that are not in the database."""
        self._awake.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a wake-up; return immediately if there was one since the last wait. False if `timeout_s` passed without one."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._awake.wait()
        except TimeoutError:
            return False
        finally:
            self._awake.clear()


class WriteStage(Enum):
    """Of a write, until it has ended."""

    WAITING = auto()  # queued, or running in a transaction that can still be rolled back
    COMMITTING = auto()
    WITHDRAWN = auto()  # its caller has given up: it must not run any more


_STAGES: Final = Lock()  # the event loop withdraws writes, SQLite's thread commits them


@dataclass(slots=True, eq=False)
class Write:
    """An operation that was queued."""

    op: Callable[[Connection], Any]
    done: asyncio.Future[Any]  # cancelled if the caller no longer waits
    is_patient: bool  # of a background loop
    context: Context  # the caller's: error sentences use its language
    key: IdempotencyKey | None = None  # of the request that the caller handles
    stage: WriteStage = WriteStage.WAITING
    runs_alone: bool = False  # it, or another one of its group, failed
    failures: int = 0  # attempts in a row that failed because the database was away

    def run(self, conn: Connection) -> Any:
        return self.context.run(self.op, conn)


class Withdrawn(Exception):
    """A write of this transaction was withdrawn: roll back, and run the others again."""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """How a write ended."""

    value: Any = None
    error: BaseException | None = None
    announced: Set[Announcement] = frozenset()


class Reader(ABC):
    """Runs queries: synchronous functions `query(conn, ...)` that only read and must not keep the connection."""

    @abstractmethod
    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query` on one snapshot of everything committed before it. A query that tries to write fails."""


class Store(Reader):
    """Runs operations: synchronous functions `op(conn, ...)` that must not commit, roll back or keep the connection.

    They run one at a time, so an operation may count rows before it inserts more. It may run again from the start if its transaction
    fails, so it must have no effect outside the database.
    """

    migration: Migration  # what opening the store did to the schema
    is_shared: bool = False  # other processes may write to the same database
    process_id: int | None = None  # of this process, while it takes part; see `bot.store.cluster.processes`
    commits: int = 0  # transactions committed since it was opened; one may hold many writes

    def __init__(self, migration: Migration) -> None:
        self._reading: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._subscribers: defaultdict[Topic, WeakSet[Subscription]] = defaultdict(WeakSet)
        self._forgetful: defaultdict[Topic, list[Forget]] = defaultdict(list)
        self.coordination: Coordination = AlwaysGranted()
        self._wrote: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._availability = Availability()
        self._damaged: DatabaseDamaged | None = None
        self._ends_at = math.inf  # `time.monotonic` after which nothing is tried again
        self.migration = migration

    @property
    def away_since(self) -> int | None:
        """Unix ms; None while the database answers."""
        return self._availability.since

    def hurry(self, within_s: float) -> None:
        """Give up what a database that is away still owes after so many seconds: the process is to end."""
        self._ends_at = min(self._ends_at, time.monotonic() + within_s)

    def subscribe(self, *topics: Topic) -> Subscription:
        """Subscribe to topics. The store keeps only a weak reference: the caller must hold the subscription."""
        subscription = Subscription()
        for topic in topics:
            self._subscribers[topic].add(subscription)
        return subscription

    def wake(self, *topics: Topic) -> None:
        """Wake the subscribers of these topics. Only for events that are not in the database, such as a provider that recovered."""
        for topic in topics:
            for subscription in self._subscribers[topic]:
                subscription.wake()

    def when_changed_elsewhere(self, topic: Topic, forget: Forget) -> None:
        """Call `forget` whenever another process has announced this topic."""
        self._forgetful[topic].append(forget)

    async def write(self, op: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `op` in one transaction, durable on return. An exception from `op` rolls back that operation only and is raised here.

        Cancelling the caller stops the waiting, not the write. Raises `DatabaseAway` if nothing was written within the caller's patience,
        and `MaybeSaved` if that is not certain; `AlreadyDone` if the request that the caller handles was carried out before.
        """
        self._check_open()
        loop, patience_s = asyncio.get_running_loop(), patience.current_s()
        done = loop.create_future()
        write = Write(lambda conn: op(conn, *args, **kwargs), done, patience_s == math.inf, copy_context(), idempotency.current())
        timer = None if write.is_patient else loop.call_later(patience_s, self._give_up, write)
        self._begin(write)
        try:
            with WRITES_WAITING.track_inprogress(), WRITE_SECONDS.time():
                value: T = await done
        except DatabaseAway as error:
            raise self._honest(error) from None
        finally:
            if timer is not None:
                timer.cancel()
        if (task := asyncio.current_task()) is not None:
            self._wrote.add(task)
        return value

    def _honest(self, error: DatabaseAway) -> DatabaseAway:
        """For a caller that has written something before: it cannot be told that nothing was."""
        return outage.maybe_saved() if asyncio.current_task() in self._wrote else error

    def _give_up(self, write: Write, *, is_last: bool = False) -> None:
        """The caller's patience is over."""
        if write.done.done():
            return
        with _STAGES:
            is_committing = write.stage is WriteStage.COMMITTING
            if is_last or not is_committing:
                write.stage = WriteStage.WITHDRAWN
        if not is_committing:
            write.done.set_exception(outage.away_error())
        elif is_last:
            write.done.set_exception(outage.maybe_saved())
        else:
            write.done.get_loop().call_later(outage.LIMITS.commit_s, lambda: self._give_up(write, is_last=True))

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As described at `Reader`. Raises `DatabaseAway` if the database did not answer within the caller's patience."""
        self._check_open()
        context, patience_s = copy_context(), patience.current_s()  # error sentences use the caller's language, also on a reader thread
        answer = self._read_until_answered(lambda conn: context.run(query, conn, *args, **kwargs), time.monotonic() + patience_s)
        reading = asyncio.create_task(answer, name="store read")
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        try:
            # Cancelling a read midway would leave its connection checked out, and `close` would wait for it indefinitely.
            await asyncio.wait([reading], timeout=None if patience_s == math.inf else patience_s)
            if not reading.done():
                raise outage.away_error()
            return reading.result()
        except DatabaseAway as error:
            raise self._honest(error) from None
        except DatabaseDamaged as error:
            raise (error if patience_s == math.inf else outage.away_error()) from None
        finally:
            if not reading.done():
                reading.add_done_callback(_log_if_failed)

    async def _read_until_answered(self, op: Callable[[Connection], T], until: float) -> T:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                result = await self._read(op)
            except Exception as error:
                if (away := self._away(error, Work.READS)) is None:
                    raise
                failures += 1
                pause_s = self._availability.failed(Work.READS, away, failures=failures, began=began)
                if time.monotonic() + pause_s >= min(until, self._ends_at):
                    raise outage.away_error() from error
            else:
                self._availability.answered(Work.READS)
                return result
            await asyncio.sleep(pause_s)

    def _away(self, error: BaseException, work: Work) -> Away | None:
        """Why it must be tried again; None if the error goes to the caller. Raises `DatabaseDamaged`."""
        if isinstance(error, EaselError):
            return None
        if (damage := self._damage_of(error)) is not None:
            raise self._found_damaged(damage)
        return self._away_of(error, work)

    @abstractmethod
    def _away_of(self, error: BaseException, work: Work) -> Away | None:
        """Why the database did not do it, if it may do the same later."""

    @abstractmethod
    def _damage_of(self, error: BaseException) -> str | None:
        """What the error says of damaged files, if it does."""

    @abstractmethod
    async def _read(self, op: Callable[[Connection], T]) -> T:
        """Run `op` in a read-only transaction, once."""

    async def _finish_reads(self) -> None:
        """For `close`: wait until the running reads have returned their connections."""
        await asyncio.gather(*self._reading, return_exceptions=True)

    @abstractmethod
    def _begin(self, write: Write) -> None:
        """Queue the write without waiting. `_finish` is called with it after the commit."""

    # --- for the engines' writers ---

    def _begin_commit(self, group: Iterable[Write]) -> None:
        """From now on it is not certain that the transaction can be rolled back. Raises `Withdrawn`."""
        with _STAGES:
            if any(write.stage is WriteStage.WITHDRAWN for write in group):
                raise Withdrawn
            for write in group:
                write.stage = WriteStage.COMMITTING

    def _rolled_back(self, group: Sequence[Write], error: BaseException, *, began: float) -> float | None:
        """After an attempt that was not committed: the seconds until the next one; None if `_fail` is to be called."""
        with _STAGES:
            for write in group:
                if write.stage is WriteStage.COMMITTING:
                    write.stage = WriteStage.WAITING
        if isinstance(error, Withdrawn):
            return 0
        try:
            away = self._away(error, Work.WRITES)
        except DatabaseDamaged:
            return None
        if away is None:
            return None
        for write in group:
            write.failures += 1
        pause_s = self._availability.failed(Work.WRITES, away, failures=max(write.failures for write in group), began=began)
        return None if time.monotonic() + pause_s >= self._ends_at else pause_s

    def _fail(self, group: Sequence[Write], error: BaseException) -> None:
        """Raise the error in the callers. One that is about the database gets a sentence in each caller's language."""
        self._finish(group, [WriteResult(error=self._told(write, error)) for write in group])

    def _told(self, write: Write, error: BaseException) -> BaseException:
        if self._damaged is not None and not isinstance(error, EaselError):
            error = self._damaged
        if isinstance(error, StartError):  # what it says is for the operator: a loop ends the process with it
            return error if write.is_patient else write.context.run(outage.away_error)
        is_away = not isinstance(error, EaselError) and self._away_of(error, Work.WRITES) is not None
        return write.context.run(outage.away_error) if is_away else error

    def _finish(self, group: Sequence[Write], results: Sequence[WriteResult]) -> None:
        """After the commit: return results to the callers, then wake subscribers."""
        COMMIT_WRITES.observe(len(group))
        for write, result in zip(group, results, strict=True):
            if write.done.done():  # the caller was cancelled, or its patience is over
                if result.error is not None and not isinstance(result.error, DatabaseAway):
                    log.error("an operation failed after its caller was cancelled", exc_info=result.error)
            elif result.error is not None:
                write.done.set_exception(result.error)
            else:
                write.done.set_result(result.value)
        self.wake(*{each.topic for result in results for each in result.announced})

    def _found_damaged(self, damage: str) -> DatabaseDamaged:
        """Note it: from now on nothing is read or written. May be called by any thread."""
        if self._damaged is None:
            self._damaged = DatabaseDamaged(f"The database is damaged ({damage}); restore a backup.")
            self._availability.damaged(damage)
        return self._damaged

    @abstractmethod
    async def overwrite_deleted(self) -> bool:
        """Remove what was deleted from the database's files too. False if it must be tried again, because something is reading."""

    @abstractmethod
    async def shrink(self) -> int:
        """Return some of the space of deleted rows to the file system. Returns how many pages; 0 if there is nothing to do."""

    @abstractmethod
    async def sizes(self) -> Mapping[str, int]:
        """The bytes of the database, by part: "data", and "log" for a write-ahead log in a file of its own."""

    @abstractmethod
    async def close(self) -> None:
        """Finish every write that was begun, then close the database."""

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the store is closed")
        if self._damaged is not None:  # the loops end the process; members need not know why
            raise self._damaged if patience.current_s() == math.inf else outage.away_error()


def _log_if_failed(done: asyncio.Future[T]) -> None:
    if not done.cancelled() and (error := done.exception()) and not isinstance(error, DatabaseAway):
        log.error("an operation failed after its caller was cancelled", exc_info=error)


def announce(conn: Connection, topic: Topic, key: object = "") -> None:
    """Wake the subscribers of `topic` in every process after this transaction has committed; never if it rolls back."""
    conn.info.setdefault(_ANNOUNCED, set()).add(Announcement(topic, str(key)))


def process_of(conn: Connection) -> int | None:
    """The process that writes, for what it claims; None outside of one."""
    process_id: int | None = conn.info.get(_PROCESS)
    return process_id


def attempt(conn: Connection, write: Write, process_id: int | None) -> WriteResult:
    """Run a write of a process. Raises what its operation raises."""
    conn.info[_PROCESS] = process_id
    announced = conn.info[_ANNOUNCED] = set[Announcement]()  # new: a failed operation may have left some
    if write.key is not None:
        request_keys.store(conn, write.key)
    return WriteResult(value=write.run(conn), announced=announced)


def upsert(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT with `on_conflict_do_nothing` and `on_conflict_do_update`, in this dialect."""
    if dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # imported here because each dialect takes memory, and one is used

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
