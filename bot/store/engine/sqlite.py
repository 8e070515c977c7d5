"""SQLite: one thread writes and commits in groups; reads run concurrently.

A durable commit waits for the disk, so the writer puts all queued writes into one transaction, each under its own savepoint, and
returns their results after the commit. As only this thread writes, nothing waits for a lock, and the WAL reset bug of SQLite before
3.51.3, which needs a second writing connection, cannot occur.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from bot.core import private_files
from bot.core.errors import DatabaseDamaged, DatabaseInUse, StartError
from bot.store.engine import outage, schema, space, sqlite_check, sqlite_start, wal
from bot.store.engine import sqlite_errors as trouble
from bot.store.engine.base import GROUP_MAX, Store, Topic, Write, WriteResult, WriteStage, attempt
from bot.store.engine.outage import Away, Work
from bot.store.engine.schema import Migration

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_READERS = 4  # threads, each with a connection; one hop per read costs less than one per statement
_BUSY_MS = "1000"  # of one attempt; the store repeats it
_DURABLE = {"journal_mode": "WAL", "synchronous": "FULL", "secure_delete": "ON"}
_WRITER = {**space.PRAGMA, **_DURABLE, "foreign_keys": "ON", "busy_timeout": _BUSY_MS}
_MIGRATOR = {**_WRITER, "foreign_keys": "OFF"}  # rebuilding a table drops it, which must not cascade to other tables
_READER = {"query_only": "ON", "busy_timeout": _BUSY_MS}

T = TypeVar("T")
log = structlog.get_logger(__name__)


class SqliteStore(Store):
    """A store in one SQLite file."""

    def __init__(self, path: Path, migration: Migration) -> None:
        super().__init__(migration)
        self._reads = create_engine(_url(path, "pysqlite"), pool_size=_READERS, max_overflow=0, hide_parameters=True)
        _prepare(self._reads, _READER, begin="BEGIN")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")
        self._engine = _writing_engine(path, {**_WRITER, **wal.pragmas()})
        self._running = wal.Reads()
        self._log = wal.Log(path, self._engine, self._running)
        self._loop = asyncio.get_running_loop()
        self._cleanings: list[tuple[asyncio.Future[int], Callable[[], int]]] = []  # work between two writes, and who waits for it
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._again: deque[Write] = deque()  # what was not committed, in order; only the thread uses it
        self._thread = Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    def _begin(self, write: Write) -> None:
        self._queue.put(write)

    async def _read(self, op: Callable[[Connection], T]) -> T:
        return await self._loop.run_in_executor(self._readers, self._read_now, op)

    def _read_now(self, op: Callable[[Connection], T]) -> T:
        with self._running.one(), self._reads.connect() as conn:
            return op(conn)

    async def overwrite_deleted(self) -> bool:
        return bool(await self._between_writes(self._log.overwrite_deleted))

    async def shrink(self) -> int:
        return await self._between_writes(self._log.shrink)

    async def _between_writes(self, work: Callable[[], int]) -> int:
        asked = self._loop.create_future()
        self._cleanings.append((asked, work))
        await self.write(lambda _conn: None)  # wakes the thread
        done: int = await asked
        return done

    async def sizes(self) -> Mapping[str, int]:
        return await self._loop.run_in_executor(self._readers, self._log.sizes)

    async def close(self) -> None:
        """Commit the queued writes, end the thread, and move the write-ahead log into the database file."""
        self._closed = True
        self.hurry(outage.LIMITS.close_s)
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        await self._finish_reads()
        self._readers.shutdown()
        self._reads.dispose()
        await asyncio.to_thread(_checkpoint, self._engine)

    # --- on the writer thread ---

    def _work(self) -> None:
        while group := self._next_group():
            self._write(group)
            self._log.shorten()
            if self._cleanings:
                asked, self._cleanings = self._cleanings, []
                self._loop.call_soon_threadsafe(_answer, [(done, work()) for done, work in asked])

    def _next_group(self) -> list[Write]:
        """All queued writes, up to GROUP_MAX; waits for the first. Empty once the store is closed and everything is written."""
        group: list[Write] = []
        try:
            while len(group) < GROUP_MAX:
                write = self._again.popleft() if self._again else self._queue.get(block=not group)
                if write is None:
                    self._queue.put(None)  # ends the thread after this group
                    break
                if write.stage is WriteStage.WAITING:
                    group.append(write)
        except Empty:
            pass
        return group

    def _write(self, group: list[Write]) -> None:
        began = time.monotonic()
        try:
            results = self._commit(group)
        except BaseException as error:  # noqa: BLE001 - the whole group was rolled back; the thread must not end
            pause_s = self._rolled_back(group, error, began=began)
            if pause_s is None:
                self._loop.call_soon_threadsafe(self._fail, group, error)
                return
            self._again.extendleft(reversed(group))
            time.sleep(pause_s)
        else:
            self._availability.answered(Work.WRITES)
            self._loop.call_soon_threadsafe(self._finish, group, results)

    def _commit(self, group: list[Write]) -> list[WriteResult]:
        """Run the writes in one transaction. If this raises, none of them was committed.

        That is certain even if the COMMIT fails: SQLite then leaves the index of its log as it was, so neither this process nor another one
        reads what was written behind its end, and the next transaction overwrites it. Only after a crash just then might it be found.
        """
        with self._engine.begin() as conn:
            results = [self._attempt(conn, write) for write in group]
            self._begin_commit(group)
        self.commits += 1
        return results

    def _attempt(self, conn: Connection, write: Write) -> WriteResult:
        """Run one write of a group. Uses the driver's savepoint: SQLAlchemy's takes longer than most writes."""
        cursor = conn.connection.cursor()
        cursor.execute("SAVEPOINT one_write")
        try:
            result = attempt(conn, write, self.process_id)
        except BaseException as error:
            if trouble.away(error, Work.WRITES) or trouble.damage(error):
                raise  # of the whole group: SQLite may have rolled back its transaction (disk full)
            cursor.execute("ROLLBACK TO one_write")
            result = WriteResult(error=error)
        cursor.execute("RELEASE one_write")
        return result

    def _away_of(self, error: BaseException, work: Work) -> Away | None:
        return trouble.away(error, work)

    def _damage_of(self, error: BaseException) -> str | None:
        return trouble.damage(error)

    def _found_damaged(self, damage: str) -> DatabaseDamaged:
        self._loop.call_soon_threadsafe(self.wake, *Topic)  # the loops are to end the process
        return super()._found_damaged(damage)


def _answer(asked: Sequence[tuple[asyncio.Future[int], int]]) -> None:
    for each, done in asked:
        if not each.done():
            each.set_result(done)


@asynccontextmanager
async def open_sqlite(name: str, *, upgrade: bool, backup: bool = True) -> AsyncIterator[Store]:
    """The store in the file `name`, locked for this process. Creates the file and its folder if missing. Raises `StartError`.

    Before an `upgrade`, the file is copied unless `backup` is False.
    """
    path = file_of(name)
    with _locked(path):
        await asyncio.to_thread(sqlite_start.prepare, path, upgrade=upgrade, backup=backup)
        store = SqliteStore(path, await asyncio.to_thread(_prepare_file, path, upgrade=upgrade))
        try:
            yield store
        finally:
            await store.close()


@asynccontextmanager
async def reading(name: str) -> AsyncIterator[AsyncConnection]:
    """A read-only connection to the file `name`, without its lock. Raises `StartError`."""
    from sqlalchemy.ext.asyncio import create_async_engine  # imported here because a running bot does not need it

    path = file_of(name).absolute()
    if not path.exists():
        raise StartError(f"There is no database at {path} yet.")
    url = URL.create("sqlite+aiosqlite", database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
    engine = create_async_engine(url, hide_parameters=True)
    _prepare(engine.sync_engine, _READER, begin="BEGIN")
    try:
        async with engine.connect() as conn:
            try:
                await conn.run_sync(schema.check)
            except DatabaseError as error:
                raise StartError(f"The database {path} cannot be read ({error.orig}).") from error
            yield conn
    finally:
        await engine.dispose()


def file_of(name: str) -> Path:
    """The file of a database. Raises `StartError`."""
    if not name or ":memory:" in name:
        raise StartError("Easel keeps its database in a file: DATABASE_URL is written sqlite:///path/to/file.")
    return Path(name).expanduser()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file's lock. The system releases it when the process dies; the lock file itself stays."""
    try:
        private_files.make_folder(path.parent)
        lock = private_files.open_file(path.with_name(f"{path.name}.lock"), os.O_RDWR)
    except OSError as error:
        raise StartError(f"The database {path} cannot be opened ({error.strerror}); check its folder and who owns it.") from error
    try:
        _flock(lock, path)
        _make_private(path)
        yield
    finally:
        os.close(lock)


