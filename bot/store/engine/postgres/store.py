"""PostgreSQL over asyncpg: one connection of each process writes and commits in groups; reads run concurrently.

As on SQLite, a commit waits for the disk and a server's budget is one row, so all queued writes share a transaction, and those of all
processes take turns by an advisory lock. Nothing of ours then waits for a row. Operations lock rows all the same (`with_for_update`), and
one that conflicts with another session is retried. A process that others have given up is refused (`TakenOver`).

A COMMIT whose answer was lost is not repeated: the database knows whether it was carried out, by a count that the transaction itself wrote,
or without a process by the transaction's id.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, Final, TypeVar

import stamina
import structlog
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.core.errors import StartError, TakenOver
from bot.core.metrics import LOCK_HOLD, LOCK_WAIT
from bot.store.engine import outage, schema
from bot.store.engine.base import GROUP_MAX, Store, Topic, Withdrawn, Write, WriteResult, WriteStage, attempt
from bot.store.engine.outage import Away, Work
from bot.store.engine.postgres import errors as trouble
from bot.store.engine.postgres.errors import SessionLost
from bot.store.engine.postgres.pooling import is_by_transaction
from bot.store.engine.postgres.session import CHANNEL, Session
from bot.store.engine.postgres.sessions import SESSION, Sessions, WritingConnection, driver_of, where
from bot.store.engine.schema import Migration

_TURN: Final = "pg_advisory_xact_lock({writer}), pg_advisory_xact_lock({own})"
# Many processes may be before this one, so its patience lasts longer than for a row, and ends before that with the connection.
_WAIT_FOR_TURN: Final = f"SELECT set_config('lock_timeout', '7s', true), {_TURN}, set_config('lock_timeout', '{{then}}', true)"
_IS_MEMBER = "SELECT EXISTS (SELECT FROM processes WHERE id = $1)"
_ANNOUNCE = """
    SELECT count(pg_notify($1, said)), pg_current_xact_id_if_assigned()::text AS number, NULL FROM unnest($2::text[]) AS said
"""
# Also counts the transaction for its process, if it has written anything.
_ANNOUNCE_AND_COUNT = """
    WITH counted AS (
        UPDATE processes SET commits = commits + 1 WHERE id = $3::bigint AND pg_current_xact_id_if_assigned() IS NOT NULL RETURNING commits
    )
    SELECT count(pg_notify($1, said)), pg_current_xact_id_if_assigned()::text AS number, (SELECT commits FROM counted) AS commits
    FROM unnest($2::text[]) AS said
