"""Sessions of PostgreSQL: how they are opened, how long they may not answer, and the connection that writes."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any, Final
from weakref import WeakSet

import structlog
from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.core.errors import StartError
from bot.store.engine import outage
from bot.store.engine.postgres import errors
from bot.store.engine.postgres.errors import SessionLost, TooSlow

_STATEMENTS: Final = 500  # kept prepared by each connection, more than there are: preparing one takes several times as long as running it

# Set after connecting: PgBouncer refuses to start a session that asks for them.
SESSION: Final = {
    "synchronous_commit": "on",  # commits are durable whatever the server's default is
    "lock_timeout": "3s",  # a row that a person locked by hand must not stop all writes
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "10s",  # a process that was stopped midway must not keep the others from writing
    # The server drops a dead client, and with it the lock, within a minute instead of two hours.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_SET_LOCAL: Final = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in SESSION.items())
_NAMED: Final = {"application_name": "easel"}  # for `pg_stat_activity`
# The same for a dead server, by the names of the options that this system has.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}

# Sessions of this process that still have its own lock: their connection was lost, and the server has not noticed.
_END_OWN = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND classid = $1::bigint::oid AND objid = $2::bigint::oid AND objsubid = 1 AND pid <> pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_END_PAUSE_S = 0.05

log = structlog.get_logger(__name__)


class Sessions:
    """The driver's connections of one store. Whatever does not answer in time is terminated: a frozen server cannot be asked to stop.

    With `is_by_transaction`, a pooler gives each transaction another session of the server: see `bot.store.engine.postgres.pooling`.
    """

    def __init__(self, url: URL, *, is_by_transaction: bool = False) -> None:
        self._is_by_transaction = is_by_transaction
        self._open: WeakSet[Any] = WeakSet()
        self._busy: set[Any] = set()
        self._late: WeakSet[Any] = WeakSet()  # terminated because they did not answer
        self.engine = self._engine(url)

    @contextmanager
    def bounded(self, driver: Any, *, slow: int) -> Iterator[None]:
        """Terminate the connection if the block takes too long; `slow` attempts before it did. Raises `SessionLost` if it is closed."""
        limits = outage.LIMITS
        limit_s = min(limits.attempt_max_s, limits.attempt_s * float(2 ** min(slow, 10)))
        timer = asyncio.get_running_loop().call_later(limit_s, self._terminate, driver)
        self._busy.add(driver)
        try:
            yield
        except Exception as error:
            if driver in self._late:
                raise TooSlow(f"no answer within {limit_s:g} s") from error
            if driver.is_closed() and (lost := errors.lost(error)) is not None:
                raise lost from error
            raise
        finally:
            timer.cancel()
            self._busy.discard(driver)

    def _terminate(self, driver: Any) -> None:
        """Idle connections to the same server do not answer either, so nobody is to try them one after the other."""
        self._late.add(driver)
        for each in [driver, *(each for each in self._open if each not in self._busy)]:
            each.terminate()

    def terminate(self) -> None:
        """End all connections at once."""
        for driver in list(self._open):
            driver.terminate()

    async def close(self) -> None:
        """Close the connections; those that do not answer are terminated."""
        with suppress(TimeoutError):
            async with asyncio.timeout(outage.LIMITS.close_s):
                await self.engine.dispose()
        self.terminate()

    async def connect(self) -> Any:
        """A connection of asyncpg, outside of the pool. Raises what asyncpg raises, and `SessionLost`."""
        _, options = self.engine.dialect.create_connect_args(self.engine.url)
        return await self._connect(**options, **self._arguments())

    async def _connect(self, **options: Any) -> Any:
        """asyncpg's connection, set up. Raises what asyncpg raises, and `SessionLost`."""
        limit_s = outage.LIMITS.connect_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._opened(options)
        except TimeoutError:
            raise SessionLost(f"no connection within {limit_s:g} s") from None

    async def _opened(self, options: Mapping[str, Any]) -> Any:
        import asyncpg  # type: ignore[import-untyped]  # no type information; imported here because SQLite does not need it

        driver = await asyncpg.connect(**options)
        self._open.add(driver)
        try:
            _keep_alive(driver)
            if not self._is_by_transaction:
                await driver.execute("".join(f"SET {name} = '{value}';" for name, value in SESSION.items()))
        except BaseException:
            driver.terminate()
            raise
        return driver

    def _arguments(self) -> dict[str, Any]:
        """For asyncpg. A prepared statement stays in its session, so none has a name if the next transaction is in another one."""
        return {"server_settings": _NAMED} | ({"statement_cache_size": 0} if self._is_by_transaction else {})

    def _engine(self, url: URL) -> AsyncEngine:
        statements = 0 if self._is_by_transaction else _STATEMENTS
        arguments = {"async_creator_fn": self._connect, "prepared_statement_cache_size": statements, **self._arguments()}
        try:
            engine = create_async_engine(
                url,
                isolation_level="READ COMMITTED",
                pool_size=8,
                max_overflow=8,
                pool_timeout=outage.LIMITS.connect_s,
                hide_parameters=True,
                connect_args=arguments,
            )
        except ModuleNotFoundError as error:
            raise StartError("PostgreSQL needs the extra `postgres`: install Easel with `pip install '.[postgres]'`.") from error
        event.listen(engine.sync_engine, "checkout", _replace_if_closed)
        if self._is_by_transaction:
            event.listen(engine.sync_engine, "begin", _set_for_transaction)
        return engine


