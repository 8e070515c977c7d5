"""Backups of an SQLite database: making one, and examining one without changing it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from sqlalchemy import URL, Connection, create_engine, func, select

from bot.core import private_files
from bot.domain.job import JobState
from bot.store.engine import schema, sqlite_check, sqlite_copy, sqlite_start
from bot.store.engine.opening import migrate
from bot.store.engine.sqlite_copy import Stopped, never
from bot.store.money import audit
from bot.store.money.audit import Proof
from bot.store.tables import jobs


@dataclass(frozen=True, kw_only=True)
class BackupReport:
    """What is in a copy. The last three are None if they could not be read."""

    size_bytes: int
    faults: Sequence[str] = ()  # of the file, in SQLite's words
    broken_keys: int = 0  # rows that refer to rows which do not exist
    schema: str | None = None  # None: there is none
    proof: Proof | None = None  # of its ledger
    open_jobs: int | None = None
    last_order_at: int | None = None  # Unix ms


# --- making ------------------------------------------------------------------------------------------------------------


def back_up(source: Path, target: Path, *, replace: bool, now: int, stopped: Stopped = never) -> Proof | None:
    """Write a checked copy of the database `source`, which may be in use; `target` appears once it is complete.

    Returns the audit of its ledger, or None if its schema is not that of this version. Raises `FileExistsError` unless `replace`,
    `BlockingIOError` while another process writes it, `sqlite3.Error` and `OSError`.
    """
    with private_files.whole_file(target, replace=replace) as partial:
        sqlite_copy.copy(source, partial, now=now, stopped=stopped)
        if faults := sqlite_check.quick_check(partial, longest_s=float("inf")).faults:
            raise OSError(f"the copy is damaged: {faults[0]}")
        with _connected(partial) as conn:
            return audit.prove(conn) if schema.current(conn) == schema.head() else None


# --- examining ---------------------------------------------------------------------------------------------------------


async def examine(path: Path) -> BackupReport:
    """Read all of a copy and check it. Where a log lies beside it or its schema is older, this is done in a temporary copy.

    Raises `StartError`, `sqlite3.OperationalError` and `OSError` if it can't be read.
    """
    with TemporaryDirectory(prefix="easel-") as folder:
        file = await asyncio.to_thread(_with_log, path, Path(folder))
        report = await asyncio.to_thread(_structure, file)
        if report.faults or report.schema is None or report.schema > schema.head():
            return report
        if report.schema < schema.head():
            file = await asyncio.to_thread(_copied, file, Path(folder))
            await migrate(f"sqlite:///{file}", backup=False)
        return await asyncio.to_thread(_content, file, report)


def _with_log(path: Path, folder: Path) -> Path:
    """The file itself, or a copy of it and the log beside it: reading them together would change both."""
    log = path.with_name(f"{path.name}-wal")
    if not (log.exists() and log.stat().st_size):
        return path
    sqlite_start.refuse_old_log(path)
    shutil.copy(log, folder / "copy-wal")
    file = _copied(path, folder)
    with closing(sqlite3.connect(file)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


def _copied(path: Path, folder: Path) -> Path:
    file = folder / "copy"
    if path != file:
        shutil.copy(path, file)
    return file


def _structure(file: Path) -> BackupReport:
    size_bytes = file.stat().st_size
    with sqlite_copy.read_only(file, is_in_use=False) as conn:
        if faults := sqlite_check.check(conn, "integrity_check").faults:
            return BackupReport(size_bytes=size_bytes, faults=faults)
        broken_keys = len(conn.execute("PRAGMA foreign_key_check").fetchall())
    with _connected(file) as conn:
        return BackupReport(size_bytes=size_bytes, broken_keys=broken_keys, schema=schema.current(conn))


def _content(file: Path, report: BackupReport) -> BackupReport:
    with _connected(file) as conn:
        open_jobs = conn.scalar(select(func.count()).select_from(jobs).where(jobs.c.state.in_((JobState.OPEN, JobState.DELIVERABLE))))
        last_order_at = conn.scalar(select(func.max(jobs.c.created_at)))
        return replace(report, proof=audit.prove(conn), open_jobs=open_jobs, last_order_at=last_order_at)


@contextmanager
def _connected(file: Path) -> Iterator[Connection]:
    """A connection that creates no file beside it."""
    query = {"mode": "ro", "immutable": "1", "uri": "true"}
    url = URL.create("sqlite+pysqlite", database=f"file:{quote(str(file.absolute()))}", query=query)
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.connect() as conn:
            yield conn
    finally:
        engine.dispose()
