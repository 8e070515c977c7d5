"""`python -m bot backup`, `doctor --backup`, and the doctor's check that there are backups."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bot.core import private_files
from bot.core.clock import Clock, system
from bot.core.config import Settings
from bot.core.errors import EaselError, StartError
from bot.domain.money.quota import DAY_MS
from bot.ops.examination import Examination
from bot.ops.findings import Finding, Severity, bad, ok, skip, some, warn
from bot.services.backups import pg_dump
from bot.services.backups.making import Backups, Made, dated
from bot.store.backup import sqlite as copies
from bot.store.backup.sqlite import BackupReport
from bot.store.engine import schema
from bot.store.engine.opening import sqlite_file

Show = Callable[[Finding], object]

_OLD_MS: Final = 7 * DAY_MS
_SQLITE, _DUMP = b"SQLite format 3\0", b"PGDMP"
_AS_IN_THE_GUIDE: Final = "docs/operators.md says how, under Backups"


# --- backup --------------------------------------------------------------------------------------------------------------


async def back_up(settings: Settings, path: str, *, replace_existing: bool, keep: int | None, clock: Clock = system) -> tuple[str, bool]:
    """Make a backup; what to say of it, and whether all is right. Raises `EaselError`."""
    if path.endswith("/") or keep is not None:
        await asyncio.to_thread(_make_folder, Path(path))
    backups = Backups(database=settings.database, data_dir=settings.data_dir, clock=clock)
    made = await backups.make(Path(path), replace=replace_existing, keep=keep)
    return f"The backup is {made.path} ({_megabytes(made.size_bytes)}). {_told(made)}", not made.wrong


def _make_folder(folder: Path) -> None:
    try:
        if not folder.exists():
            folder.mkdir(mode=private_files.FOLDER_MODE)
    except OSError as error:
        raise StartError(f"The folder {folder} can't be made ({error.strerror}).") from error


def _told(made: Made) -> str:
    if made.wrong:
        return (
            f"It is complete, but credits in it are not accounted for, nor in the database: {some(made.wrong, most=1)} See doctor --ledger."
        )
    if made.is_proved:
        return "It was checked, and every credit is accounted for."
    return "It was read to its end; doctor --backup says more."


# --- doctor --backup -----------------------------------------------------------------------------------------------------


async def examine_backup(path: Path, *, show: Show, clock: Clock = system) -> bool:
    """Show what a copy holds, and return whether it can be restored as it is. Nothing is changed. Raises `StartError`."""
    file = await asyncio.to_thread(_newest, path)
    read = _READERS.get(await asyncio.to_thread(_kind_of, file))
    if read is None:
        raise StartError(f"{file} is neither an SQLite database nor a dump in the custom format of pg_dump.")
    fine = True
    for finding in await read(file, clock()):
        fine = fine and finding.severity is not Severity.BAD
        show(replace(finding, check=finding.check or "backup"))
    return fine


def _newest(path: Path) -> Path:
    """The file itself, or the newest backup in a folder."""
    if not path.is_dir():
        return path
    found = dated(path)
    if not found:
        raise StartError(f"There is no backup in {path}.")
    return max(found, key=lambda each: found[each])


def _kind_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            head = opened.read(len(_SQLITE))
    except OSError as error:
        raise StartError(f"{file} can't be read ({error.strerror}).") from error
    _refuse_live(file)
    return next((kind for kind in _READERS if head.startswith(kind)), b"")


def _refuse_live(file: Path) -> None:
    """A database that a bot writes to can't be proved by reading its files."""
    lock = file.with_name(f"{file.name}.lock")
    if not lock.exists():
        return
    with lock.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            raise StartError(f"A bot is using {file}: make a copy with `python -m bot backup PATH` and check that.") from None


async def _of_sqlite(file: Path, now: int) -> list[Finding]:
    try:
        report = await copies.examine(file)
    except (sqlite3.Error, SQLAlchemyError, OSError) as error:
        return [bad(f"{file} can't be examined ({error.orig if isinstance(error, DBAPIError) else error}).")]
    if report.faults:
        return [bad(f"{file} is damaged: {'; '.join(report.faults)}. Use another backup.")]
    return [*_facts(file, report, now), *_schema(report), *_books(report)]