"""
_COMMITS = "SELECT commits FROM processes WHERE id = $1"
_STATUS = "SELECT pg_xact_status($1::text::xid8)"
_SIZE = "SELECT pg_database_size(current_database())"
_GIVEN_UP: Final = "Another Easel has taken over the work of this process, which did not renew its lease in time; start it again."
_TOPICS: Final = frozenset(Topic)
_WRITER: Final = int.from_bytes(b"writer")  # the advisory lock of the transaction that writes
# A migration takes as long as it takes, and waits for another one.
_UNBOUNDED: Final = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")

T = TypeVar("T")
log = structlog.get_logger(__name__)


class UnknownCommit(Exception):
    """The answer to a COMMIT was lost, and the database cannot say whether it was carried out."""


class PostgresStore(Store):
    """A store on a PostgreSQL database. One task runs all queued writes in one transaction: a commit waits for the disk."""

    def __init__(self, sessions: Sessions, writing: WritingConnection, session: Session, migration: Migration, *, is_shared: bool) -> None:
        super().__init__(migration)
        self.is_shared = is_shared
        self.coordination = session
        self._session = session
        self._sessions = sessions
        self._reads = sessions.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._writing = writing
        self._name = secrets.token_hex(4)  # in announcements, to know its own
        self._queue: deque[Write] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._slow: dict[Work, int] = dict.fromkeys(Work, 0)  # attempts in a row that were not answered in time

    def _begin(self, write: Write) -> None:
        self._queue.append(write)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._work(), name="store-writer")

    async def _work(self) -> None:
        """Run the queued writes until there are none."""
        while group := self._add_queued([]):
            await self._write(group)

    def _add_queued(self, group: list[Write]) -> list[Write]:
        """Add queued writes, up to GROUP_MAX, or one that runs alone. Returns the group."""
        while self._queue and len(group) < GROUP_MAX and not (group and (group[0].runs_alone or self._queue[0].runs_alone)):
            write = self._queue.popleft()
            if write.stage is WriteStage.WAITING:
                group.append(write)
        return group

    async def _write(self, group: list[Write]) -> None:
        began = time.monotonic()
        try:
            results = await self._try(group)
        except UnknownCommit as error:
            self._finish(group, [WriteResult(error=self._unknown(write, error)) for write in group])
        except Exception as error:  # noqa: BLE001 - it goes to the callers, or the writes run again
            self._slow[Work.WRITES] += isinstance(error, trouble.TooSlow)
            await self._run_again(group, error, began)
        else:
            self._slow[Work.WRITES] = 0
            self._availability.answered(Work.WRITES)
            self._finish(group, results)

    async def _run_again(self, group: list[Write], error: Exception, began: float) -> None:
        """After a failure: all of the group if the database is away, or each in its own transaction, so that one does not fail others."""
        pause_s = self._rolled_back(group, error, began=began)
        is_of_one = pause_s is None or self._is_of_one(error)
        if pause_s is None and (len(group) == 1 or self._ends_at <= time.monotonic() or self._damaged is not None):
            self._fail(group, error)
        elif is_of_one and len(group) == 1:
            self._queue.append(group[0])  # the others do not wait for what it waits for
            await asyncio.sleep(0 if len(self._queue) > 1 else pause_s or 0)
        else:
            for write in group:
                write.runs_alone = is_of_one
            self._queue.extendleft(reversed(group))
            await asyncio.sleep(pause_s or 0)

    def _is_of_one(self, error: Exception) -> bool:
        away = self._away_of(error, Work.WRITES)
        return away is not None and not away.is_whole

    async def _try(self, group: list[Write]) -> list[WriteResult]:
        """Run the writes in one transaction. Raises what the first one raises, `UnknownCommit`, or why it was certainly not committed."""
        if len(group) > 1:
            return await self._transaction(group)
        async for trying in stamina.retry_context(on=trouble.is_conflict, attempts=6, wait_initial=0.01, wait_max=0.5, wait_jitter=0.05):
            with trying:
                results = await self._transaction(group)
        return results

    async def _transaction(self, group: list[Write]) -> list[WriteResult]:
        await self._session.ensure()
        conn = await self._writing.get()
        driver = await driver_of(conn)
        with self._sessions.bounded(driver, slow=self._slow[Work.WRITES]):
            transaction = await conn.begin()
            try:
                held_from = await self._take_turn(conn, driver)
                self._add_queued(group)  # what came while others wrote need not wait for the next turn
                results = await conn.run_sync(lambda sync: [attempt(sync, write, self.process_id) for write in group])
                number, count = await self._announce(driver, results)
                self._begin_commit(group)
            except BaseException as error:
                await self._roll_back(transaction, driver, error)
                raise
            try:
                await transaction.commit()
            except Exception as error:
                await self._writing.drop()
                if number is None or not await self._was_committed(number, count):
                    raise
                log.info("a commit whose answer was lost was carried out", error=type(error).__name__)
        LOCK_HOLD.observe(time.perf_counter() - held_from)
        self.commits += 1
        return results

    async def _take_turn(self, conn: AsyncConnection, driver: Any) -> float:
        """Wait until no other process writes. Returns when that was. Raises `TakenOver` if others have given this one up."""
        asked_at = time.perf_counter()
        try:
            turn = _WAIT_FOR_TURN.format(writer=_WRITER, own=self._writing.own_key, then=SESSION["lock_timeout"])
            await conn.exec_driver_sql(turn)
        except DBAPIError as error:
            if trouble.state_of(error) == trouble.LOCK_TIMEOUT:  # of everybody's writes, not of one row
                raise SessionLost("another process does not end its transaction") from error
            raise
        held_from = time.perf_counter()
        LOCK_WAIT.observe(held_from - asked_at)
        if self.process_id is not None and not await driver.fetchval(_IS_MEMBER, self.process_id):
            raise TakenOver(_GIVEN_UP)
        return held_from

    async def _announce(self, driver: Any, results: list[WriteResult]) -> tuple[str | None, int | None]:
        """Returns the transaction's number, None if it has written nothing, and which one of its process it is."""
        said = self._said(results)
        if self.process_id is None:
            _, number, count = await driver.fetchrow(_ANNOUNCE, CHANNEL, said)
        else:
            _, number, count = await driver.fetchrow(_ANNOUNCE_AND_COUNT, CHANNEL, said, self.process_id)
        return number, count

    def _said(self, results: list[WriteResult]) -> list[str]:
        """The announcements for other processes."""
        announced = {each for result in results for each in result.announced} if self.is_shared else ()
        return [f"{self._name}:{each.topic}:{each.key}" for each in announced]

    def hear(self, said: str) -> None:
        """Wake and inform those whom an announcement of another process concerns."""
        name, topic, key = said.split(":", 2)
        if name == self._name or topic not in _TOPICS:
            return  # our own, or of a newer version
        self.wake(Topic(topic))
        for forget in self._forgetful[Topic(topic)]:
            forget(key)

    def missed(self) -> None:
        """Announcements may have been lost: wake everybody, and keep nothing in memory."""
        self.wake(*Topic)
        for forget in (each for all_of_topic in self._forgetful.values() for each in all_of_topic):
            forget(None)

    async def _roll_back(self, transaction: Any, driver: Any, error: BaseException) -> None:
        """Keep the connection if it still works."""
        away = None if isinstance(error, Withdrawn) else self._away_of(error, Work.WRITES)
        if driver.is_closed() or (away is not None and away.is_whole):
            await self._writing.drop()
            return
        with suppress(SQLAlchemyError, OSError):  # then the next one finds the connection lost
            await transaction.rollback()

    async def _was_committed(self, number: str, count: int | None) -> bool:
        """Ask the database until it knows. Raises `UnknownCommit` if it cannot, or if another Easel has taken it over."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                status = await self._status_of(number, count)
            except Exception as error:
                failures += 1
                away = self._away_of(error, Work.WRITES)
                if away is None or began >= self._ends_at:
                    raise UnknownCommit from error
                await asyncio.sleep(self._availability.failed(Work.WRITES, away, failures=failures, began=began))
            else:
                if status in ("committed", "aborted"):
                    return status == "committed"
                if status is None:
                    raise UnknownCommit  # too long ago
                await asyncio.sleep(outage.PAUSE_MIN_S)

    async def _status_of(self, number: str, count: int | None) -> str | None:
        """Of the transaction with this number, the `count`-th of its process; None if nobody knows.

        After a crash of the server another process's transaction may have the same number.
        """
        driver = await driver_of(await self._writing.get())  # from here on nothing of the lost connection is under way
        with self._sessions.bounded(driver, slow=0):
            if count is None:
                status: str | None = await driver.fetchval(_STATUS, number)
                return status
            commits = await driver.fetchval(_COMMITS, self.process_id)
        if commits is None:
            return None
        return "committed" if commits >= count else "aborted"

    def _unknown(self, write: Write, error: UnknownCommit) -> BaseException:
        """What the caller of a write is told that may have been committed."""
        cause = error.__cause__
        return cause if write.is_patient and isinstance(cause, StartError) else write.context.run(outage.maybe_saved)

    async def _read(self, op: Callable[[Connection], T]) -> T:
        try:
            async with self._reads.connect() as conn:
                with self._sessions.bounded(await driver_of(conn), slow=self._slow[Work.READS]):
                    result = await conn.run_sync(op)
        except trouble.TooSlow:
            self._slow[Work.READS] += 1
            raise
        self._slow[Work.READS] = 0
        return result

    def _away_of(self, error: BaseException, work: Work) -> Away | None:
        return trouble.away(error, work)

    def _damage_of(self, error: BaseException) -> str | None:
        return trouble.damage(error)

    async def overwrite_deleted(self) -> bool:
        """PostgreSQL's own VACUUM does that."""
        return True

    async def shrink(self) -> int:
        """PostgreSQL's autovacuum does that."""
        return 0

    async def sizes(self) -> Mapping[str, int]:
        return {"data": int(await self.read(lambda conn: conn.exec_driver_sql(_SIZE).scalar_one()))}

    async def close(self) -> None:
        """Finish the queued writes and the running reads. `open_postgres` closes the connections."""
        self._closed = True
        self.hurry(outage.LIMITS.close_s)
        if running := [each for each in (self._writer, *self._reading) if each is not None]:
            _, late = await asyncio.wait(running, timeout=outage.LIMITS.close_s)
            if late:
                self._sessions.terminate()
                await asyncio.wait(late)


