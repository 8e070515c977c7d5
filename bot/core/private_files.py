"""Files and folders that only the user who runs the bot may read: they hold members' prompts and images."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_OTHERS: Final = 0o077


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


def _close_to_others(handle: int) -> None:
    found = os.fstat(handle)
    if found.st_uid == os.geteuid() and found.st_mode & _OTHERS:
        os.fchmod(handle, stat.S_IMODE(found.st_mode) & ~_OTHERS)
