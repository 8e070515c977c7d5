"""What is done with the file of an SQLite database before it is opened: it is checked, and copied before its schema changes."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from bot.core import private_files
from bot.core.clock import system
from bot.core.errors import StartError
from bot.store.engine import schema, sqlite_check, sqlite_copy

log = structlog.get_logger(__name__)

KEEP_S: Final = 30 * 86_400  # how long such a copy stays: it also holds what members erase later
_FORMAT: Final = slice(18, 20)  # of the file's header
_NO_WAL: Final = b"\x01\x01"  # of a backup; Easel's first write to the file changes it, before there is a log
_SPARE_BYTES: Final = 64 * 2**20


def prepare(path: Path, *, upgrade: bool, backup: bool) -> None:
    """Refuse what must not be opened, and keep a copy before an `upgrade` unless `backup` is False. Raises `StartError`."""
    refuse_old_log(path)
    sqlite_check.refuse_damaged(path)
    if upgrade and backup and _is_outdated(path):
        _keep_copy(path)


def remove_old_copies(path: Path) -> None:
    """Delete the copies that were made long ago before an upgrade."""
    with suppress(OSError):
        for each in _copies(path):
            if time.time() - each.stat().st_mtime > KEEP_S:
                each.unlink()


def refuse_old_log(path: Path) -> None:
    """SQLite would put the log of the damaged database into the backup that replaced it. Raises `StartError`."""
    old = path.with_name(f"{path.name}-wal")
    try:
        with path.open("rb") as file:
            is_backup = file.read(_FORMAT.stop)[_FORMAT] == _NO_WAL
        is_left = is_backup and old.stat().st_size > 0
    except OSError:  # there is no log, or what opens the file says what is wrong
        return
    if is_left:
        raise StartError(f"{path} is a backup, and {old.name} beside it belongs to the database before; delete {old.name}, then start.")


def _is_outdated(path: Path) -> bool:
    try:
        with sqlite_copy.read_only(path) as conn:
            (revision,) = conn.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:  # there is no schema yet, or what opens the file says what is wrong
        return False
    return bool(revision < schema.head())


def _keep_copy(path: Path) -> None:
    target = path.with_name(f"{path.name}.before-{schema.head()}")
    _refuse_full_disk(path)
    log.info("copying the database before its upgrade", to=str(target), size_mb=path.stat().st_size // 10**6)
    earlier = [each for each in _copies(path) if each != target]
    try:
        with private_files.whole_file(target, replace=True) as partial:
            sqlite_copy.copy(path, partial, now=system())
    except (OSError, sqlite3.Error) as error:
        raise StartError(f"The database could not be copied to {target} before its upgrade ({error}). {_GO_ON}") from error
    for each in earlier:
        each.unlink()


def _refuse_full_disk(path: Path) -> None:
    needed = _SPARE_BYTES + sum(each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists())
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise StartError(
            f"A copy of the database is made before its upgrade, and {path.parent.absolute()} has too little room for it:"
            f" {free // 10**6} MB of {needed // 10**6} MB. Make room. {_GO_ON}"
        )


_GO_ON: Final = "Or make a backup elsewhere with `python -m bot backup PATH`, then run `python -m bot migrate --no-backup`."


def _copies(path: Path) -> list[Path]:
    return [each for each in path.parent.iterdir() if each.name.startswith(f"{path.name}.before-")]
