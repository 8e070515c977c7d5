"""The folder of a process's files. It is locked as long as the process lives, so others know whose files nobody needs any more."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.core import private_files
from bot.core.errors import StartError

_LOCK: Final = ".lock"  # ends the name of the file that is locked, beside the folder


@dataclass(frozen=True, kw_only=True)
class Home:
    """A folder that only this process uses."""

    name: str
    folder: Path
    gone: tuple[str, ...]  # the names of those whose processes have died


@contextmanager
def opened(parent: Path) -> Iterator[Home]:
    """Make a folder below `parent`, and remove those of dead processes. Raises `StartError`."""
    try:
        private_files.make_folder(parent)
        private_files.tighten_folder(parent.parent)
        with _locked(parent / _LOCK):  # one process at a time makes or removes a folder
            gone = _remove_gone(parent)
            name = secrets.token_hex(8)
            (parent / name).mkdir(mode=private_files.FOLDER_MODE)
            lock = private_files.open_file(_lock_of(parent / name), os.O_RDWR)
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise StartError(f"DATA_DIR cannot be used: {error.strerror or type(error).__name__} at {parent}; check who owns it.") from error
    try:
        yield Home(name=name, folder=parent / name, gone=gone)
    finally:
        with suppress(OSError):  # the next process removes what is left
            _remove(parent / name)
        os.close(lock)


def _remove_gone(parent: Path) -> tuple[str, ...]:
    """Remove the folders that no process has locked, and files that versions before left here. Returns the names of the folders."""
    gone = []
    for path in sorted(parent.iterdir()):
        if path.name.endswith(_LOCK):
            continue
        if not path.is_dir():
            path.unlink()
        elif not _is_locked(_lock_of(path)):
            _remove(path)
            gone.append(path.name)
    return tuple(gone)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")


def _is_locked(path: Path) -> bool:
    try:
        with _locked(path, fcntl.LOCK_NB):
            return False
    except BlockingIOError:
        return True


@contextmanager
def _locked(path: Path, flags: int = 0) -> Iterator[None]:
    lock = private_files.open_file(path, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(lock)