def _facts(file: Path, report: BackupReport, now: int) -> Iterator[Finding]:
    yield ok(f"{file} ({_megabytes(report.size_bytes)}) is undamaged.")
    if report.broken_keys:
        yield bad(f"{report.broken_keys} rows refer to rows that are missing.")
    if report.last_order_at is not None:
        old = now - report.last_order_at
        yield (warn if old > _OLD_MS else ok)(f"the newest order in it is {_age(old)} old, of {_time_of(report.last_order_at)}.")


def _schema(report: BackupReport) -> Iterator[Finding]:
    if report.schema is None:
        yield bad("it holds no tables of Easel.")
    elif report.schema > schema.head():
        yield bad(f"it is of a newer Easel (schema {report.schema}): only that version can use it.")
    elif report.schema < schema.head():
        yield ok(f"it is of an older Easel (schema {report.schema}): the start upgrades it, which was tried in a temporary copy.")
    else:
        yield ok(f"its schema is {report.schema}, as this version's.")


def _books(report: BackupReport) -> Iterator[Finding]:
    if report.proof is None:
        return
    counted = f"{report.proof.accounts} accounts, {report.proof.lines} lines and {report.proof.images} images"
    fine = ok(f"{counted} were read, and every credit is accounted for.")
    yield from [replace(each, check="ledger") for each in ([bad(sentence) for sentence in report.proof.wrong] or [fine])]
    yield ok(f"{report.open_jobs} orders in it are not finished; after a restore they go on.")


async def _of_dump(file: Path, _now: int) -> list[Finding]:
    if shutil.which("pg_restore") is None:
        return [skip("pg_restore is not installed here, so the dump was not read.")]
    try:
        made_at = await asyncio.to_thread(pg_dump.made_at, file)
        await asyncio.to_thread(pg_dump.check, file)
    except EaselError as error:
        return [bad(f"{file} can't be restored: {error.sentence}")]
    size = _megabytes(await asyncio.to_thread(_size_of, file))
    return [
        ok(f"{file} ({size}) is complete{f', made at {made_at}' if made_at else ''}."),
        skip(f"its credits can only be checked in a database: restore it into a new one ({_AS_IN_THE_GUIDE}), then doctor --ledger."),
    ]


_READERS: Final = {_SQLITE: _of_sqlite, _DUMP: _of_dump}


# --- doctor --------------------------------------------------------------------------------------------------------------


async def check_backups(examination: Examination) -> Iterable[Finding]:
    """Whether there is a recent backup."""
    settings = examination.settings
    return [await backup_finding(settings, system())]


async def backup_finding(settings: Settings, now: int) -> Finding:
    source = sqlite_file(settings.database)
    if fault := await asyncio.to_thread(_schedule_fault, settings):
        return bad(fault)
    if source is not None and not await asyncio.to_thread(source.exists):
        return ok("there is nothing to back up yet.")
    made_at = await Backups(database=settings.database, data_dir=settings.data_dir, clock=system).last_made_at()
    if made_at is None:
        return warn("none was made with `python -m bot backup` or BACKUP_DIR yet; if nothing else makes backups, set BACKUP_DIR.")
    told = f"the last one was made {_age(now - made_at)} ago"
    if now - made_at > _OLD_MS:
        return warn(f"{told}; run `python -m bot backup PATH`, or set BACKUP_DIR so that the bot makes them.")
    return ok(f"{told}.")


def _schedule_fault(settings: Settings) -> str | None:
    """Why the running bot can make no backups in BACKUP_DIR."""
    folder = settings.backup_dir
    if folder is None:
        return None
    if sqlite_file(settings.database) is None and shutil.which("pg_dump") is None:
        return "BACKUP_DIR is set, but pg_dump, which backups of PostgreSQL need, is not installed here."
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return f"BACKUP_DIR is {folder}, and {there} cannot be written to; check who owns it."
    return None


# --- their parts ---------------------------------------------------------------------------------------------------------


def _size_of(file: Path) -> int:
    return file.stat().st_size


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 10**6:,.1f} MB"


def _age(ms: int) -> str:
    hours = max(ms, 0) // 3_600_000
    return "less than an hour" if hours < 1 else f"{hours} h" if hours < 48 else f"{hours // 24} days"


def _time_of(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M} UTC"
