"""Whether the file of an SQLite database is damaged."""

from __future__ import annotations

import math
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bot.core.errors import DatabaseDamaged
from bot.store.engine.sqlite_copy import read_only
from bot.store.engine.sqlite_errors import damage

log = structlog.get_logger(__name__)

START_S: Final = 15.0  # a start does not wait longer; 2 GB take 1 s from memory, and some 10 s from a slow disk
_STEP: Final = 10_000  # instructions of SQLite
_SHOWN: Final = 3  # faults


@dataclass(frozen=True, kw_only=True)
class FileCheck:
    """The result of a check."""

    took_s: float
    is_complete: bool  # False if the time was over before the end
    faults: tuple[str, ...] = ()  # SQLite's own words


def quick_check(path: Path, *, longest_s: float = START_S) -> FileCheck:
    """Check the structure of all pages, as far as the time allows. Raises `sqlite3.OperationalError` if the file can't be read."""
    with read_only(path) as conn:
        return check(conn, "quick_check", longest_s=longest_s)


def check(conn: sqlite3.Connection, pragma: str, *, longest_s: float = math.inf) -> FileCheck:
    """Run `quick_check` or `integrity_check`, which also compares indexes with their tables. Raises `sqlite3.OperationalError`."""
    begun = time.monotonic()
    try:
        conn.set_progress_handler(lambda: time.monotonic() - begun > longest_s, _STEP)
        found = [str(row[0]) for row in conn.execute(f"PRAGMA {pragma}({_SHOWN})")]
    except sqlite3.DatabaseError as error:
        took_s = time.monotonic() - begun
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return FileCheck(took_s=took_s, is_complete=False)
        if (fault := damage(error)) is not None:
            return FileCheck(took_s=took_s, is_complete=True, faults=(fault,))
        raise
    finally:
        conn.set_progress_handler(None, 0)
    return FileCheck(took_s=time.monotonic() - begun, is_complete=True, faults=() if found == ["ok"] else tuple(found))


def refuse_damaged(path: Path, *, longest_s: float = START_S) -> None:
    """At a start, before anything is written. A database that cannot be opened is left to what opens it. Raises `DatabaseDamaged`."""
    try:
        done = quick_check(path, longest_s=longest_s)
    except sqlite3.OperationalError:
        return
    if done.faults:
        raise damaged(path, done.faults[0])
    if not done.is_complete:
        do = "Check a backup with `doctor --backup`, which takes as long as it needs."
        log.warning("database too large to be checked at the start", checked_s=round(done.took_s, 1), do=do)
    elif done.took_s > 1:
        log.info("database checked", took_s=round(done.took_s, 1))


def damaged(path: Path, reason: str) -> DatabaseDamaged:
    return DatabaseDamaged(
        f"The file {path} is damaged or is no SQLite database ({reason.splitlines()[-1]}); restore a backup, as docs/operators.md says."
    )
