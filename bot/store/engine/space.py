"""Space of deleted rows. SQLite keeps it in its file for later rows; here most of it is returned to the file system, in small steps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

# The first pragma of a connection: it applies to a file without any content, and to the others from their next VACUUM on.
PRAGMA = {"auto_vacuum": "INCREMENTAL"}
STEP_PAGES = 25  # moving so many takes some 5 ms, in which nothing else is written
KEPT_PAGES, KEPT_SHARE = 2500, 10  # free pages that stay for new rows: 10 MB, or a tenth of the file
REBUILD_BYTES = 2**27  # a larger file of an earlier version is not rebuilt at a start, which takes 6 s or more for each GiB


def shrink(connection: sqlite3.Connection) -> int:
    """Return some pages to the file system, outside a transaction. Returns how many; 0 if too few are free or the file cannot shrink."""
    free = _value(connection, "freelist_count")
    if free <= max(KEPT_PAGES, _value(connection, "page_count") // KEPT_SHARE):
        return 0
    connection.executescript(f"PRAGMA incremental_vacuum({STEP_PAGES})")  # `execute` would end after one page
    return free - _value(connection, "freelist_count")


def rebuild_once(path: Path) -> None:
    """Rebuild a file of an earlier version if it is not too large, so that it can shrink from now on. Raises as `rebuild`."""
    with closing(sqlite3.connect(path)) as connection:
        if _value(connection, "auto_vacuum"):
            return
    size = path.stat().st_size
    if size > REBUILD_BYTES:
        log.warning("the database's file cannot shrink", size_mb=size // 10**6, do="Stop the bot and run `python -m bot compact` once.")
        return
    rebuild(path)


def rebuild(path: Path) -> None:
    """Leave out the space of deleted rows, while nothing else uses the file.

    Raises `sqlite3.Error`, for example if the disk has no space for a second copy.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for name, value in {"secure_delete": "ON", **PRAGMA}.items():
            connection.execute(f"PRAGMA {name} = {value}")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _value(connection: sqlite3.Connection, pragma: str) -> int:
    (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)
