"""A copy of an SQLite database, also while a bot writes to it.

VACUUM INTO reads one snapshot and writes a file without the log beside it and without the remains of what was deleted. The online backup
API begins anew whenever another process writes, so beside a busy bot it never ends.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

COPY_KEY: Final = "copy"  # in a copy only, in the key-value table: when it was made (Unix ms)
_STEP: Final = 100_000  # instructions of SQLite, some 20 ms
_LONGEST_PAUSE_S: Final = 1.0
_SYNC_BYTES: Final = 16 * 2**20  # written at once; a commit of the bot waits for it

Stopped = Callable[[], bool]


def never() -> bool:
    return False


@contextmanager
def read_only(path: Path, *, is_in_use: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing and never moves the write-ahead log, which only the bot does. Raises `sqlite3.Error`.

    Without `is_in_use`, no file is created beside it, and a log beside it is not read.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro{'' if is_in_use else '&immutable=1'}"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as conn:
        conn.execute("PRAGMA busy_timeout = 5000")
        yield conn


def copy(source: Path, target: Path, *, now: int, stopped: Stopped = never) -> None:
    """Copy the database into `target`, an empty file, and note in it that it is a copy, made at `now` (Unix ms).

    It rests as long as it works, so that a bot's commits are not delayed.

    Raises `sqlite3.Error`, also if `stopped` became true, and `OSError`.
    """
    handle = os.open(target, os.O_RDWR)
    try:
        with read_only(source) as conn:
            conn.set_progress_handler(_Gently(handle, stopped), _STEP)
            conn.execute("VACUUM INTO ?", (str(target.absolute()),))
        _mark(target, now)
        os.fsync(handle)
    finally:
        os.close(handle)


def _mark(copy: Path, now: int) -> None:
    with closing(sqlite3.connect(copy, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = MEMORY")  # no second file beside it
        if conn.execute("SELECT 1 FROM sqlite_schema WHERE name = 'kv'").fetchone():
            conn.execute("INSERT OR REPLACE INTO kv (name, value, updated_at) VALUES (?, ?, ?)", (COPY_KEY, str(now), now))


class _Gently:
    """Called between steps: writes what is there to the disk, and rests as long as the step took."""

    def __init__(self, handle: int, stopped: Stopped) -> None:
        self._handle, self._stopped = handle, stopped
        self._synced_bytes = 0
        self._since = time.monotonic()

    def __call__(self) -> bool:
        """Whether to stop."""
        with suppress(OSError):  # the last one is checked
            size = os.fstat(self._handle).st_size
            if size - self._synced_bytes > _SYNC_BYTES:
                os.fsync(self._handle)
                self._synced_bytes = size
        time.sleep(min(time.monotonic() - self._since, _LONGEST_PAUSE_S))
        self._since = time.monotonic()
        return self._stopped()
