"""One backup: where it goes, what can go wrong, and which earlier ones stay."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bot.core import private_files
from bot.core.clock import Clock
from bot.core.errors import EaselError, MachineTrouble, StartError
from bot.services.backups import pg_dump
from bot.store.backup import sqlite as copies
from bot.store.engine import sqlite_check
from bot.store.engine.opening import sqlite_file
from bot.store.engine.sqlite_copy import Stopped
from bot.store.engine.sqlite_errors import damage

T = TypeVar("T")
log = structlog.get_logger(__name__)

LAST: Final = "last-backup"  # the file in DATA_DIR that says when the last good backup was made (Unix ms)
_DATED: Final = re.compile(r"easel-(\d{4}-\d{2}-\d{2}-\d{6})\.(sqlite3|dump)")
_OF_DATABASE: Final = ("", "-wal", "-shm", "-journal", ".lock")  # how the names of its files end
_TIME: Final = "%Y-%m-%d-%H%M%S"  # UTC


@dataclass(frozen=True, kw_only=True)
class Made:
    """A backup that was written."""

    path: Path
    size_bytes: int
    wrong: tuple[str, ...] = ()  # what its ledger's audit found: the copy is complete, and the database had that before
    is_proved: bool = False  # whether the ledger was audited


@dataclass(frozen=True, kw_only=True)
class Backups:
    """Makes backups of the database at an address, also while a bot uses it."""

    database: str = field(repr=False)  # its address, which may hold a password
    data_dir: Path
    clock: Clock

    async def make(self, to: Path, *, replace: bool = False, keep: int | None = None) -> Made:
        """Write a backup to a file, or into a folder under a dated name; there only the newest `keep` stay.

        Raises `StartError` if it cannot be begun, `DatabaseDamaged`, `MachineTrouble` and other `EaselError`s; then nothing is left of it.
        """
        now = self.clock()
        target = await asyncio.to_thread(self._target, to, now, keep)
        with _in_sentences(target, self._source()):
            made = await _in_thread(partial(self._write, target, now, replace=replace))
        if not made.wrong:
            await asyncio.to_thread(self._finish, target, now, keep)
        return made

    async def last_made_at(self) -> int | None:
        """When the last good backup was made (Unix ms); None if there is none yet."""
        return await asyncio.to_thread(_read_last, self.data_dir)

    def _source(self) -> Path | None:
        return sqlite_file(self.database)

    def _target(self, to: Path, now: int, keep: int | None) -> Path:
        source = self._source()
        if source is not None and not source.exists():
            raise StartError(f"There is no database at {source.absolute()} yet.")
        if to.is_dir():
            return to / f"easel-{datetime.fromtimestamp(now / 1000, UTC):{_TIME}}.{'dump' if source is None else 'sqlite3'}"
        if keep is not None:
            raise StartError(f"--keep is for a folder of backups, and {to} is none.")
        if to.exists() and not to.is_file():
            raise StartError(f"{to} is no ordinary file; choose another place.")
        if not to.parent.is_dir():
            raise StartError(f"There is no folder {to.parent}.")
        if source is not None and to.parent.samefile(source.parent) and to.name.removeprefix(source.name) in _OF_DATABASE:
            raise StartError(f"{to} belongs to the database itself; choose another place.")
        return to

    def _write(self, target: Path, now: int, *, replace: bool, stopped: Stopped) -> Made:
        source = self._source()
        if source is None:
            pg_dump.back_up(self.database, target, replace=replace, stopped=stopped)
            return Made(path=target, size_bytes=target.stat().st_size)
        proof = copies.back_up(source, target, replace=replace, now=now, stopped=stopped)
        wrong = proof.wrong if proof else ()
        return Made(path=target, size_bytes=target.stat().st_size, wrong=wrong, is_proved=proof is not None)

    def _finish(self, target: Path, now: int, keep: int | None) -> None:
        """A backup that is complete stays so, whatever fails here."""
        try:
            private_files.make_folder(self.data_dir)
            with private_files.whole_file(self.data_dir / LAST, replace=True) as file:
                file.write_text(str(now))
            if _DATED.fullmatch(target.name):
                _tidy(target, keep)
        except OSError as error:
            log.warning("a backup was made, but not everything after it", reason=str(error))


def dated(folder: Path) -> dict[Path, int]:
    """The backups in a folder, and when each was made (Unix ms)."""
    found = {path: _made_at(path.name) for path in folder.iterdir()} if folder.is_dir() else {}
    return {path: made_at for path, made_at in found.items() if made_at is not None}


def _made_at(name: str) -> int | None:
    with suppress(ValueError):
        if match := _DATED.fullmatch(name):
            return int(datetime.strptime(match[1], _TIME).replace(tzinfo=UTC).timestamp() * 1000)
    return None


def _tidy(made: Path, keep: int | None) -> None:
    """Delete what killed processes left, and all but the newest. The one just made always stays: the clock may have been set back."""
    private_files.remove_partial(made.parent, "easel-*")
    others = [path for path in dated(made.parent) if path != made and path.suffix == made.suffix]
    for path in sorted(others, reverse=True)[keep - 1 :] if keep else []:
        path.unlink()


def _read_last(data_dir: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int((data_dir / LAST).read_text())
    return None


async def _in_thread(work: Callable[..., T]) -> T:
    """The result of `work(stopped=...)`. If the caller is cancelled, the work ends soon."""
    stopped = threading.Event()
    working = asyncio.create_task(asyncio.to_thread(work, stopped=stopped.is_set), name="backup")
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait([working])
        raise


@contextmanager
def _in_sentences(target: Path, source: Path | None) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise StartError(f"{target} exists already: add --replace to replace it, or choose another name.") from error
    except BlockingIOError as error:
        raise StartError(f"Another backup is being written to {target}.") from error
    except EaselError:
        raise
    except (sqlite3.Error, SQLAlchemyError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if source is not None and (fault := damage(error)) is not None:
            raise sqlite_check.damaged(source, fault) from error
        reason = (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
        raise MachineTrouble(f"The backup {target} could not be made ({reason}), and nothing is left of it.") from error
