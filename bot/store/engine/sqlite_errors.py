"""What SQLite's errors say of the file, by their result codes (https://sqlite.org/rescode.html)."""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError

from bot.store.engine.outage import Away, Work

_DISK: Final = "Check the disk that DATA_DIR is on. Easel goes on by itself."
_UNLOCK: Final = "End the other program that uses the database's file, such as a backup or a database browser. Easel goes on by itself."
_WRITABLE: Final = "Make the database's file, its folder and its disk writable for Easel's user. Easel goes on by itself."

# By primary code: what the operator should do.
_AWAY: Final = {
    sqlite3.SQLITE_BUSY: _UNLOCK,
    sqlite3.SQLITE_LOCKED: _UNLOCK,
    sqlite3.SQLITE_PROTOCOL: _UNLOCK,
    sqlite3.SQLITE_READONLY: _WRITABLE,
    sqlite3.SQLITE_PERM: _WRITABLE,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_FULL: "Free disk space where DATA_DIR is. Easel goes on by itself.",
    sqlite3.SQLITE_CANTOPEN: "Check who owns DATA_DIR, and the limit of open files (`ulimit -n`). Easel goes on by itself.",
}
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def away(error: BaseException, work: Work) -> Away | None:
    """Why the database did not do it, if it may do the same later."""
    cause, code = _cause(error)
    if work is Work.READS and code == sqlite3.SQLITE_READONLY:
        return None  # the query tried to write
    do = _AWAY.get(code & 0xFF)
    return Away(reason=str(cause), do=do) if do is not None else None


def damage(error: BaseException) -> str | None:
    """What the error says of damaged pages, if it does."""
    cause, code = _cause(error)
    return str(cause) if code & 0xFF in _DAMAGED else None


def _cause(error: BaseException) -> tuple[BaseException | None, int]:
    """The driver's error and its extended result code; 0 if it is another error."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause, getattr(cause, "sqlite_errorcode", 0) if isinstance(cause, sqlite3.Error) else 0
