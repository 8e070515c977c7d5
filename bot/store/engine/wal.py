"""Keeps SQLite's write-ahead log short.

SQLite begins the log anew only at a moment when nothing reads from it. If reads overlap there is none, so above a limit they are held back
until the last one has ended, and the log is emptied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Any

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.store.engine import space

log = structlog.get_logger(__name__)

STEP_BYTES = 2 * 2**20  # the log is copied into the database whenever it has grown by this, and cut to this when it begins anew
LIMIT_BYTES = 32 * 2**20
VACUUM_BYTES = 2**30  # a larger database is not rebuilt: writes, which wait for some 6 s at this size, would wait too long
PAUSE_S = 0.05  # how long a write may wait for the running reads


def pragmas() -> dict[str, str]:
    """Those of the writer's connection."""
    return {"wal_autocheckpoint": "0", "journal_size_limit": str(STEP_BYTES)}


class Reads:
    """Counts the running reads, and can hold new ones back."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._running = 0
        self._is_held_back = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """Run one read, after a pause."""
        with self._changed:
            while self._is_held_back:
                self._changed.wait()
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def paused(self, timeout_s: float) -> Iterator[bool]:
        """Hold new reads back. Yields whether the running ones ended within the time."""
        with self._changed:
            self._is_held_back = True
            have_ended = self._changed.wait_for(lambda: self._running == 0, timeout_s)
        try:
            yield have_ended
        finally:
            with self._changed:
                self._is_held_back = False
                self._changed.notify_all()


class Log:
    """The write-ahead log of one database. Only the writer's thread changes it, between two transactions."""

    def __init__(self, database: Path, engine: Engine, reads: Reads) -> None:
        self._database = database
        self._path = database.with_name(f"{database.name}-wal")
        self._engine, self._reads = engine, reads
        self._due_bytes = STEP_BYTES

    def shorten(self) -> None:
        """Copy the log into the database if it has grown, and empty it if it is above the limit and no long read prevents that."""
        try:
            self._shorten(self._path.stat().st_size)
        except (OSError, sqlite3.Error, SQLAlchemyError) as error:  # the disk may be full; what was written is safe in the log
            log.warning("checkpoint failed", error=repr(error))

    def sizes(self) -> Mapping[str, int]:
        """Bytes of the database and of the log. Any thread may ask."""
        log_bytes = self._path.stat().st_size if self._path.exists() else 0
        return {"data": self._database.stat().st_size, "log": log_bytes}

    def overwrite_deleted(self) -> bool:
        """Remove what was deleted from the files too. False if it must be tried again, because something is reading.

        SQLite overwrites deleted rows, but not the copies that stay in its pages when it moves rows. VACUUM leaves them out.
        """
        try:
            if not self._checkpoint_all():
                return False
            size = self._database.stat().st_size
            if size > VACUUM_BYTES:
                log.info("database too large to be rebuilt after an erasure", size_mb=size // 10**6)
                return True
            self._execute("VACUUM")
            return self._checkpoint_all()
        except (OSError, sqlite3.Error, SQLAlchemyError) as error:
            log.warning("deleted content could not be overwritten", error=repr(error))
            return False

    def shrink(self) -> int:
        """Return some pages of deleted rows to the file system. Returns how many."""
        raw = self._engine.raw_connection()
        try:
            connection: Any = raw.driver_connection
            return space.shrink(connection)
        except (OSError, sqlite3.Error, SQLAlchemyError) as error:
            log.warning("the database's file could not be made smaller", error=repr(error))
            return 0
        finally:
            raw.close()

    def _checkpoint_all(self) -> bool:
        with self._reads.paused(PAUSE_S) as is_free:
            return is_free and self._checkpoint("TRUNCATE")

    def _shorten(self, size: int) -> None:
        self._due_bytes = min(self._due_bytes, size + STEP_BYTES)
        if size < self._due_bytes:
            return
        self._due_bytes = size + STEP_BYTES
        self._checkpoint("PASSIVE")
        if size > LIMIT_BYTES:
            with self._reads.paused(PAUSE_S) as is_free:
                if is_free:
                    self._checkpoint("TRUNCATE")

    def _checkpoint(self, mode: str) -> bool:
        """Whether it was complete."""
        is_blocked, *_pages = self._execute(f"PRAGMA wal_checkpoint({mode})")
        return not is_blocked

    def _execute(self, statement: str) -> Any:
        """Execute a statement outside a transaction. Returns its first row."""
        raw = self._engine.raw_connection()
        cursor = raw.cursor()
        (timeout_ms,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        try:
            cursor.execute("PRAGMA busy_timeout = 0")  # do not wait for readers of other processes
            return cursor.execute(statement).fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {timeout_ms}")
            raw.close()