@asynccontextmanager
async def open_postgres(address: str, *, direct: str = "", upgrade: bool, is_shared: bool) -> AsyncIterator[Store]:
    """The store in the database at `address` (postgresql://...). `direct`: the same, without a pooler between. Raises `StartError`.

    Without `is_shared` no other process can open it at the same time.
    """
    url, direct_url = _url(address), _url(direct or address)
    direct_sessions = Sessions(direct_url)
    with _as_start_error(url):
        sessions = Sessions(url, is_by_transaction=await is_by_transaction(url, None if direct_url == url else direct_url))
    heard = _Heard()
    session = Session(direct_sessions, is_shared=is_shared, hear=heard.hear, missed=heard.missed)
    writing = WritingConnection(sessions)
    try:
        migration = await _prepare(session, writing, sessions.engine.url, upgrade=upgrade)
        heard.store = store = PostgresStore(sessions, writing, session, migration, is_shared=is_shared)
        if is_shared:
            session.keep()
        try:
            yield store
        finally:
            await store.close()
    finally:
        await session.close()
        await writing.close()
        await direct_sessions.close()
        await sessions.close()


class _Heard:
    """Passes on to the store what the session hears, once there is one."""

    store: PostgresStore | None = None

    def hear(self, said: str) -> None:
        if self.store is not None:
            self.store.hear(said)

    def missed(self) -> None:
        if self.store is not None:
            self.store.missed()


