"""The store, independent of the database: it runs plain functions of a Connection, each as one transaction."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

import structlog
from sqlalchemy import Connection, Dialect, Table

from bot.core.metrics import COMMIT_WRITES, WRITE_SECONDS, WRITES_WAITING
from bot.store.engine.schema import Migration

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)

GROUP_MAX = 64  # writes in one commit; the last one waits for all before it
_ANNOUNCED = "announced"  # key in a connection's `info`: the topics of the current write


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


@dataclass(frozen=True, slots=True)
class Write:
    """An operation that was queued."""

    op: Callable[[Connection], Any]
    done: asyncio.Future[Any]  # cancelled if the caller no longer waits


@dataclass(frozen=True, slots=True)
class WriteResult:
    """How a write ended."""

    value: Any = None
    error: BaseException | None = None
    topics: Set[Topic] = frozenset()  # what it announced


class Reader(ABC):
    """Runs queries: synchronous functions `query(conn, ...)` that only read and must not keep the connection."""

    @abstractmethod
    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query` on one snapshot of everything committed before it. A query that tries to write fails."""


class Store(Reader):
    """Runs operations: synchronous functions `op(conn, ...)` that must not commit, roll back or keep the connection.

    They run one at a time, so an operation may count rows before it inserts more. It may run again from the start if another one
    of its transaction fails (PostgreSQL), so it must have no effect outside the database.
    """

    migration: Migration  # what opening the store did to the schema
    commits: int = 0  # transactions committed since it was opened; one may hold many writes

    def __init__(self, migration: Migration) -> None:
        self._reading: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._subscribers: defaultdict[Topic, WeakSet[Subscription]] = defaultdict(WeakSet)
        self.migration = migration

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

    async def write(self, op: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `op` in one transaction, durable on return. An exception from `op` rolls back that operation only and is raised here.

        Cancelling the caller stops the waiting, not the write.
        """
        self._check_open()
        context = copy_context()  # error sentences use the caller's language, also where the writer runs
        done = asyncio.get_running_loop().create_future()
        self._begin(Write(lambda conn: context.run(op, conn, *args, **kwargs), done))
        with WRITES_WAITING.track_inprogress(), WRITE_SECONDS.time():
            value: T = await done
        return value

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._check_open()
        context = copy_context()  # error sentences use the caller's language, also on a reader thread
        reading = asyncio.create_task(self._read(lambda conn: context.run(query, conn, *args, **kwargs)), name="store read")
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        try:
            # Cancelling a read midway would leave its connection checked out, and `close` would wait for it indefinitely.
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            reading.add_done_callback(_log_if_failed)
            raise

    @abstractmethod
    async def _read(self, op: Callable[[Connection], T]) -> T:
        """Run `op` in a read-only transaction."""

    async def _finish_reads(self) -> None:
        """For `close`: wait until the running reads have returned their connections."""
        await asyncio.gather(*self._reading, return_exceptions=True)

    @abstractmethod
    def _begin(self, write: Write) -> None:
        """Queue the write without waiting. `_finish` is called with it after the commit."""

    def _finish(self, group: Sequence[Write], results: Sequence[WriteResult]) -> None:
        """After the commit: return results to the callers, then wake subscribers."""
        COMMIT_WRITES.observe(len(group))
        for write, result in zip(group, results, strict=True):
            if write.done.cancelled():  # the caller no longer waits
                if result.error is not None:
                    log.error("an operation failed after its caller was cancelled", exc_info=result.error)
            elif result.error is not None:
                write.done.set_exception(result.error)
            else:
                write.done.set_result(result.value)
        self.wake(*frozenset[Topic]().union(*(result.topics for result in results)))

    @abstractmethod
    async def overwrite_deleted(self) -> bool:
        """Remove what was deleted from the database's files too. False if it must be tried again, because something is reading."""

    @abstractmethod
    async def sizes(self) -> Mapping[str, int]:
        """The bytes of the database, by part: "data", and "log" for a write-ahead log in a file of its own."""

    @abstractmethod
    async def close(self) -> None:
        """Finish every write that was begun, then close the database."""

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the store is closed")


def _log_if_failed(done: asyncio.Future[T]) -> None:
    if not done.cancelled() and (error := done.exception()):
        log.error("an operation failed after its caller was cancelled", exc_info=error)


def announce(conn: Connection, topic: Topic) -> None:
    """Wake the subscribers of `topic` after this transaction has committed; never if it rolls back."""
    conn.info.setdefault(_ANNOUNCED, set()).add(topic)


def attempt(conn: Connection, write: Write) -> WriteResult:
    """Run a write. Raises what its operation raises."""
    topics = conn.info[_ANNOUNCED] = set[Topic]()  # new: a failed operation may have left topics
    return WriteResult(value=write.op(conn), topics=topics)


def upsert(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT with `on_conflict_do_nothing` and `on_conflict_do_update`, in this dialect."""
    if dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # imported here because each dialect takes memory, and one is used

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
