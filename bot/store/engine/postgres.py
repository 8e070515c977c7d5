"""PostgreSQL over asyncpg. Operations take row locks (`with_for_update`); a transaction that conflicts is retried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TypeVar

import stamina
import structlog
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from bot.core.errors import DatabaseInUse, StartError
from bot.store.engine import schema
from bot.store.engine.base import Store, attempt
from bot.store.engine.schema import Migration

_CONFLICTS = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected: repeat the whole operation
_LOCK_KEY = int.from_bytes(b"easel")  # advisory locks are integers, per database

T = TypeVar("T")
log = structlog.get_logger(__name__)


class OneProcess:
    """An advisory lock that keeps a second Easel off the database. It is held by its own connection and lost with it."""

    def __init__(self, url: URL) -> None:
        self._engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_connect_args("easel lock"))
        self._where = _where(url)
        self._conn: AsyncConnection | None = None
        self._acquiring = asyncio.Lock()

    async def ensure(self) -> None:
        """Take the lock, or retake it if its connection was lost. Raises `DatabaseInUse` if another Easel has it."""
        async with self._acquiring:
            if self._conn is not None and not await _lost(self._conn):
                return
            if self._conn is not None:
                log.warning("database lock lost with its connection, locking again")
            await self.release()
            async with AsyncExitStack() as unless_taken:
                conn = await unless_taken.enter_async_context(self._engine.connect())
                if not await conn.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK_KEY}):
                    raise DatabaseInUse(f"Another Easel is using the database {self._where}; stop it first.")
                unless_taken.pop_all()
                self._conn = conn

    async def release(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            await conn.close()


class PostgresStore(Store):
    """A store on a PostgreSQL database."""

    def __init__(self, engine: AsyncEngine, lock: OneProcess, migration: Migration) -> None:
        super().__init__(migration)
        self._engine = engine
        self._reads = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._lock = lock
        self._writing: set[asyncio.Task[object]] = set()

    def _begin(self, op: Callable[[Connection], T]) -> asyncio.Future[T]:
        task = asyncio.create_task(self._commit(op), name="store-write")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    async def _commit(self, op: Callable[[Connection], T]) -> T:
        await self._lock.ensure()
        async for trying in stamina.retry_context(on=_is_conflict, attempts=6, wait_initial=0.01, wait_max=0.5, wait_jitter=0.05):
            with trying:
                async with self._engine.begin() as conn:
                    value, topics = await conn.run_sync(attempt, op)
                self.commits += 1
                self.wake(*topics)
        return value

    async def _read(self, op: Callable[[Connection], T]) -> T:
        async with self._reads.connect() as conn:
            return await conn.run_sync(op)

    async def close(self) -> None:
        """Wait for the running writes, then close the connections."""
        self._closed = True
        if self._writing:
            await asyncio.wait(self._writing)
        await self._finish_reads()
        await self._reads.dispose()


@asynccontextmanager
async def open_postgres(address: str, *, upgrade: bool) -> AsyncIterator[Store]:
    """The store in the database at `address` (postgresql://...), locked for this process. Raises `StartError`."""
    url = _url(address)
    lock, engine = _engines(url)
    try:
        store = PostgresStore(engine, lock, await _prepare(engine, lock, url, upgrade=upgrade))
        try:
            yield store
        finally:
            await store.close()
    finally:
        await engine.dispose()
        await lock.release()


@asynccontextmanager
async def reading(address: str) -> AsyncIterator[AsyncConnection]:
    """A read-only connection to the database at `address`, without its lock. Raises `StartError`."""
    url = _url(address)
    _lock, engine = _engines(url)
    reads = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        with _as_start_error(url):
            conn = await stack.enter_async_context(reads.connect())
            await conn.run_sync(schema.check)
        yield conn


async def _prepare(engine: AsyncEngine, lock: OneProcess, url: URL, *, upgrade: bool) -> Migration:
    with _as_start_error(url):
        await lock.ensure()
        async with engine.begin() as conn:
            return await conn.run_sync(schema.upgrade if upgrade else schema.check)


@contextmanager
def _as_start_error(url: URL) -> Iterator[None]:
    import asyncpg  # type: ignore[import-untyped]  # no type information; imported here because SQLite does not need it

    try:
        yield
    except (OSError, ValueError, TypeError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StartError(f"The database {_where(url)} cannot be used ({reason}); check DATABASE_URL and the server.") from error


def _engines(url: URL) -> tuple[OneProcess, AsyncEngine]:
    try:
        engine = create_async_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_size=8,
            max_overflow=8,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=_connect_args("easel"),
        )
        return OneProcess(url), engine
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


def _connect_args(name: str) -> dict[str, object]:
    """Connection settings: a name for `pg_stat_activity`, and durable commits whatever the server's default is.

    With these keepalives the server drops a dead client, and with it the lock, within a minute instead of two hours.
    """
    keepalive = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
    return {"timeout": 10, "server_settings": {"application_name": name, "synchronous_commit": "on", **keepalive}}


async def _lost(conn: AsyncConnection) -> bool:
    raw = await conn.get_raw_connection()
    return raw.driver_connection is None or bool(raw.driver_connection.is_closed())


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CONFLICTS
