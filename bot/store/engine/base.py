"""What a store is, whichever database is behind it: it runs plain functions of a Connection, each as one transaction."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable
from contextvars import copy_context
from enum import StrEnum
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

import structlog
from sqlalchemy import BigInteger, Connection, Table, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from bot.store.engine.schema import Migration

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)

_ANNOUNCED = "announced"  # the topics of the write under way, in its connection's info


class Topic(StrEnum):
    """What loops wait for."""

    QUEUE = "queue"  # a generation waits to be sent, or one that has ended leaves room for another
    RUNNING = "running"  # a provider has taken a generation, or one that it has is to be cancelled
    OUTBOX = "outbox"  # something is owed to Discord


class Subscription:
    """Wakes one loop when a commit concerns its topics. Several wake-ups before it waits count once."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """For the store; a loop calls it itself for what no commit tells it."""
        self._awake.set()

    async def wait(self, timeout_s: float) -> bool:
        """Return at the next wake-up, at once where there was one since the last wait. False where `timeout_s` passed without any."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._awake.wait()
        except TimeoutError:
            return False
        finally:
            self._awake.clear()


class Reader(ABC):
    """Runs queries: synchronous functions `query(conn, ...)` that only read, and do not keep the connection."""

    @abstractmethod
    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer to `query`, from one unchanging view of everything committed before it. A query that tries to write fails."""


class Store(Reader):
    """Runs operations: synchronous functions `op(conn, ...)` that neither commit nor roll back, nor keep the connection.

    An operation may be run again from the start after a conflict (PostgreSQL), so its only effect is on the database.
    """

    migration: Migration  # what opening it did to the schema
    commits: int = 0  # transactions committed since it was opened; on SQLite one may hold many writes

    def __init__(self, migration: Migration) -> None:
        self._reading: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._subscribers: defaultdict[Topic, WeakSet[Subscription]] = defaultdict(WeakSet)
        self.migration = migration

    def subscribe(self, *topics: Topic) -> Subscription:
        """Wake-ups for whatever concerns these topics, for as long as the subscription is held."""
        subscription = Subscription()
        for topic in topics:
            self._subscribers[topic].add(subscription)
        return subscription

    def wake(self, *topics: Topic) -> None:
        """Wake whoever waits for these topics. Only for what is not in the store, such as a provider that answers again."""
        for topic in topics:
            for subscription in self._subscribers[topic]:
                subscription.wake()

    async def write(self, op: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One transaction. On return it is durable; an exception raised by `op` undoes that operation only and comes out here.

        Once called it runs to its end: cancelling the caller stops the waiting, not the write.
        """
        self._check_open()
        context = copy_context()  # a refusal in there is said in the language of whoever asked, on whatever thread it runs
        done = self._begin(lambda conn: context.run(op, conn, *args, **kwargs))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            done.add_done_callback(_say_if_failed)
            raise

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._check_open()
        context = copy_context()
        reading = asyncio.create_task(self._read(lambda conn: context.run(query, conn, *args, **kwargs)), name="store read")
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        try:
            # A read that is cut short would keep its view of the database open, and closing would wait for that in vain.
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            reading.add_done_callback(_say_if_failed)
            raise

    @abstractmethod
    async def _read(self, op: Callable[[Connection], T]) -> T:
        """Run the read in a transaction of its own."""

    async def _finish_reads(self) -> None:
        """For `close`: every read that was begun gives its connection back."""
        await asyncio.gather(*self._reading, return_exceptions=True)

    @abstractmethod
    def _begin(self, op: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Starts the write, without waiting; the future ends after the commit."""

    @abstractmethod
    async def close(self) -> None:
        """Finishes every write that was begun, then lets go of the database."""

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the store is closed")


def _say_if_failed(done: asyncio.Future[T]) -> None:
    if not done.cancelled() and (error := done.exception()):
        log.error("an operation failed after its caller was cancelled", exc_info=error)


def announce(conn: Connection, topic: Topic) -> None:
    """Tell whoever waits for `topic` that this transaction concerns them, once it is committed and only then."""
    conn.info.setdefault(_ANNOUNCED, set()).add(topic)


def attempt(conn: Connection, op: Callable[[Connection], T]) -> tuple[T, frozenset[Topic]]:
    """Run an operation: its result, and what it announced, which holds once it is committed."""
    conn.info[_ANNOUNCED] = set()  # the connection is pooled, and an operation that failed may have announced something
    value = op(conn)
    return value, frozenset(conn.info[_ANNOUNCED])


def upsert(conn: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`, in the dialect of `conn`."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def take_turn(conn: Connection, key: int) -> None:
    """Until this transaction ends, others that take the turn of the same `key` (an id of Discord's) wait.

    For what is counted before it is written: rows that are not there yet cannot be locked. SQLite has one writer anyway.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(literal(key, BigInteger))))