@asynccontextmanager
async def reading(address: str) -> AsyncIterator[AsyncConnection]:
    """A read-only connection to the database at `address`, without its lock, directly or through any pooler. Raises `StartError`."""
    sessions = Sessions(_url(address), is_by_transaction=True)
    reads = sessions.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(sessions.close)
        with _as_start_error(sessions.engine.url):
            conn = await stack.enter_async_context(reads.connect())
            await conn.run_sync(_unbounded)
            await conn.run_sync(schema.check)
        yield conn


async def _prepare(session: Session, writing: WritingConnection, url: URL, *, upgrade: bool) -> Migration:
    """Migrate or check the schema. Of several processes that start together one migrates, and the others wait for it."""
    turn = _TURN.format(writer=_WRITER, own=writing.own_key)
    with _as_start_error(url):
        await session.open()
        conn = await writing.get()
        async with conn.begin():
            await conn.run_sync(_unbounded)
            await conn.exec_driver_sql(f"SELECT {turn}")
            return await conn.run_sync(schema.upgrade if upgrade else schema.check)


def _unbounded(conn: Connection) -> None:
    """For the current transaction."""
    for each in _UNBOUNDED:
        conn.exec_driver_sql(f"SET LOCAL {each} = 0")


@contextmanager
def _as_start_error(url: URL) -> Iterator[None]:
    import asyncpg  # type: ignore[import-untyped]  # no type information; imported here because SQLite does not need it

    try:
        yield
    except (OSError, ValueError, TypeError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StartError(f"The database {where(url)} cannot be used ({reason}); check DATABASE_URL and the server.") from error


def _url(address: str) -> URL:
    """The SQLAlchemy URL for asyncpg, which names libpq's `sslmode` `ssl`."""
    try:
        url = make_url(address).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError):
        raise StartError("DATABASE_URL is written postgresql://user:password@host/name.") from None  # the cause may contain a password
    ssl = url.query.get("sslmode")
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": ssl}) if ssl else url
