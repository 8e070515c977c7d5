"""Files and folders that only the user who runs the bot may read: they hold members' prompts and images."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
PARTIAL: Final = ".partial"  # ends the name of a file that is being written
_OTHERS: Final = 0o077
_NOT_SYNCED: Final = (errno.EINVAL, errno.ENOTSUP)  # some network disks can't write a folder to the disk by itself


def make_folder(path: Path) -> None:
    """Create the folder and its parents if they are missing; existing ones stay as they are."""
    for parent in reversed([path, *path.parents]):
        if not parent.exists():
            parent.mkdir(mode=FOLDER_MODE, exist_ok=True)


def open_file(path: Path, flags: int) -> int:
    """Open or create a file; returns its descriptor. An existing file of this user becomes private."""
    handle = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    _close_to_others(handle)
    return handle


def write_file(path: Path, content: bytes) -> None:
    """Replace the content of a file."""
    with os.fdopen(open_file(path, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(content)


@contextmanager
def whole_file(path: Path, *, replace: bool) -> Iterator[Path]:
    """Yields an empty file beside `path`, which gets its name once it is written and on the disk; after an error nothing of it is left.

    Raises `FileExistsError` unless `replace`, `BlockingIOError` while another process writes the same file, and other `OSError`s.
    """
    partial = path.with_name(f"{path.name}{PARTIAL}")
    _refuse_existing(path, replace=replace)
    handle = _lock_new(partial)
    try:
        yield partial
        os.fsync(handle)
        _refuse_existing(path, replace=replace)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    _sync_folder(path.parent)


def remove_partial(folder: Path, pattern: str) -> None:
    """Delete what killed processes left of files that match `pattern`."""
    for partial in folder.glob(f"{pattern}{PARTIAL}"):
        try:
            handle = _lock_new(partial)
        except BlockingIOError:  # it is being written
            continue
        partial.unlink()
        os.close(handle)


def tighten_folder(path: Path) -> None:
    """Close an existing folder to others. Left alone: folders of other users, and those that are used for more than the bot."""
    shared = {Path.cwd(), Path.home(), *Path.home().parents}
    if path.resolve() in shared or path.stat().st_mode & stat.S_ISVTX:
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _close_to_others(handle)
    finally:
        os.close(handle)


def is_open_to_others(path: Path) -> bool:
    """Whether other users may read, write or enter it."""
    return bool(path.stat().st_mode & _OTHERS)


def _lock_new(partial: Path) -> int:
    """Open the file, empty and locked for this process; a killed one may have left it. Raises `BlockingIOError` if it is in use."""
    handle = open_file(partial, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not (partial.exists() and os.path.samestat(partial.stat(), os.fstat(handle))):
            raise BlockingIOError  # the other process has finished meanwhile: this is its file under the new name
        os.ftruncate(handle, 0)
    except OSError:
        os.close(handle)
        raise
    return handle


def _refuse_existing(path: Path, *, replace: bool) -> None:
    if path.exists() and not replace:
        raise FileExistsError(path)


def _sync_folder(folder: Path) -> None:
    """Write the names in the folder to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_SYNCED:
            raise
    finally:
        os.close(handle)


def _close_to_others(handle: int) -> None:
    found = os.fstat(handle)
    if found.st_uid == os.geteuid() and found.st_mode & _OTHERS:
        os.fchmod(handle, stat.S_IMODE(found.st_mode) & ~_OTHERS)