def _flock(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DatabaseInUse(f"Another Easel is using the database {path}; stop it first.") from error
    except OSError as error:
        raise StartError(f"The disk of {path} does not support file locks ({error.strerror}); put DATA_DIR on a local disk.") from error


def _make_private(path: Path) -> None:
    """Create the database's file for this user only; SQLite gives the files beside it the same mode.

    Only for a database that this process has not opened: closing its file would drop SQLite's locks.
    """
    with suppress(OSError):  # SQLite says what is wrong
        for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            if each == path or each.exists():
                os.close(private_files.open_file(each, os.O_RDWR))


def _prepare_file(path: Path, *, upgrade: bool) -> Migration:
    done = _migrate(path, upgrade=upgrade)
    if upgrade:
        try:
            space.rebuild_once(path)
        except sqlite3.Error as error:
            log.warning("the database's file could not be rebuilt", error=repr(error))
    return done


async def compact(name: str) -> tuple[int, int]:
    """Rebuild the file `name` without the space of deleted rows. Returns its size in bytes before and after. Raises `StartError`."""
    path = file_of(name)
    with _locked(path):
        before = path.stat().st_size
        await asyncio.to_thread(sqlite_start.prepare, path, upgrade=False, backup=False)
        await asyncio.to_thread(_migrate, path, upgrade=False)
        try:
            await asyncio.to_thread(space.rebuild, path)
        except sqlite3.Error as error:
            raise StartError(f"{path} could not be rebuilt ({error}); that needs as much free space as the file has now.") from error
        return before, path.stat().st_size


def _migrate(path: Path, *, upgrade: bool) -> Migration:
    """Migrate or check the schema. This opens the file first, so it also reports what is wrong with it."""
    engine = _writing_engine(path, _MIGRATOR)
    try:
        with engine.connect() as conn:
            if conn.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
                raise StartError(f"The disk of {path} does not support SQLite's write-ahead log; put DATA_DIR on a local disk.")
        with engine.begin() as conn:
            done = schema.upgrade(conn) if upgrade else schema.check(conn)
            if done.before != done.after and conn.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise StartError(f"The database {path} has broken foreign keys, so its schema was not upgraded; restore a backup.")
            return done
    except OperationalError as error:
        raise StartError(f"The database {path} cannot be used ({error.orig}); check its folder and who owns it.") from error
    except DatabaseError as error:
        raise sqlite_check.damaged(path, str(error.orig)) from error
    finally:
        engine.dispose()


def _checkpoint(engine: Engine) -> None:
    try:
        raw = engine.raw_connection()  # a checkpoint must run outside a transaction
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw.close()
    except (sqlite3.Error, SQLAlchemyError) as error:  # what was written is safe in the log
        log.warning("checkpoint failed", error=repr(error))
    engine.dispose()


def _writing_engine(path: Path, pragmas: dict[str, str]) -> Engine:
    engine = create_engine(_url(path, "pysqlite"), pool_size=1, max_overflow=0, hide_parameters=True)
    _prepare(engine, pragmas, begin="BEGIN IMMEDIATE")
    return engine


def _url(path: Path, driver: str) -> URL:
    return URL.create(f"sqlite+{driver}", database=str(path))


def _prepare(engine: Engine, pragmas: dict[str, str], *, begin: str) -> None:
    """Set the pragmas of new connections and begin transactions here: the driver does not begin one for SELECT or SAVEPOINT."""

    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for name, value in pragmas.items():
            cursor.execute(f"PRAGMA {name} = {value}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(conn: Connection) -> None:
        conn.exec_driver_sql(begin)
