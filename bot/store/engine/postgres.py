"""PostgreSQL over asyncpg: one connection writes and commits in groups; reads run concurrently.

As on SQLite, a commit waits for the disk and a server's budget is one row, so all queued writes share a transaction. Nothing of ours
then waits for a row. Operations lock rows all the same (`with_for_update`), and one that conflicts with another session is retried.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TypeVar

import stamina
import structlog
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.core.errors import DatabaseInUse, StartError
from bot.store.engine import schema
from bot.store.engine.base import GROUP_MAX, Store, Write, WriteResult, attempt
from bot.store.engine.schema import Migration

_CONFLICTS = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected: repeat the whole operation
_LOCK_KEY = int.from_bytes(b"easel")  # advisory locks are integers, per database

_SESSION = {
    "application_name": "easel",  # for `pg_stat_activity`
    "synchronous_commit": "on",  # commits are durable whatever the server's default is
    "lock_timeout": "3s",  # a row that a person locked by hand must not stop all writes
    # The server drops a dead client, and with it the lock, within a minute instead of two hours.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_STATEMENTS = 500  # kept prepared by each connection, more than there are: preparing one takes several times as long as running it

T = TypeVar("T")
log = structlog.get_logger(__name__)


class LockedConnection:
    """The one connection that writes. It holds an advisory lock that keeps a second Easel off the database; they are lost together."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._conn: AsyncConnection | None = None

    async def get(self) -> AsyncConnection:
        """The connection, or if it was lost a new one. Raises `DatabaseInUse` if another Easel has the lock by now."""
        if self._conn is not None and not await _lost(self._conn):
            return self._conn
        if self._conn is not None:
            log.warning("database connection lost with its lock, locking again")
        await self.close()
        async with AsyncExitStack() as unless_locked:
            conn = await unless_locked.enter_async_context(self._engine.connect())
            if not await conn.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK_KEY}):
                raise DatabaseInUse(f"Another Easel is using the database {_where(self._engine.url)}; stop it first.")
            await conn.commit()  # the session keeps the lock
            unless_locked.pop_all()
        self._conn = conn
        return conn

    async def overwrite_deleted(self) -> bool:
        """PostgreSQL's own VACUUM does that."""
        return True

    async def close(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            await conn.close()


class PostgresStore(Store):
    """A store on a PostgreSQL database. One task runs all queued writes in one transaction: a commit waits for the disk."""

    def __init__(self, engine: AsyncEngine, locked: LockedConnection, migration: Migration) -> None:
        super().__init__(migration)
        self._reads = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._locked = locked
        self._queue: deque[Write] = deque()
        self._writer: asyncio.Task[None] | None = None

    def _begin(self, write: Write) -> None:
        self._queue.append(write)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._work(), name="store-writer")

    async def _work(self) -> None:
        """Run the queued writes until there are none."""
        while group := [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_MAX))]:
            self._finish(group, await self._commit(group))

    async def _commit(self, group: list[Write]) -> list[WriteResult]:
        """Run the writes in one transaction, or each in its own if one of them fails, so that it does not affect the others."""
        try:
            results = await self._commit_together(group) if len(group) > 1 else None
        except Exception as error:  # noqa: BLE001 - after a failed commit nobody knows what was written, so nothing is repeated
            return [WriteResult(error=error)] * len(group)
        return results or [await self._commit_alone(write) for write in group]

    async def _commit_together(self, group: list[Write]) -> list[WriteResult] | None:
        conn = await self._locked.get()
        async with conn.begin() as transaction:
            try:
                results = await conn.run_sync(lambda sync: [attempt(sync, write) for write in group])
            except Exception:  # noqa: BLE001 - it is raised again when the write runs alone
                await transaction.rollback()
                return None
        self.commits += 1
        return results

    async def _commit_alone(self, write: Write) -> WriteResult:
        try:
            async for trying in stamina.retry_context(on=_is_conflict, attempts=6, wait_initial=0.01, wait_max=0.5, wait_jitter=0.05):
                with trying:
                    conn = await self._locked.get()
                    async with conn.begin():
                        result = await conn.run_sync(attempt, write)
        except Exception as error:  # noqa: BLE001 - it goes to the caller
            return WriteResult(error=error)
        self.commits += 1
        return result

    async def _read(self, op: Callable[[Connection], T]) -> T:
        async with self._reads.connect() as conn:
            return await conn.run_sync(op)

    async def overwrite_deleted(self) -> bool:
        """PostgreSQL's own VACUUM does that."""
        return True

    async def sizes(self) -> Mapping[str, int]:
        return {"data": int(await self.read(lambda conn: conn.scalar(text("SELECT pg_database_size(current_database())"))) or 0)}

    async def close(self) -> None:
        """Finish the queued writes and the running reads. `open_postgres` closes the connections."""
        self._closed = True
        if self._writer is not None:
            await self._writer
        await self._finish_reads()


@asynccontextmanager
async def open_postgres(address: str, *, upgrade: bool) -> AsyncIterator[Store]:
    """The store in the database at `address` (postgresql://...), locked for this process. Raises `StartError`."""
    engine = _engine(_url(address))
    locked = LockedConnection(engine)
    try:
        store = PostgresStore(engine, locked, await _prepare(locked, engine.url, upgrade=upgrade))
        try:
            yield store
        finally:
            await store.close()
    finally:
        await locked.close()
        await engine.dispose()


@asynccontextmanager
async def reading(address: str) -> AsyncIterator[AsyncConnection]:
    """A read-only connection to the database at `address`, without its lock. Raises `StartError`."""
    url = _url(address)
    engine = _engine(url)
    reads = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        with _as_start_error(url):
            conn = await stack.enter_async_context(reads.connect())
            await conn.run_sync(schema.check)
        yield conn


async def _prepare(locked: LockedConnection, url: URL, *, upgrade: bool) -> Migration:
    with _as_start_error(url):
        conn = await locked.get()
        async with conn.begin():
            return await conn.run_sync(schema.upgrade if upgrade else schema.check)


@contextmanager
def _as_start_error(url: URL) -> Iterator[None]:
    import asyncpg  # type: ignore[import-untyped]  # no type information; imported here because SQLite does not need it

    try:
        yield
    except (OSError, ValueError, TypeError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StartError(f"The database {_where(url)} cannot be used ({reason}); check DATABASE_URL and the server.") from error


def _engine(url: URL) -> AsyncEngine:
    try:
        return create_async_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_size=8,
            max_overflow=8,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"timeout": 10, "server_settings": _SESSION, "prepared_statement_cache_size": _STATEMENTS},
        )
    except ModuleNotFoundError as error:
        raise StartError("PostgreSQL needs the extra `postgres`: install Easel with `pip install '.[postgres]'`.") from error


def _url(address: str) -> URL:
    """The SQLAlchemy URL for asyncpg, which names libpq's `sslmode` `ssl`."""
    try:
        url = make_url(address).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError):
        raise StartError("DATABASE_URL is written postgresql://user:password@host/name.") from None  # the cause may contain a password
    ssl = url.query.get("sslmode")
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": ssl}) if ssl else url


def _where(url: URL) -> str:
    return f"{url.database} on {url.host or url.query.get('host') or 'localhost'}"


async def _lost(conn: AsyncConnection) -> bool:
    if conn.invalidated:
        return True
    raw = await conn.get_raw_connection()
    return raw.driver_connection is None or bool(raw.driver_connection.is_closed())


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CONFLICTS