def _replace_if_closed(dbapi_connection: Any, _record: object, _proxy: object) -> None:
    """For a connection from the pool: the driver knows when it was cut, so nobody need be asked."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError


def _set_for_transaction(conn: Connection) -> None:
    conn.exec_driver_sql(_SET_LOCAL)


def _keep_alive(driver: Any) -> None:
    connected: socket.socket | None = driver._transport.get_extra_info("socket")  # noqa: SLF001 - asyncpg has no other way
    if connected is None or connected.family == socket.AF_UNIX:
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def driver_of(conn: AsyncConnection) -> Any:
    """asyncpg's connection. Raises `SessionLost`."""
    if not conn.invalidated:
        driver = (await conn.get_raw_connection()).driver_connection
        if driver is not None and not driver.is_closed():
            return driver
    raise SessionLost("the connection was closed")


class WritingConnection:
    """The one connection of a process that writes."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._conn: AsyncConnection | None = None
        self.own_key = secrets.randbits(62)  # of an advisory lock that its transactions hold, by which they are known

    async def get(self) -> AsyncConnection:
        """The connection, or if it was lost a new one, once nothing of the lost one can still be committed."""
        if self._conn is not None:
            with suppress(SessionLost):
                await driver_of(self._conn)
                return self._conn
            log.info("database connection lost, opening another")
        await self.drop()
        async with AsyncExitStack() as unless_ready:
            conn = await self._sessions.engine.connect()
            unless_ready.push_async_callback(_discard, conn)
            driver = await driver_of(conn)
            with self._sessions.bounded(driver, slow=0):
                await end_sessions(driver, self.own_key)
                if await driver.fetchval("SELECT pg_is_in_recovery()"):
                    raise SessionLost("the server is a standby, which cannot be written")
            unless_ready.pop_all()
        self._conn = conn
        return conn

    async def drop(self) -> None:
        """End the session; the next `get` begins a new one."""
        conn, self._conn = self._conn, None
        if conn is not None:
            await _discard(conn)

    async def close(self) -> None:
        """Return the connection."""
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(SQLAlchemyError, OSError):
                await conn.close()


async def end_sessions(driver: Any, own_key: int) -> None:
    """End the sessions that hold this process's lock `own_key`: their connections were lost, and the server has not noticed."""
    while await driver.fetch(_END_OWN, own_key >> 32, own_key & 0xFFFFFFFF):  # noqa: ASYNC110  the server announces no end
        await asyncio.sleep(_END_PAUSE_S)


async def _discard(conn: AsyncConnection) -> None:
    """Without a word to the server, which may not answer."""
    with suppress(SessionLost, SQLAlchemyError, OSError):
        (await driver_of(conn)).terminate()
    with suppress(SQLAlchemyError, OSError):
        await conn.invalidate()
    with suppress(SQLAlchemyError, OSError):
        await conn.close()


def where(url: URL) -> str:
    """The database and its server, without the password."""
    return f"{url.database} on {url.host or url.query.get('host') or 'localhost'}"
