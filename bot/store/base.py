"""What a store is, whichever database is behind it: it runs plain functions of a Connection, each as one transaction."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import BigInteger, Connection, Table, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.store.migrate import Migration

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Store(ABC):
    """Runs operations: synchronous functions `op(conn, ...)` that neither commit nor roll back, nor keep the connection.

    An operation may be run again from the start after a conflict (PostgreSQL), so its only effect is on the database.
    """

    migration: Migration  # what opening it did to the schema
    commits: int = 0  # transactions committed since it was opened; on SQLite one may hold many writes

    def __init__(self, reads: AsyncEngine, migration: Migration) -> None:
        self._reads = reads
        self._reading: set[asyncio.Task[Any]] = set()
        self._closed = False
        self.migration = migration

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

    async def read(self, op: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One unchanging view of everything committed before it; beside the writes, and refused if it tries to write itself."""
        self._check_open()
        reading = asyncio.create_task(self._read(lambda conn: op(conn, *args, **kwargs)), name="store read")
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        try:
            # A read that is cut short would keep its view of the database open, and closing would wait for that in vain.
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            reading.add_done_callback(_say_if_failed)
            raise

    async def _read(self, op: Callable[[Connection], T]) -> T:
        async with self._reads.connect() as conn:
            return await conn.run_sync(op)

    async def _finish_reads(self) -> None:
        """For `close`: every read that was begun gives its connection back, then all are closed."""
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self._reads.dispose()

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


def upsert(conn: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`, in the dialect of `conn`."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def take_turn(conn: Connection, key: int) -> None:
    """Until this transaction ends, others that take the turn of the same `key` (an id of Discord's) wait.

    For what is counted before it is written: rows that are not there yet cannot be locked. SQLite has one writer anyway.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(literal(key, BigInteger))))
